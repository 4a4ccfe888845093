/** One node starts again on a long log without a snapshot. The log was just written, so it lies in the page cache. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { peakMemoryMib } from '../../scripts/tools/process-facts.ts';
import { median } from '../statistics.ts';
import type { DrivenCluster } from '../subjects/driven.ts';
import { ENTRY_BYTES, MIB, type Scene, type Scenario } from './scenario.ts';

/** Short elections: each round waits for one. */
const CONFIG = { manual_snap: true, tickms: 20 };
const FILL_BYTES = 32 * MIB;
const EMPTY_STARTS = 3;

function logBytes(directory: string): number {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.wal'))
    .reduce((sum, { name }) => sum + statSync(join(directory, name)).size, 0);
}

/** Milliseconds from the command to start a server until it is ready; the host process runs already. */
async function startAgain(cluster: DrivenCluster): Promise<number> {
  await cluster.stopNode(1);
  const leader = cluster.nextLeader();
  leader.catch(() => undefined);
  const ms = await cluster.startNode(1);
  await leader;
  return ms;
}

async function play(scene: Scene): Promise<void> {
  await scene.inCluster(1, CONFIG, async (cluster, directory) => {
    const empty: number[] = [];
    for (let start = 0; start < EMPTY_STARTS; start++) empty.push(await startAgain(cluster));
    const emptyMs = median(empty);
    const count = Math.ceil(Math.min(FILL_BYTES, scene.size.walBytes) / ENTRY_BYTES);
    const wal = join(directory, 'node1/wal1');
    while (logBytes(wal) < scene.size.walBytes)
      await cluster.run({ count, bytes: ENTRY_BYTES, window: 4096 });
    scene.figures.add('time to ready with an empty log', 's', emptyMs / 1000);
    for (const _round of scene.rounds()) {
      const mib = logBytes(wal) / MIB;
      const ms = await startAgain(cluster);
      scene.figures.add('time to ready', 's', ms / 1000);
      // Starting the engine takes its time with any log.
      scene.figures.add('rate of the replay', 'MiB/s', mib / (Math.max(1, ms - emptyMs) / 1000));
      scene.figures.add('peak memory', 'MiB', peakMemoryMib(cluster.host(1).pid));
    }
  });
}

export const restart: Scenario = {
  title: ({ walBytes }) => `restart-${Math.round(walBytes / MIB)}-MiB`,
  play,
};
