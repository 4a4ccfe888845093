import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { childrenOf } from '../../scripts/tools/process-facts.ts';
import { Cluster } from './cluster.ts';
import { figure } from './figures.ts';
import { EVENT_ENGINE_DIED, EVENT_ENGINE_RESTARTED, type Host } from './host.ts';
import { waitUntil } from './wait-until.ts';

const KILLS = figure(3, 20);
const THREADS = [3, 3, 2];

let cluster: Cluster | null = null;
afterEach(async () => {
  await cluster?.end();
  cluster = null;
});

function restarts(host: Host): number {
  return host.events.filter((event) => event.code === EVENT_ENGINE_RESTARTED).length;
}

async function killEngine(host: Host): Promise<void> {
  const engines = childrenOf(host.process.pid);
  expect(engines, 'the host has one child: its engine').toHaveLength(1);
  const before = restarts(host);
  process.kill(engines[0]!, 'SIGKILL');
  await waitUntil('the engine again', 60_000, () => restarts(host) > before);
}

test(
  `process runtime: an engine is killed ${KILLS} times under load, and its host goes on`,
  async () => {
    cluster = await Cluster.start({ runtime: 'process', nodes: 3 });
    await cluster.leader();
    for (const node of cluster.nodes) {
      await cluster.load(node, { threads: THREADS[node.id - 1]!, window: 8, bytes: 64, pauseUs: 500 });
    }
    for (let kill = 0; kill < KILLS; kill++) {
      await delay(200 + Math.random() * 1500);
      // The leader's every second time.
      const leader = await cluster.leader();
      const node = kill % 2 === 0 ? leader : cluster.nodes[kill % cluster.nodes.length]!;
      await killEngine(node.host!);
    }
    await delay(500);
    const counts = await Promise.all(cluster.running.map((host) => host.quiet()));
    expect(
      counts.every((count) => count.accepted === count.acknowledged + count.rejected + count.unknown),
    ).toBe(true);
    const told = cluster.running
      .flatMap((host) => host.events)
      .filter((event) => event.code === EVENT_ENGINE_DIED);
    expect(told.length).toBeGreaterThanOrEqual(KILLS);
    const { acknowledged, report, digest } = await cluster.expectNothingLost();
    expect(acknowledged).toBeGreaterThan(KILLS * 100);
    // One run a node: no state machine was started anew or restored, each went on where it was.
    expect(report.runs).toBe(3);
    console.log(`process: ${KILLS} engines killed, ${acknowledged} acknowledged, ${digest.count} applied`);
  },
  60_000 + KILLS * 30_000,
);
