/** The languages whose bindings are tested, and what each needs. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Runtime } from '../scenario/figures.ts';

export interface Command {
  readonly language: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Language {
  readonly name: string;
  /** Why it is skipped here; null where its toolchain is there. */
  readonly missing: string | null;
  /** The runtimes that it can use. */
  readonly runtimes: readonly Runtime[];
  /** Builds its host where that needs building; its command. */
  readonly prepare: () => Command;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const inRoot = (path: string): string => `${root}${path}`;

function has(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

const BOTH: readonly Runtime[] = ['embedded', 'process'];
const CPP_HOST = inRoot('build/test/bindings/binding_host_cpp');
const OLDEST_PYTHON = 'import sys, ctypes; sys.exit(sys.version_info < (3, 9))';

export const LANGUAGES: readonly Language[] = [
  {
    name: 'Python',
    missing: has('python3', '-c', OLDEST_PYTHON) ? null : 'python3 (3.9 or newer) is not installed',
    runtimes: BOTH,
    prepare: () => ({
      language: 'Python',
      program: 'python3',
      args: [inRoot('test/bindings/hosts/python_host.py')],
    }),
  },
  {
    name: 'C++',
    missing: existsSync(CPP_HOST) ? null : 'its host has not been built (npm run build)',
    runtimes: BOTH,
    prepare: () => ({ language: 'C++', program: CPP_HOST, args: [] }),
  },
];
