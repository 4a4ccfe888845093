import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { Cluster } from './cluster.ts';
import { figure, runtimes } from './figures.ts';

const KILLS = figure(3, 20);
const THREADS = [3, 3, 2];
const LOAD = { window: 8, bytes: 64, pauseUs: 500 };

describe.each(runtimes())('%s runtime', (runtime) => {
  let cluster: Cluster | null = null;
  afterEach(async () => {
    await cluster?.end();
    cluster = null;
  });

  test(
    `the leader's process is killed ${KILLS} times under load from 8 threads`,
    async () => {
      cluster = await Cluster.start({ runtime, nodes: 3 });
      await cluster.leader();
      for (const node of cluster.nodes) await cluster.load(node, { ...LOAD, threads: THREADS[node.id - 1]! });
      for (let kill = 0; kill < KILLS; kill++) {
        const leader = await cluster.leader();
        await delay(200 + Math.random() * 1500);
        await cluster.killNode(leader);
        await cluster.leader();
        await delay(Math.random() * 500);
        await cluster.startNode(leader);
        await cluster.load(leader, { ...LOAD, threads: THREADS[leader.id - 1]! });
      }
      await delay(500);
      const counts = await Promise.all(cluster.running.map((host) => host.quiet()));
      expect(
        counts.every((count) => count.accepted === count.acknowledged + count.rejected + count.unknown),
      ).toBe(true);
      const { acknowledged, digest } = await cluster.expectNothingLost();
      expect(acknowledged).toBeGreaterThan(KILLS * 100);
      console.log(
        `${runtime}: ${KILLS} leaders killed, ${acknowledged} acknowledged, ${digest.count} applied`,
      );
    },
    60_000 + KILLS * 30_000,
  );
});
