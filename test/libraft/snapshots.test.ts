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

/** The indexes of the snapshots that its state machine began with. */
function restores(node: Node): number[] {
  return readJournal(join(node.directory, 'journal'))
    .map((run) => run.after)
    .filter((after) => after > 0);
}

test(
  `by threshold; a follower that was away for longer than TrailingLogs gets one, ${ROUNDS} times; all restart from one`,
  async () => {
    cluster = await LibraftCluster.start(3, {
      SnapshotThreshold: 100,
      SnapshotInterval: 5 * MILLISECOND,
      TrailingLogs: 20,
    });
    const { nodes } = cluster;
    for (let round = 0; round < ROUNDS; round++) {
      const first = await loadUntil(cluster, 300);
      const away = nodes.filter((node) => node !== first)[round % 2]!;
      await waitUntil('a snapshot', WAIT_MS, async () => (await away.host!.snapshotIndex()) > 100);
      const had = await appliedIndex(away.host!);
      await cluster.killNode(away);
      await first.host!.quiet();
      if (round > 0) await delay(GRACE_MS);
      const leader = await loadUntil(cluster, 1000);
      // The snapshot that it will get, with all that it may miss behind it.
      await leader.host!.command('snapshot');
      await cluster.startNode(away);
      await waitUntil("the leader's snapshot", WAIT_MS, () => (restores(away).at(-1) ?? 0) > had + 500);
      await leader.host!.quiet();
    }
    const before = await cluster.expectNothingLost();
    for (const node of nodes) await cluster.killNode(node);
    const counts = nodes.map((node) => restores(node).length);
    await Promise.all(nodes.map((node) => cluster!.startNode(node)));
    const after = await cluster.expectNothingLost();
    expect(after.digest).toEqual(before.digest);
    nodes.forEach((node, i) => {
      expect(restores(node).length, node.name).toBe(counts[i]! + 1);
    });
    const { digest, acknowledged } = after;
    console.log(`${ROUNDS} followers restored, ${acknowledged} acknowledged, ${digest.count} applied`);
  },
  60_000 + ROUNDS * 60_000,
);

test('by interval: not more often, however many entries there are; and on request, on any node', async () => {
  const intervalMs = 1500;
  cluster = await LibraftCluster.start(3, {
    SnapshotThreshold: 50,
    SnapshotInterval: intervalMs * MILLISECOND,
    TrailingLogs: 20,
  });
  const { host } = await loadUntil(cluster, 200);
  const seen = new Map<number, number>();
  await waitUntil('two snapshots after one', WAIT_MS, async () => {
    const index = await host!.snapshotIndex();
    if (index > 0 && !seen.has(index)) seen.set(index, performance.now());
    return seen.size === 3;
  });
  // The first was taken any time before it was seen; each is seen later than taken, by what a question takes.
  const [, second, third] = [...seen.values()];
  expect(third! - second!).toBeGreaterThan(intervalMs / 3);
  await host!.quiet();
  // Too few for the threshold.
  for (let i = 0; i < 3; i++) await host!.command('barrier');
  for (const { host } of cluster.nodes) {
    const applied = await appliedIndex(host!);
    await host!.command('snapshot');
    expect(await host!.snapshotIndex()).toBeGreaterThanOrEqual(applied);
    // Nothing new: it ends well at once.
    await host!.command('snapshot');
  }
  const { digest } = await cluster.expectNothingLost();
  const [node] = cluster.nodes;
  await cluster.killNode(node!);
  await cluster.startNode(node!);
  expect((await cluster.expectNothingLost()).digest).toEqual(digest);
  expect(restores(node!).length).toBe(1);
}, 180_000);
