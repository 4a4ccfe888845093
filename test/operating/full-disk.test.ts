/** docs/operating.md, "Disks": no room is left. */
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { EVENT_SERVER_FAILED } from '../scenario/host.ts';
import { waitUntil } from '../scenario/wait-until.ts';
import { OperatedCluster, operatedRuntimes } from './operated-cluster.ts';
import { SmallDisk } from './small-disk.ts';

/** Less than the disk takes in the time that this needs. */
const LOAD = { threads: 1, window: 4, bytes: 8192, pauseUs: 3000 };

describe.each(operatedRuntimes())('%s runtime', (runtime) => {
  let operated: OperatedCluster;
  let disk: SmallDisk | null = null;
  afterEach(async () => {
    await Promise.all(operated.cluster.nodes.map((node) => operated.cluster.killNode(node)));
    disk?.end();
    await operated.end();
  }, 60_000);

  test('that server stops for good, the others go on, and it continues when there is room', async () => {
    operated = await OperatedCluster.start({ runtime });
    const { cluster } = operated;
    const node = cluster.node(1);
    disk = SmallDisk.at(join(operated.desk, 'disk'));
    const places = { waldir: join(disk.directory, 'wal'), snapdir: join(disk.directory, 'snap') };
    await operated.stopNode(node, 'handover');
    operated.moveDirectories(node, places);
    const host = await operated.startNode(node, places);
    await operated.inSync(1, 2);
    await operated.done(2, ['transfer', '1']);
    await waitUntil('node 1 leads', 30_000, () => host.role === 'leader');
    await cluster.loadAll(LOAD);

    disk.fill(host.process.pid);
    await waitUntil('it stops for good', 60_000, () => host.hasEvent(EVENT_SERVER_FAILED));
    const { text } = host.events.find(({ code }) => code === EVENT_SERVER_FAILED)!;
    expect(text).toContain(disk.code);
    expect(text).toContain(places.waldir);
    const health = await fetch(`${operated.adminUrl(1)}/healthz`);
    expect(health.status).toBe(503);
    expect(await health.text()).toContain(disk.code);
    const counts = await host.quiet();
    expect(counts.acknowledged).toBeGreaterThan(0);
    const next = await cluster.leader();
    const { acknowledged } = await next.host!.counts();
    await waitUntil(
      'the others go on',
      30_000,
      async () => (await next.host!.counts()).acknowledged > acknowledged,
    );
    await operated.quiet();
    await cluster.killNode(node);

    disk.free();
    await operated.startNode(node, places);
    await operated.inSync(1, next.id);
    await operated.quiet();
    expect((await cluster.expectNothingLost()).acknowledged).toBeGreaterThan(0);
  }, 180_000);
});
