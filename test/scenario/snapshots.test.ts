import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { Cluster } from './cluster.ts';
import { figure, runtimes } from './figures.ts';
import { readJournal } from './journal.ts';
import { waitUntil } from './wait-until.ts';

const KILLS = figure(5, 50);
const SNAPSHOTS = {
  snap_count: 100,
  snapshot_entries: 50,
  max_snap_files: 3,
  max_wal_files: 3,
  purge_file_interval: 1,
};

describe.each(runtimes())('%s runtime', (runtime) => {
  let cluster: Cluster | null = null;
  afterEach(async () => {
    await cluster?.end();
    cluster = null;
  });

  const restores = (directory: string): number =>
    readJournal(join(directory, 'journal')).filter((run) => run.after > 0).length;

  test(
    `snapshots are exact: ${KILLS} kills with a snapshot every 100 entries`,
    async () => {
      cluster = await Cluster.start({ runtime, nodes: 3, config: SNAPSHOTS });
      await cluster.leader();
      const load = { threads: 3, window: 4, bytes: 64, pauseUs: 4000 };
      await cluster.loadAll(load);
      for (let kill = 0; kill < KILLS; kill++) {
        await delay(100 + Math.random() * 900);
        const node = cluster.nodes[Math.floor(Math.random() * cluster.nodes.length)]!;
        await cluster.killNode(node);
        await cluster.startNode(node);
        await cluster.load(node, load);
      }
      await cluster.leader();
      await delay(500);
      for (const host of cluster.running) await host.quiet();
      const { acknowledged, digest } = await cluster.expectNothingLost();
      const restored = cluster.nodes.reduce((sum, node) => sum + restores(node.directory), 0);
      expect(restored).toBeGreaterThan(0);
      expect(acknowledged).toBeGreaterThan(0);
      console.log(
        `${runtime}: ${KILLS} kills, ${restored} snapshots restored, ${digest.count} entries applied`,
      );
    },
    60_000 + KILLS * 20_000,
  );

  test('a follower that was away for longer than snapshot_entries catches up by snapshot', async () => {
    cluster = await Cluster.start({ runtime, nodes: 3, config: { snap_count: 200, snapshot_entries: 100 } });
    const leader = await cluster.leader();
    const follower = cluster.nodes.find((node) => node !== leader)!;
    await cluster.load(leader, { threads: 4, window: 16, bytes: 64, pauseUs: 200 });
    await delay(300);
    await cluster.killNode(follower);
    const { last_index: lastIndex } = await leader.host!.status();
    await waitUntil('the leader compacts its log', 60_000, async () => {
      const status = await leader.host!.status();
      return status.first_index > lastIndex + 100;
    });
    const before = restores(follower.directory);
    await cluster.startNode(follower);
    await waitUntil('a snapshot reaches the follower', 60_000, () => restores(follower.directory) > before);
    await leader.host!.quiet();
    await cluster.expectNothingLost();
    const { after } = readJournal(join(follower.directory, 'journal'))
      .filter((run) => run.after > 0)
      .at(-1)!;
    expect(after, 'the snapshot is newer than what the follower had').toBeGreaterThan(lastIndex);
  }, 200_000);
});
