/** The npm package as a program gets it: packed, installed elsewhere, loaded in both ways, with types that hold. */
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePorts } from '../../scripts/tools/free-ports.ts';

const TIMEOUT_MS = 180_000;
const run = promisify(execFile);
let directory: string;

/** A program in TypeScript, as strict as can be. */
const CONSUMER = `
import { RaftServer, RaftError, type StateMachine, type Status, type RaftErrorCode } from 'polyraft';

const machine: StateMachine = {
  apply: ({ index, data }) => { const sum: number = index + data.length; void sum; },
  snapshot: async () => new Uint8Array(0),
  restore: () => undefined,
};
const peers = [{ id: 1n, url: 'http://127.0.0.1:9001' }];
const server = await RaftServer.start({ id: 1n, waldir: 'w', snapdir: 's', peers }, machine, {
  onEvent: ({ name, value }) => { if (name === 'REMOVED') void value; },
});
const { index }: { index: number } = await server.propose(new Uint8Array(1), { signal: AbortSignal.timeout(1) });
const status: Status = server.status();
await server.changeMembers([{ do: 'add', id: 2, url: 'http://127.0.0.1:9002' }]);
// @ts-expect-error a voter needs a URL
await server.changeMembers([{ do: 'add', id: 2 }]);
// @ts-expect-error no such key
await RaftServer.start({ id: 1, waldirectory: 'w', snapdir: 's', peers }, machine);
const code: RaftErrorCode = new RaftError('TIMEOUT', 'late').code;
export { index, status, code };
`;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'polyraft-package-'));
  await run(process.execPath, ['scripts/library.mjs', join(directory, 'package')]);
  await run('npm', ['pack', '--offline', '--pack-destination', directory], {
    cwd: join(directory, 'package'),
  });
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  const program = join(directory, 'program');
  mkdirSync(program);
  writeFileSync(join(program, 'package.json'), '{ "name": "program", "private": true, "type": "module" }');
  const archive = join(directory, `polyraft-${version}.tgz`);
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', archive], {
    cwd: program,
  });
  directory = program;
}, TIMEOUT_MS);

afterAll(() => {
  rmSync(join(directory, '..'), { recursive: true, force: true, maxRetries: 10 });
});

test('it needs no other package, and has its native part', () => {
  const installed = join(directory, 'node_modules/polyraft');
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  expect(manifest).not.toHaveProperty('dependencies');
  expect(existsSync(join(installed, `prebuilds/${process.platform}-${process.arch}/polyraft.node`))).toBe(
    true,
  );
  expect(existsSync(join(installed, 'README.md'))).toBe(true);
});

test(
  'the program of the documentation runs with it',
  async () => {
    cpSync('examples-node/counter.mjs', join(directory, 'counter.mjs'));
    const [port] = await freePorts(1);
    for (const expected of ['5\n', '10\n']) {
      const { stdout } = await run(process.execPath, ['counter.mjs', `http://127.0.0.1:${port!}`], {
        cwd: directory,
      });
      expect(stdout).toBe(expected);
    }
  },
  TIMEOUT_MS,
);

test(
  'require and import give the same classes',
  async () => {
    const text = `
      const { createRequire } = require('node:module');
      const required = require('polyraft');
      import('polyraft').then((imported) => {
        console.log(imported.RaftServer === required.RaftServer, imported.RaftError === required.RaftError);
      });`;
    writeFileSync(join(directory, 'both.cjs'), text);
    const { stdout } = await run(process.execPath, ['both.cjs'], { cwd: directory });
    expect(stdout).toBe('true true\n');
  },
  TIMEOUT_MS,
);

test(
  'its types hold in both kinds of module, and refuse what is wrong',
  async () => {
    mkdirSync(join(directory, 'node_modules/@types'), { recursive: true });
    symlinkSync(join(process.cwd(), 'node_modules/@types/node'), join(directory, 'node_modules/@types/node'));
    symlinkSync(
      join(process.cwd(), 'node_modules/undici-types'),
      join(directory, 'node_modules/undici-types'),
    );
    writeFileSync(join(directory, 'consumer.mts'), CONSUMER);
    writeFileSync(
      join(directory, 'common.cts'),
      `import polyraft = require('polyraft');\nexport const start: typeof polyraft.RaftServer.start = polyraft.RaftServer.start;\n`,
    );
    const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', 'node'];
    const tsc = join(process.cwd(), 'node_modules/typescript/bin/tsc');
    const found = await run(process.execPath, [tsc, ...options, 'consumer.mts', 'common.cts'], {
      cwd: directory,
    }).catch((error: { stdout: string }) => error);
    expect(found.stdout).toBe('');
  },
  TIMEOUT_MS,
);
