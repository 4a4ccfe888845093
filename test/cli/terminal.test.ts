/** What a person sees: the command on a terminal, narrow and wide, and beside one. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeIdFromBigint } from '../../src-ts/core/node-id.ts';
import { NodeDisk } from '../../src-ts/storage/node-disk.ts';
import { openStorage } from '../../src-ts/storage/open-storage.ts';
import { entriesOf, storageOptions } from '../storage/helpers.ts';
import { POLYRAFT } from './command.ts';
import { onTerminal, Terminal } from './terminal.ts';

const ENTRIES = 40;
const ENTRY_BYTES = 1024 * 1024;
const WIDE = { columns: 120 };
const ERASE = '\u001b[K';
const BAR = /\r\u001b\[K\[[# ]+\] +\d+ % /;
const COLOUR = /\u001b\[[0-9;]*m/;

let base: string;
let wal: string;

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'polyraft-terminal-'));
  wal = join(base, 'wal');
  const storage = await openStorage(
    storageOptions(new NodeDisk(), {
      walDirectory: wal,
      snapDirectory: join(base, 'snap'),
      nodeId: nodeIdFromBigint(1n),
    }),
  );
  const payload = Buffer.alloc(ENTRY_BYTES, 'x');
  for (let index = 1; index <= ENTRIES; index++)
    await storage.wal.save({ term: 1, vote: 1, commit: index }, [entriesOf(index, 1, [payload])], true);
  await storage.close();
}, 60_000);
afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

describe('a long command', () => {
  it.each(['verify', 'repair'])('wal %s shows a bar, and takes it away', async (verb) => {
    const { code, raw, lines } = await onTerminal(`${POLYRAFT} wal ${verb} ${wal}`, WIDE);
    expect(code).toBe(0);
    expect(raw).toMatch(BAR);
    expect(raw).not.toMatch(COLOUR);
    expect(lines).toEqual([expect.stringMatching(/ is whole: /)]);
  });

  it('bench shows how far it is, and cleans up', async () => {
    const command = `${POLYRAFT} bench --nodes 1 --seconds 1 --directory ${base}`;
    const { code, raw, lines } = await onTerminal(command, { columns: 60 });
    expect(code).toBe(0);
    expect(raw).toMatch(BAR);
    expect(lines.slice(-3)).toEqual([
      expect.stringMatching(/^load +commits\/s +median ms +1 in 100 ms$/),
      expect.stringMatching(/^one in flight +[\d,]+ +[\d.]+ +[\d.]+$/),
      expect.stringMatching(/^1000 in flight +[\d,]+ +[\d.]+ +[\d.]+$/),
    ]);
    for (const line of [...lines, ...raw.split(/[\r\n]/)])
      expect(line.replace(ERASE, '').length).toBeLessThanOrEqual(60);
    expect(readdirSync(base).sort()).toEqual(['snap', 'wal']);
  });

  it('that is interrupted leaves neither its line nor its files', async () => {
    const terminal = new Terminal(`${POLYRAFT} bench --nodes 1 --seconds 60 --directory ${base}`, WIDE);
    await terminal.waitFor('in flight');
    expect(readdirSync(base).some((name) => name.startsWith('polyraft-bench-'))).toBe(true);
    terminal.type('\u0003');
    // A shell's status of what SIGINT has ended.
    expect(await terminal.exited).toBe(130);
    expect(terminal.raw.replace(/\^C/, '')).toMatch(/\r\u001b\[K$/);
    expect(readdirSync(base).sort()).toEqual(['snap', 'wal']);
  }, 60_000);

  it('keeps its bar apart from its records', async () => {
    const away = await onTerminal(`${POLYRAFT} wal dump ${wal} >${join(base, 'dump')}`, WIDE);
    expect(away.raw).toMatch(BAR);
    expect(away.lines).toEqual([]);
    expect(readFileSync(join(base, 'dump'), 'utf8')).toMatch(/^0{16}-0{16}\.wal\n/);
    rmSync(join(base, 'dump'));
    const here = await onTerminal(`${POLYRAFT} wal dump ${wal}`, WIDE);
    expect(here.raw).not.toContain(ERASE);
    expect(here.lines.filter((line) => line.includes(' entry '))).toHaveLength(ENTRIES);
  });

  it.each(['2>$to', '2>&1 | cat >$to', '2>$to <&-'])('shows nothing where %s leads', async (away) => {
    const to = join(base, 'errors');
    const { code, raw } = await onTerminal(`to=${to}; ${POLYRAFT} wal verify ${wal} ${away}`, WIDE);
    expect(code).toBe(0);
    expect(raw + readFileSync(to, 'utf8')).not.toContain('\u001b');
    expect(raw + readFileSync(to, 'utf8')).not.toContain(' % ');
    rmSync(to);
  });

  it.each([{ TERM: 'dumb' }, { NO_COLOR: '1' }, { FORCE_COLOR: '1' }])('%j', async (environment) => {
    const { raw } = await onTerminal(`${POLYRAFT} wal verify ${wal}; ${POLYRAFT} --help`, WIDE, environment);
    expect(raw).not.toMatch(COLOUR);
    expect(BAR.test(raw)).toBe(environment.TERM !== 'dumb');
  });
});

describe('help', () => {
  it.each([60, 100])('fits into %i columns', async (columns) => {
    const all = ['', 'wal', 'wal dump', 'members add', 'doctor', 'bench', 'status'].map(
      (command) => `${POLYRAFT} ${command} --help`,
    );
    const { code, lines } = await onTerminal(all.join('; '), { columns });
    expect(code).toBe(0);
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(columns);
  });
});
