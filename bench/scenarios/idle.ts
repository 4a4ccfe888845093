/** Three nodes that nobody uses; host and engine together. */
import { setTimeout as delay } from 'node:timers/promises';
import { processorSeconds, residentMemoryMib } from '../../scripts/tools/process-facts.ts';
import type { Scenario } from './scenario.ts';

const SETTLE_MS = 2_000;
const WATCH_MS = 2_000;
/** Each gives three values. */
const CLUSTERS = 2;

export const idle: Scenario = {
  title: () => 'idle',
  async play(scene) {
    const watch = (): Promise<void> =>
      scene.inCluster(3, {}, async (members) => {
        await delay(SETTLE_MS);
        const pids = members.ids.map((id) => members.host(id).pid);
        const before = pids.map(processorSeconds);
        const began = performance.now();
        await delay(WATCH_MS);
        const seconds = (performance.now() - began) / 1000;
        for (const [i, pid] of pids.entries()) {
          scene.figures.add('resident memory', 'MiB', residentMemoryMib(pid));
          const share = (processorSeconds(pid) - before[i]!) / seconds;
          scene.figures.add('processor, 100 is one', '%', share * 100);
        }
      });
    await Promise.all(Array.from({ length: CLUSTERS }, watch));
  },
};
