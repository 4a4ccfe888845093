/** The languages whose bindings are tested, and what each needs. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { join } from 'node:path';
import { buildDirectory, type Runtime } from '../scenario/figures.ts';

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
  readonly prepare: () => Command | Promise<Command>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
export const inRoot = (path: string): string => `${root}${path}`;

/** What takes long is not waited for synchronously: the test's worker must talk to vitest. */
const run = promisify(execFile);

function has(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

const BOTH: readonly Runtime[] = ['embedded', 'process'];
const CPP_HOST = join(buildDirectory, 'test/bindings/binding_host_cpp');
const OLDEST_RUST = 77;
const OLDEST_PYTHON = 'import sys, ctypes; sys.exit(sys.version_info < (3, 9))';

export function hasPython(): boolean {
  return has('python3', '-c', OLDEST_PYTHON);
}

export function hasRust(): boolean {
  const { stdout } = spawnSync('rustc', ['--version'], { encoding: 'utf8' });
  return Number(/^rustc 1\.(\d+)\./.exec(stdout)?.[1]) >= OLDEST_RUST && has('cargo', '--version');
}

/** Builds with cargo, into the build directory: what it takes is in the tree. Returns the directory of what was built. */
async function cargoBuild(directory: string, ...args: string[]): Promise<string> {
  const target = join(buildDirectory, 'rust');
  await run('cargo', ['build', '--quiet', '--offline', '--locked', ...args], {
    cwd: inRoot(directory),
    env: {
      ...process.env,
      CARGO_TARGET_DIR: target,
      POLYRAFT_LIBRARY_DIR: join(buildDirectory, 'lib'),
    },
  });
  return join(target, 'debug');
}

/** An example of the crate, built. */
export async function rustExample(name: string): Promise<string> {
  return join(await cargoBuild('examples-ffi/rust', '--example', name), 'examples', name);
}

async function rustHost(): Promise<Command> {
  return {
    language: 'Rust',
    program: join(await cargoBuild('test/bindings/hosts/rust'), 'polyraft-binding-host'),
    args: [],
    environment: { LD_LIBRARY_PATH: join(buildDirectory, 'lib') },
  };
}

/** The npm package as it would be published, made anew in the build directory; where. */
export async function makeNpmPackage(place: string): Promise<string> {
  const directory = join(buildDirectory, place);
  await run(process.execPath, [inRoot('scripts/library.mjs'), directory]);
  return directory;
}

async function nodeLibraryHost(): Promise<Command> {
  return {
    language: 'Node (library)',
    program: process.execPath,
    args: [
      inRoot('test/bindings/hosts/node_host.mjs'),
      'library',
      join(await makeNpmPackage('test/bindings/npm'), 'index.js'),
    ],
  };
}

export const LANGUAGES: readonly Language[] = [
  {
    name: 'Python',
    missing: hasPython() ? null : 'python3 (3.9 or newer) is not installed',
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
  {
    name: 'Rust',
    missing: hasRust() ? null : `cargo and rustc (1.${OLDEST_RUST} or newer) are not installed`,
    runtimes: BOTH,
    prepare: rustHost,
  },
  {
    name: 'Node (library)',
    missing: null,
    // The engine runs in its own process, so that neither is used.
    runtimes: ['process'],
    prepare: nodeLibraryHost,
  },
  {
    name: 'Node (koffi)',
    missing: null,
    // Two V8s in one process clash.
    runtimes: ['process'],
    prepare: () => ({
      language: 'Node (koffi)',
      program: process.execPath,
      args: [inRoot('test/bindings/hosts/node_host.mjs'), 'ffi', inRoot('examples-ffi/node/src/index.js')],
      environment: { POLYRAFT_LIBRARY: join(buildDirectory, 'lib') },
    }),
  },
];
