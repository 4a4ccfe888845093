import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Subject } from '../subject.ts';
import { driven, type Program } from './driven.ts';

export type Runtime = 'embedded' | 'process';

const buildDirectory = resolve(process.env.POLYRAFT_BUILD_DIR ?? 'build');
export const hostProgram = join(buildDirectory, 'bench/bench_host');
/** What a child of the process runtime runs. */
export const bundle = join(buildDirectory, 'lib/polyraft/engine.cjs');

/** The runtimes of this build; one without libnode has the process runtime only. */
export function runtimes(): Runtime[] {
  const hasEmbedded = existsSync(join(buildDirectory, 'lib/polyraft/libpolyraft-node.so'));
  return hasEmbedded ? ['embedded', 'process'] : ['process'];
}

export function program(runtime: Runtime): Program {
  return {
    name: `polyraft ${runtime}`,
    path: hostProgram,
    arguments: [],
    environment: { POLYRAFT_RUNTIME: runtime },
    hasStatus: true,
  };
}

export function polyraft(runtime: Runtime): Subject {
  return driven(program(runtime), { interface: 'polyraft' });
}

/** The interface of easyraft's first generation, on the same servers. One size and one proposer tell the difference. */
export function easyraft(runtime: Runtime): Subject {
  const environment = { POLYRAFT_RUNTIME: runtime, BENCH_INTERFACE: 'easyraft' };
  return driven(
    { ...program(runtime), name: `polyraft easyraft.h`, environment },
    { interface: 'easyraft', takes: ({ bytes, proposers }) => bytes === 512 && proposers === 1 },
  );
}
