/** Linearizable reads by threads that wait for each, on the leader of three nodes. */
import type { Latencies } from '../subject.ts';
import { ENTRY_BYTES, type Scenario } from './scenario.ts';

export const READERS = 32;

export const readIndex: Scenario = {
  title: () => `read-index-${READERS}-readers`,
  async play(scene) {
    await scene.inCluster(3, {}, async (cluster) => {
      await cluster.run({ count: 100, bytes: ENTRY_BYTES, window: 1 });
      const command = `read ${scene.size.reads} ${READERS}`;
      await cluster.ask(cluster.leaderId, command);
      for (const _round of scene.rounds()) {
        const answer = await cluster.ask(cluster.leaderId, command);
        const { count, seconds, p50Us, p99Us } = JSON.parse(answer) as Latencies;
        scene.figures.add('reads', 'reads/s', count / seconds);
        scene.figures.add('p50', 'us', p50Us);
        scene.figures.add('p99', 'us', p99Us);
      }
    });
  },
};
