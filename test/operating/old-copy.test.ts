/** docs/operating.md, "Backup": what comes of a server that is started from less than it had. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { EVENT_SERVER_FAILED } from '../scenario/host.ts';
import { waitUntil } from '../scenario/wait-until.ts';
import {
  copyDirectories,
  LOAD,
  OperatedCluster,
  operatedRuntimes,
  snapOf,
  walOf,
} from './operated-cluster.ts';

describe.each(operatedRuntimes())('%s runtime', (runtime) => {
  let operated: OperatedCluster;
  afterEach(() => operated.end(), 60_000);

  test('its leader remembers, and it stops for good; without its log alone it does not start', async () => {
    operated = await OperatedCluster.start({ runtime });
    const { cluster } = operated;
    const leader = await cluster.leader();
    const node = cluster.nodes.find((each) => each !== leader)!;
    await cluster.load(leader, LOAD);
    await delay(200);
    const copy = join(operated.desk, 'copy');
    mkdirSync(copy);
    await operated.stopNode(node);
    copyDirectories(node.directory, copy, node);
    await operated.startNode(node);
    await operated.inSync(node.id, leader.id);
    await operated.stopNode(node);

    rmSync(walOf(node), { recursive: true });
    await expect(operated.startNode(node)).rejects.toThrow(
      `waldir ${walOf(node)} has no log, but snapdir ${snapOf(node)} has members.json of an earlier life of this node`,
    );
    await cluster.killNode(node);
    const empty = (): void => {
      for (const directory of [walOf(node), snapOf(node)])
        rmSync(directory, { recursive: true, force: true });
    };
    for (const [putBack, isJoining] of [
      [true, false],
      [false, false],
      [false, true],
    ]) {
      empty();
      if (putBack) copyDirectories(copy, node.directory, node);
      const host = await operated.startNode(node, { join: isJoining! });
      await waitUntil('it stops for good', 30_000, () => host.hasEvent(EVENT_SERVER_FAILED));
      expect(host.events.find(({ code }) => code === EVENT_SERVER_FAILED)!.text).toMatch(
        /commit \d+ is beyond the last index \d+: this node has lost entries that it had acknowledged/,
      );
      const health = await fetch(`${operated.adminUrl(node.id)}/healthz`);
      expect(health.status).toBe(503);
      await cluster.killNode(node);
    }
    await operated.quiet();
    await cluster.expectNothingLost();
  }, 120_000);

  test('nobody remembers, and what was acknowledged is lost', async () => {
    operated = await OperatedCluster.start({ runtime });
    const { cluster } = operated;
    const leader = await cluster.leader();
    const [slow, old] = cluster.nodes.filter((each) => each !== leader);
    await operated.stopNode(slow!);
    await operated.stopNode(old!);
    const copy = join(operated.desk, 'copy');
    mkdirSync(copy);
    copyDirectories(old!.directory, copy, old!);
    await operated.startNode(old!);
    await cluster.load(leader, LOAD);
    const hasSome = async (): Promise<boolean> => (await leader.host!.counts()).acknowledged > 50;
    await waitUntil('acknowledged proposals', 30_000, hasSome);
    await operated.stopNode(leader);
    await operated.stopNode(old!);
    copyDirectories(copy, old!.directory, old!);
    await Promise.all([slow!, old!].map((each) => operated.startNode(each)));
    const next = await cluster.leader();
    expect(await next.host!.lacking(join(leader.directory, 'acknowledged'))).toBeGreaterThan(50);
    // The one that has them stops when the others go on without.
    const host = await operated.startNode(leader);
    await cluster.load(next, LOAD);
    await waitUntil('it stops for good', 60_000, () => host.hasEvent(EVENT_SERVER_FAILED)).catch(
      async (error: unknown) => {
        const seen = await Promise.all(
          cluster.running.map(async (each) => JSON.stringify(await each.status())),
        );
        throw new Error([String(error), ...host.process.errors.slice(-8), ...seen].join('\n'));
      },
    );
    expect(host.events.find(({ code }) => code === EVENT_SERVER_FAILED)!.text).toMatch(
      /entry \d+ conflicts with a committed entry .* another node has lost entries/,
    );
  }, 120_000);
});
