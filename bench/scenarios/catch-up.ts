/** A follower was away while many entries were committed; it catches up while the leader serves. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Latencies } from '../subject.ts';
import type { DrivenCluster } from '../subjects/driven.ts';
import { aFollower, ENTRY_BYTES, type Scenario } from './scenario.ts';

const POLL_MS = 20;
const SERVED_WINDOW = 64;
const SERVED_COUNT = 500;
/** All that it misses is in the log, and nothing of it in a snapshot. */
const CONFIG = { manual_snap: true };

/** Index of the last entry that a node's state machine was given. */
async function applied(cluster: DrivenCluster, id: number): Promise<number> {
  const status = JSON.parse(await cluster.ask(id, 'status')) as { readonly applied_by_host: number };
  return status.applied_by_host;
}

/** Serves until `isDone`; what the leader reached meanwhile. */
async function serve(cluster: DrivenCluster, isDone: () => boolean): Promise<number> {
  const runs: Latencies[] = [];
  do {
    runs.push(await cluster.run({ count: SERVED_COUNT, bytes: ENTRY_BYTES, window: SERVED_WINDOW }));
  } while (!isDone());
  const seconds = runs.reduce((sum, one) => sum + one.seconds, 0);
  return (runs.length * SERVED_COUNT) / seconds;
}

export const catchUp: Scenario = {
  title: ({ entriesBehind }) => `${entriesBehind}-entries-behind`,
  async play(scene) {
    const { entriesBehind, secondsMax } = scene.size;
    await scene.inCluster(3, CONFIG, async (cluster) => {
      const follower = aFollower(cluster);
      for (const _round of scene.rounds()) {
        await cluster.stopNode(follower);
        const before = await applied(cluster, cluster.leaderId);
        await cluster.run({ count: entriesBehind, bytes: ENTRY_BYTES, window: 4096 });
        const target = await applied(cluster, cluster.leaderId);
        await cluster.startNode(follower);
        const began = performance.now();
        let isBehind = true;
        const serving = serve(cluster, () => !isBehind);
        serving.catch(() => undefined);
        try {
          while ((await applied(cluster, follower)) < target) {
            if (performance.now() - began > secondsMax * 1000)
              throw new Error('the follower is still behind');
            await delay(POLL_MS);
          }
        } finally {
          isBehind = false;
        }
        const seconds = (performance.now() - began) / 1000;
        const served = await serving;
        scene.figures.add('catch-up rate', 'entries/s', (target - before) / seconds);
        scene.figures.add('time', 's', seconds);
        scene.figures.add('rate of the leader meanwhile', 'commits/s', served);
        // The next round begins with short logs, so that it is as this one.
        for (const id of cluster.ids) await cluster.ask(id, 'save');
      }
    });
  },
};
