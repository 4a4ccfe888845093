// Snapshots of three nodes: by threshold, by interval, by request, for a restart and for a follower that lags.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { figure } from '../scenario/figures.ts';
import { readJournal } from '../scenario/journal.ts';
import { waitUntil } from '../scenario/wait-until.ts';
import { LibraftCluster, MILLISECOND, type LibraftHost, type Node } from './cluster.ts';

const ROUNDS = figure(1, 30);
/** Ten elections: so long a leader keeps the log behind a snapshot that it has sent. */
const GRACE_MS = 4000;
const NEVER = 24 * 60 * 60 * 1000 * MILLISECOND;
const LOAD = { threads: 3, window: 16, bytes: 100, pauseUs: 200 };
const WAIT_MS = 60_000;

let cluster: LibraftCluster | null = null;
afterEach(async () => {
  await cluster?.end();
  cluster = null;
});

async function appliedIndex(host: LibraftHost): Promise<number> {
  return Number((await host.stats())['applied_index']);
}

/** The leader, once it has applied so many entries more under load; the load goes on. */
async function loadUntil(nodes: LibraftCluster, entries: number): Promise<Node> {
  const leader = await nodes.leader();
  const until = (await appliedIndex(leader.host!)) + entries;
  await nodes.load(leader, LOAD);
  await waitUntil(`entry ${until}`, WAIT_MS, async () => (await appliedIndex(leader.host!)) >= until);
  return leader;
}

function restores(node: Node): number {
  return readJournal(join(node.directory, 'journal')).filter((run) => run.after > 0).length;
}

test('by threshold: every node takes them, the log is cut behind them, and a restart begins with one', async () => {
  cluster = await LibraftCluster.start(3, {
    SnapshotThreshold: 100,
    SnapshotInterval: 5 * MILLISECOND,
    TrailingLogs: 20,
  });
  const { nodes } = cluster;
  const leader = await loadUntil(cluster, 1000);
  for (const { host } of nodes)
    await waitUntil('a snapshot', WAIT_MS, async () => (await host!.snapshotIndex()) > 500);
  await leader.host!.quiet();
  const before = await cluster.expectNothingLost();
  for (const node of nodes) await cluster.killNode(node);
  await Promise.all(nodes.map((node) => cluster!.startNode(node)));
  const after = await cluster.expectNothingLost();
  expect(after.digest).toEqual(before.digest);
  for (const node of nodes) expect(restores(node), node.name).toBe(1);
}, 180_000);

test('by interval: none before it is over, however many entries there are; then one', async () => {
  const intervalMs = 3000;
  cluster = await LibraftCluster.start(3, {
    SnapshotThreshold: 10,
    SnapshotInterval: intervalMs * MILLISECOND,
    TrailingLogs: 20,
  });
  const { host } = await loadUntil(cluster, 100);
  await waitUntil('the first snapshot', WAIT_MS, async () => (await host!.snapshotIndex()) > 0);
  const seen = new Map<number, number>();
  await waitUntil('two more', WAIT_MS, async () => {
    const index = await host!.snapshotIndex();
    if (!seen.has(index)) seen.set(index, performance.now());
    return seen.size === 3;
  });
  // The first one may have been taken any time before it was seen.
  const [, second, third] = [...seen.values()];
  // The moments are those in which they were seen, which is later by what a question takes.
  expect(third! - second!).toBeGreaterThan(intervalMs / 2);
  await host!.quiet();
  await cluster.expectNothingLost();
}, 180_000);

test('neither threshold nor interval reached: only on request, on any node', async () => {
  cluster = await LibraftCluster.start(3, { SnapshotThreshold: 1_000_000, SnapshotInterval: NEVER });
  const leader = await loadUntil(cluster, 300);
  await leader.host!.quiet();
  const { digest } = await cluster.expectNothingLost();
  for (const { host } of cluster.nodes) {
    expect(await host!.snapshotIndex()).toBe(0);
    await host!.command('snapshot');
    expect(await host!.snapshotIndex()).toBe(await appliedIndex(host!));
    // Nothing new: it ends well at once.
    await host!.command('snapshot');
  }
  for (const node of cluster.nodes) {
    await cluster.killNode(node);
    await cluster.startNode(node);
  }
  expect((await cluster.expectNothingLost()).digest).toEqual(digest);
  for (const node of cluster.nodes) expect(restores(node), node.name).toBe(1);
}, 180_000);

test(
  `a follower that was away for longer than TrailingLogs gets the leader's snapshot, ${ROUNDS} times`,
  async () => {
    cluster = await LibraftCluster.start(3, {
      SnapshotThreshold: 200,
      SnapshotInterval: 50 * MILLISECOND,
      TrailingLogs: 50,
    });
    for (let round = 0; round < ROUNDS; round++) {
      const first = await loadUntil(cluster, 100);
      const away = cluster.nodes.filter((node) => node !== first)[round % 2]!;
      const had = await appliedIndex(away.host!);
      await cluster.killNode(away);
      await first.host!.quiet();
      if (round > 0) await delay(GRACE_MS);
      const leader = await loadUntil(cluster, 1000);
      // The snapshot that it will get, with all that it may miss behind it.
      await leader.host!.command('snapshot');
      const before = restores(away);
      await cluster.startNode(away);
      await waitUntil("the leader's snapshot", WAIT_MS, () => {
        const runs = readJournal(join(away.directory, 'journal')).filter((run) => run.after > 0);
        return runs.length > before && runs.at(-1)!.after > had + 500;
      });
      await delay(100);
      await leader.host!.quiet();
      await cluster.expectNothingLost();
    }
    const { digest, acknowledged } = await cluster.expectNothingLost();
    console.log(`${ROUNDS} followers restored, ${acknowledged} acknowledged, ${digest.count} applied`);
  },
  60_000 + ROUNDS * 60_000,
);
