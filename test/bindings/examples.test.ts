/** Programs of docs/getting-started-*.md and of the bindings' READMEs, run as they stand there. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { peerUrl } from '../../scripts/tools/cluster-config.ts';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { buildDirectory } from '../scenario/figures.ts';
import { hasPython, hasRust, inRoot, makeNpmPackage, rustExample } from './languages.ts';

const TIMEOUT_MS = 180_000;
const URL_IN_TEXT = 'http://127.0.0.1:9001';
const run = promisify(execFile);

/** A program and its arguments. */
type Words = readonly [string, ...string[]];

interface Program {
  readonly language: string;
  readonly document: string;
  readonly fence: string;
  /** The file that the document shows in full; null where the program stands in the document only. */
  readonly file: string | null;
  readonly missing: string | null;
  /** What the document says runs it in a checkout; null where other steps are needed. */
  readonly line: string | null;
  /** Program and arguments, for the text of the document and a URL. */
  readonly command: (directory: string, text: string, url: string) => Words | Promise<Words>;
}

const PROGRAMS: readonly Program[] = [
  {
    language: 'C',
    document: 'docs/getting-started-c.md',
    fence: 'c',
    file: 'examples-c/counter.c',
    missing: null,
    line: 'npm run build && build/examples/counter',
    command: (_directory, _text, url) => [join(buildDirectory, 'examples/counter'), url],
  },
  {
    language: 'C++',
    document: 'docs/getting-started-cpp.md',
    fence: 'cpp',
    file: 'examples-c/cpp_counter.cpp',
    missing: null,
    line: 'npm run build && build/examples/cpp_counter',
    command: (_directory, _text, url) => [join(buildDirectory, 'examples/cpp_counter'), url],
  },
  {
    language: 'Rust',
    document: 'docs/getting-started-rust.md',
    fence: 'rust',
    file: 'examples-ffi/rust/examples/counter.rs',
    missing: hasRust() ? null : 'cargo and rustc are not installed, or too old',
    line: null,
    command: async (_directory, _text, url) => [await rustExample('counter'), url],
  },
  {
    language: 'Node',
    document: 'docs/getting-started-node.md',
    fence: 'js',
    file: 'examples-node/counter.mjs',
    missing: null,
    line: 'npm run build && npm run library && node examples-node/counter.mjs',
    command: (_directory, _text, url) => [process.execPath, inRoot('examples-node/counter.mjs'), url],
  },
  {
    language: 'Python',
    document: 'docs/getting-started-python.md',
    fence: 'python',
    file: null,
    missing: hasPython() ? null : 'python3 is not installed, or too old',
    line: null,
    command: (directory, text, url) => {
      const file = join(directory, 'program.py');
      writeFileSync(file, text.replace(URL_IN_TEXT, url));
      return ['python3', file];
    },
  },
];

const environment = {
  ...process.env,
  PYTHONPATH: inRoot('examples-ffi/python/src'),
  POLYRAFT_LIBRARY: join(buildDirectory, 'lib'),
  LD_LIBRARY_PATH: join(buildDirectory, 'lib'),
};

async function inDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'polyraft-example-'));
  try {
    await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
  }
}

beforeAll(async () => {
  // Where this repository's own package.json says that `polyraft` is.
  await makeNpmPackage('npm');
  if (hasRust()) await rustExample('counter');
}, TIMEOUT_MS);

describe.concurrent('getting started', () => {
  for (const { language, document, fence, file, missing, line, command } of PROGRAMS) {
    test.skipIf(missing !== null)(
      `${language}: the first program counts to 5, and goes on from there${missing === null ? '' : ` (${missing})`}`,
      async () => {
        const page = readFileSync(document, 'utf8');
        const text = new RegExp(`^\`\`\`${fence}\\n([^]*?)^\`\`\`$`, 'm').exec(page)?.[1];
        expect(text).toContain(URL_IN_TEXT);
        if (file !== null) expect(text).toBe(readFileSync(file, 'utf8'));
        await inDirectory(async (directory) => {
          const [port] = await freePorts(1);
          const [program, ...args] = await command(directory, text!, peerUrl(port!));
          if (line !== null) {
            expect(page).toContain(`\n    ${line}\n`);
            const told = line.split(' ').at(-1)!;
            expect([program, ...args].some((word) => word.endsWith(told))).toBe(true);
          }
          for (const expected of ['5\n', '10\n']) {
            const { stdout } = await run(program, args, { cwd: directory, env: environment });
            expect(stdout).toBe(expected);
          }
        });
      },
      TIMEOUT_MS,
    );
  }
});

describe.concurrent('replicated map of three servers', () => {
  const examples: [string, string | null, () => Words | Promise<Words>][] = [
    ['npm package', null, () => [process.execPath, inRoot('examples-node/replicated_map.mjs')]],
    ['koffi', null, () => [process.execPath, inRoot('examples-ffi/node/examples/replicated_map.mjs')]],
    [
      'Rust',
      hasRust() ? null : 'cargo and rustc are not installed, or too old',
      async () => [await rustExample('replicated_map')],
    ],
  ];
  for (const [name, missing, command] of examples) {
    test.skipIf(missing !== null)(
      name,
      async () => {
        const [program, ...args] = await command();
        const { stdout } = await run(program, args, { env: environment });
        expect(stdout.match(/written on server 3/g)?.length).toBeGreaterThanOrEqual(3);
      },
      TIMEOUT_MS,
    );
  }
});
