import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { peakMemoryMib } from '../../scripts/tools/process-facts.ts';
import { Cluster } from './cluster.ts';
import { figure, runtimes } from './figures.ts';
import { readJournal } from './journal.ts';
import { waitUntil } from './wait-until.ts';

const BLOCKED_MS = figure(5_000, 30_000);
/** Long enough that a busy machine does not cost an election by itself. */
const CONFIG = { tickms: 200, election_tick: 15 };
const MEMORY_MIB_MAX = 700;

describe.each(runtimes())('%s runtime', (runtime) => {
  let cluster: Cluster | null = null;
  afterEach(async () => {
    await cluster?.end();
    cluster = null;
  });

  test(
    `onCommit blocks for ${BLOCKED_MS / 1000} s on every node: no election, and proposals find no room`,
    async () => {
      cluster = await Cluster.start({ runtime, nodes: 3, config: CONFIG });
      const leader = await cluster.leader();
      const { term } = await leader.host!.status();
      for (const host of cluster.running) await host.command(`block apply ${BLOCKED_MS}`);
      await cluster.load(leader, { threads: 8, window: 64, bytes: 64 * 1024, pauseUs: 0 });
      await delay(BLOCKED_MS);
      const counts = await leader.host!.counts();
      const peaks = cluster.running.map((host) => peakMemoryMib(host.process.pid));
      await leader.host!.quiet(60_000);
      expect(counts.busy, 'proposals that found no room').toBeGreaterThan(0);
      expect(Math.max(...peaks), 'MiB at most').toBeLessThan(MEMORY_MIB_MAX);
      const status = await leader.host!.status();
      expect(status.term, 'no election').toBe(term);
      expect(status.role).toBe('leader');
      await cluster.expectNothingLost();
      console.log(
        `${runtime}: ${counts.busy} times no room, peaks ${peaks.map((peak) => Math.round(peak)).join(', ')} MiB`,
      );
    },
    120_000 + BLOCKED_MS * 2,
  );

  test(
    `recoverFromSnapshot blocks for ${BLOCKED_MS / 1000} s: no election, and the node catches up`,
    async () => {
      const config = { ...CONFIG, snap_count: 200, snapshot_entries: 100 };
      cluster = await Cluster.start({ runtime, nodes: 3, config });
      const leader = await cluster.leader();
      const follower = cluster.nodes.find((node) => node !== leader)!;
      await cluster.killNode(follower);
      await cluster.load(leader, { threads: 4, window: 16, bytes: 64, pauseUs: 500 });
      await waitUntil('the leader compacts its log', 60_000, async () => {
        return (await leader.host!.status()).first_index > 1000;
      });
      const { term } = await leader.host!.status();
      const host = await cluster.startNode(follower, {}, [`block restore ${BLOCKED_MS}`]);
      await host.process.waitForLine((line) => line === 'blocking restore', 60_000, 'the snapshot');
      await delay(BLOCKED_MS);
      await waitUntil('the follower is past the block', 60_000, () =>
        readJournal(join(follower.directory, 'journal')).some((run) => run.after > 0),
      );
      await leader.host!.quiet();
      expect((await leader.host!.status()).term, 'no election').toBe(term);
      await cluster.expectNothingLost();
    },
    120_000 + BLOCKED_MS * 2,
  );
});
