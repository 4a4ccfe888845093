// What futures end with when the leader loses its followers, its engine stands still, or another one leads.
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { figure } from '../scenario/figures.ts';
import { waitUntil } from '../scenario/wait-until.ts';
import { LibraftCluster, RaftError, type LibraftHost, type Node } from './cluster.ts';

const ROUNDS = figure(1, 20);
const LOAD = { threads: 3, window: 8, bytes: 64, pauseUs: 500 };
const WAIT_MS = 60_000;

let cluster: LibraftCluster | null = null;
const stopped: number[] = [];

function goOn(): void {
  for (const pid of stopped.splice(0)) process.kill(pid, 'SIGCONT');
}

afterEach(async () => {
  goOn();
  await cluster?.end();
  cluster = null;
});

/** The engine stands still: to its peers the node is gone, and its program lives on. */
async function stopEngine(node: Node): Promise<void> {
  const pid = await node.host!.child();
  expect(pid).toBeGreaterThan(0);
  process.kill(pid, 'SIGSTOP');
  stopped.push(pid);
}

async function endedWith(host: LibraftHost, error: number): Promise<number> {
  return (await host.counts()).byError[error]!;
}

async function loaded(window = LOAD.window): Promise<{ leader: Node; others: Node[] }> {
  cluster = await LibraftCluster.start(3);
  const leader = await cluster.leader();
  for (const node of cluster.nodes) await cluster.load(node, { ...LOAD, window });
  await delay(200);
  return { leader, others: cluster.nodes.filter((node) => node !== leader) };
}

async function endLoad(): Promise<void> {
  await cluster!.leader();
  await delay(200);
  for (const host of cluster!.running) await host.quiet();
  const { acknowledged, digest } = await cluster!.expectNothingLost();
  expect(acknowledged).toBeGreaterThan(0);
  console.log(`${acknowledged} acknowledged, ${digest.count} applied`);
}

test(
  `a leader without followers steps down within its lease: what was under way ends with LEADERSHIP_LOST (${ROUNDS} times)`,
  async () => {
    await loaded();
    for (let round = 0; round < ROUNDS; round++) {
      const leader = await cluster!.leader();
      const host = leader.host!;
      const before = await endedWith(host, RaftError.LEADERSHIP_LOST);
      for (const node of cluster!.nodes) if (node !== leader) await stopEngine(node);
      await waitUntil('the end of the lease', WAIT_MS, async () => (await host.state()) !== 'leader');
      await waitUntil('lost futures', WAIT_MS, async () => {
        return (await endedWith(host, RaftError.LEADERSHIP_LOST)) > before;
      });
      // From now on it refuses; nothing waits for the followers.
      const refused = await endedWith(host, RaftError.NOT_LEADER);
      await waitUntil('refusals', WAIT_MS, async () => {
        return (await endedWith(host, RaftError.NOT_LEADER)) > refused;
      });
      expect(await host.codeOf('verify')).toBe(RaftError.NOT_LEADER);
      goOn();
      await cluster!.leader();
    }
    await endLoad();
  },
  60_000 + ROUNDS * 60_000,
);

test('a leader whose engine stands still is replaced; its program is told when it goes on', async () => {
  // More than the engine ever holds, so that there are always some that it has not taken.
  const { leader, others } = await loaded(512);
  const host = leader.host!;
  await stopEngine(leader);
  // Futures with a limit of 200 ms that the engine has not taken; those that it has taken stay open.
  await waitUntil('timeouts', WAIT_MS, async () => (await endedWith(host, RaftError.ENQUEUE_TIMEOUT)) > 0);
  await waitUntil('another leader', WAIT_MS, async () => {
    for (const other of others) if ((await other.host!.state()) === 'leader') return true;
    return false;
  });
  // What a leader was asked before, and what it has not been asked yet.
  const barrier = host.codeOf('barrier');
  goOn();
  expect([RaftError.LEADERSHIP_LOST, RaftError.NOT_LEADER]).toContain(await barrier);
  await waitUntil('its own end of leadership', WAIT_MS, async () => (await host.state()) === 'follower');
  await endLoad();
}, 120_000);
