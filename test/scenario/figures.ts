/** How much the scenarios do: reduced by default, in full with POLYRAFT_TEST_FULL=1. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const isFull = process.env.POLYRAFT_TEST_FULL === '1';

export function figure(reduced: number, full: number): number {
  return isFull ? full : reduced;
}

export const buildDirectory = resolve(process.env.POLYRAFT_BUILD_DIR ?? 'build');
export const hostProgram = join(buildDirectory, 'test/scenario/scenario_host');

export type Runtime = 'embedded' | 'process';

/** The runtimes of this build; one without libnode has the process runtime only. */
export function runtimes(): Runtime[] {
  if (!existsSync(hostProgram)) throw new Error(`${hostProgram} is missing; run: npm run build`);
  const hasEmbedded = existsSync(join(buildDirectory, 'lib/polyraft/libpolyraft-node.so'));
  return hasEmbedded ? ['process', 'embedded'] : ['process'];
}
