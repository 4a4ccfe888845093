/** The languages whose bindings are tested, and what each needs. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

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
  /** Builds its host where that needs building; its command. */
  readonly prepare: () => Command;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const inRoot = (path: string): string => `${root}${path}`;

function has(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

const OLDEST_PYTHON = 'import sys, ctypes; sys.exit(sys.version_info < (3, 9))';

export const LANGUAGES: readonly Language[] = [
  {
    name: 'Python',
    missing: has('python3', '-c', OLDEST_PYTHON) ? null : 'python3 (3.9 or newer) is not installed',
    prepare: () => ({
      language: 'Python',
      program: 'python3',
      args: [inRoot('test/bindings/hosts/python_host.py')],
    }),
  },
];
