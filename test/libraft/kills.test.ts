// Leaders' processes and engines that are killed under load, through the libraft interface.
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { figure } from '../scenario/figures.ts';
import { LibraftCluster, type LibraftHost } from './cluster.ts';
import { waitUntil } from '../scenario/wait-until.ts';

const KILLS = figure(2, 20);
const LOAD = { threads: 3, window: 8, bytes: 64, pauseUs: 500 };

let cluster: LibraftCluster | null = null;
afterEach(async () => {
  await cluster?.end();
  cluster = null;
});

test(
  `the leader's process is killed ${KILLS} times under load, and started again from --dir`,
  async () => {
    cluster = await LibraftCluster.start(3);
    await cluster.leader();
    for (const node of cluster.nodes) await cluster.load(node, LOAD);
    for (let kill = 0; kill < KILLS; kill++) {
      const leader = await cluster.leader();
      await delay(200 + Math.random() * 800);
      await cluster.killNode(leader);
      await cluster.leader();
      await delay(Math.random() * 300);
      await cluster.startNode(leader);
      await cluster.load(leader, LOAD);
    }
    await cluster.leader();
    await delay(300);
    const counts = await Promise.all(cluster.running.map((host) => host.quiet()));
    expect(
      counts.some((count) => count.refused > 0),
      'followers refuse',
    ).toBe(true);
    const { acknowledged, digest } = await cluster.expectNothingLost();
    expect(acknowledged).toBeGreaterThan(KILLS * 50);
    console.log(`${KILLS} leaders killed, ${acknowledged} acknowledged, ${digest.count} applied`);
  },
  60_000 + KILLS * 30_000,
);

async function killEngine(host: LibraftHost): Promise<void> {
  const engine = await host.child();
  expect(engine).toBeGreaterThan(0);
  process.kill(engine, 'SIGKILL');
  await waitUntil('another engine', 60_000, async () => {
    const now = await host.child();
    return now > 0 && now !== engine;
  });
}

test(
  `an engine is killed ${KILLS + 1} times under load, and its host goes on`,
  async () => {
    cluster = await LibraftCluster.start(3);
    await cluster.leader();
    for (const node of cluster.nodes) await cluster.load(node, LOAD);
    for (let kill = 0; kill <= KILLS; kill++) {
      await delay(200 + Math.random() * 800);
      // The leader's every second time.
      const leader = await cluster.leader();
      const node = kill % 2 === 0 ? leader : cluster.nodes[kill % cluster.nodes.length]!;
      await killEngine(node.host!);
    }
    await cluster.leader();
    await delay(300);
    for (const host of cluster.running) await host.quiet();
    const { acknowledged, report, digest } = await cluster.expectNothingLost();
    expect(acknowledged).toBeGreaterThan(KILLS * 50);
    // One run a node: no state machine was started anew or restored, each went on where it was.
    expect(report.runs).toBe(3);
    const stats = await Promise.all(cluster.running.map((host) => host.stats()));
    const restarts = stats.reduce((sum, one) => sum + Number(one['engine_restarts']), 0);
    expect(restarts).toBe(KILLS + 1);
    // Commands were taken from where the program had written them, also after the engine came back.
    for (const one of stats) expect(one['commands_copied']).toBe('0');
    console.log(`${KILLS + 1} engines killed, ${acknowledged} acknowledged, ${digest.count} applied`);
  },
  60_000 + KILLS * 30_000,
);

test('an engine that is killed at once, again and again, and one that is killed while nothing goes on', async () => {
  cluster = await LibraftCluster.start(1);
  const node = cluster.nodes[0]!;
  await cluster.leader();
  for (let i = 0; i < 3; i++) await killEngine(node.host!);
  await cluster.leader();
  await cluster.load(node, LOAD);
  await delay(200);
  expect((await node.host!.quiet()).acknowledged).toBeGreaterThan(0);
  await cluster.expectNothingLost();
  await cluster.killNode(node);
  await cluster.startNode(node);
  await cluster.expectNothingLost();
}, 60_000);
