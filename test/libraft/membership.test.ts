// Peers that are added and removed while commands go on, the leader too.
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { figure } from '../scenario/figures.ts';
import { waitUntil } from '../scenario/wait-until.ts';
import { LibraftCluster, RaftError, type Node } from './cluster.ts';

const ROUNDS = figure(1, 20);
const LOAD = { threads: 2, window: 8, bytes: 64, pauseUs: 1000 };
const WAIT_MS = 60_000;

let cluster: LibraftCluster | null = null;
afterEach(async () => {
  await cluster?.end();
  cluster = null;
});

/** Asks whoever leads until the change is made; `already` is what it ends with when an earlier question has made it. */
async function change(command: string, already: number): Promise<void> {
  let last = 0;
  await waitUntil(`"${command}" (${last})`, WAIT_MS, async () => {
    const leader = await cluster!.leader();
    last = await leader.host!.codeOf(command);
    return last === 0 || last === already;
  });
}

async function membersOf(node: Node): Promise<number> {
  const stats = await node.host!.stats();
  return Number(stats['num_peers']) + 1;
}

test(
  `a fourth node comes, the leader goes and comes back, under load (${ROUNDS} times)`,
  async () => {
    cluster = await LibraftCluster.start(3);
    await cluster.leader();
    for (const node of cluster.nodes) await cluster.load(node, LOAD);
    for (let round = 0; round < ROUNDS; round++) {
      const fourth = await cluster.startStranger();
      expect(await fourth.host!.codeOf('barrier')).toBe(RaftError.NOT_LEADER);
      await change(`add localhost ${fourth.port}`, RaftError.KNOWN_PEER);
      await cluster.load(fourth, LOAD);
      await waitUntil('four members', WAIT_MS, async () => (await membersOf(fourth)) === 4);

      const leader = await cluster.leader();
      await change(`remove 127.0.0.1 ${leader.port}`, RaftError.UNKNOWN_PEER);
      await waitUntil('its shutdown', WAIT_MS, async () => (await leader.host!.state()) === 'shutdown');
      const counts = await leader.host!.quiet();
      expect(counts.byError[RaftError.IN_SHUTDOWN]! + counts.byError[RaftError.SHUTDOWN]!).toBeGreaterThan(0);
      expect(await leader.host!.codeOf('barrier')).toBe(RaftError.IN_SHUTDOWN);
      await cluster.killNode(leader);
      await cluster.leader();
      await delay(100);

      await change(`add localhost ${leader.port}`, RaftError.KNOWN_PEER);
      await cluster.startNode(leader);
      await cluster.load(leader, LOAD);
      await waitUntil('four members again', WAIT_MS, async () => (await membersOf(leader)) === 4);
      await change(`remove localhost ${fourth.port}`, RaftError.UNKNOWN_PEER);
      await waitUntil('the shutdown of the fourth', WAIT_MS, async () => {
        return (await fourth.host!.state()) === 'shutdown';
      });
      await fourth.host!.quiet();
      await cluster.killNode(fourth);
    }
    await cluster.leader();
    await delay(100);
    for (const host of cluster.running) await host.quiet();
    const { acknowledged, digest } = await cluster.expectNothingLost();
    expect(acknowledged).toBeGreaterThan(ROUNDS * 20);
    console.log(`${ROUNDS} rounds of changes, ${acknowledged} acknowledged, ${digest.count} applied`);
  },
  60_000 + ROUNDS * 90_000,
);
