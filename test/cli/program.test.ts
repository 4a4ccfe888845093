import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeIdFromBigint } from '../../src-ts/core/node-id.ts';
import { NodeDisk } from '../../src-ts/storage/node-disk.ts';
import { openStorage } from '../../src-ts/storage/open-storage.ts';
import { entriesOf, plain, storageOptions } from '../storage/helpers.ts';
import { polyraft } from './polyraft.ts';

const CONF = { voters: [1, 2], learners: [3], votersOutgoing: [], learnersNext: [], autoLeave: false };

let base: string;
let wal: string;
let snap: string;

const options = (): ReturnType<typeof storageOptions> =>
  storageOptions(new NodeDisk(), {
    walDirectory: wal,
    snapDirectory: snap,
    nodeId: nodeIdFromBigint(2n ** 64n - 1n),
  });

beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), 'polyraft-cli-'));
  wal = join(base, 'wal');
  snap = join(base, 'snap');
  const storage = await openStorage(options());
  for (let index = 1; index <= 30; index++) {
    const payload = Buffer.from(`entry ${index} `.padEnd(1000, 'x'));
    await storage.wal.save({ term: 2, vote: 1, commit: index }, [entriesOf(index, 2, [payload])], true);
  }
  const writer = await storage.snapshots.create({ index: 20, term: 2, confState: CONF }, 5);
  await writer.write(Buffer.from('state'));
  await writer.commit();
  await storage.wal.saveSnapshot({ index: 20, term: 2, confState: CONF });
  await storage.saveMembers({
    index: 3,
    members: [{ id: 2n ** 64n - 1n, urls: ['http://a:1'], learner: false }],
    removed: [9n],
  });
  await storage.close();
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

const segments = (): string[] => readdirSync(wal).filter((name) => name.endsWith('.wal'));

/** Zeroes the last sectors that have data in the last segment: an unfinished write. */
function tear(): void {
  const path = join(wal, segments().at(-1)!);
  const bytes = readFileSync(path);
  let end = bytes.length;
  while (bytes[end - 1] === 0) end--;
  bytes.fill(0, end - 700, end);
  writeFileSync(path, bytes);
}

function damage(name: string, at: number): void {
  const bytes = readFileSync(join(wal, name));
  bytes[at]! ^= 4;
  writeFileSync(join(wal, name), bytes);
}

describe('polyraft wal dump', () => {
  it('prints a line a record, with what is in it', async () => {
    const { code, out, problems } = await polyraft('wal', 'dump', wal, '--preview', '7');
    expect(problems).toEqual([]);
    expect(code).toBe(0);
    expect(out.slice(0, 6)).toEqual([
      '0000000000000000-0000000000000000.wal',
      '         0  crc       chain=00000000',
      '        16  metadata  node=18446744073709551615 cluster=7',
      '        48  snapshot  index=0 term=0',
      '        72  entry     index=1 term=2 type=normal size=1000 "entry 1"...',
      expect.stringContaining('state     term=2 vote=1 commit=1'),
    ]);
    expect(out.at(-2)).toContain('snapshot  index=20 term=2 voters=1,2 learners=3');
    expect(out.at(-1)).toMatch(/^\d+ records in 2 segments$/);
  });

  it('prints an object a line for programs', async () => {
    const { code, out } = await polyraft('wal', 'dump', wal, '--preview', '7', '--json');
    expect(code).toBe(0);
    const lines = out.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toHaveLength(67);
    const segment = '0000000000000000-0000000000000000.wal';
    expect(lines[1]).toEqual({
      segment,
      offset: 16,
      record: 'metadata',
      node: '18446744073709551615',
      cluster: '7',
    });
    expect(lines[3]).toEqual({
      segment,
      offset: 72,
      record: 'entry',
      index: 1,
      term: 2,
      type: 'normal',
      size: 1000,
      preview: '"entry 1"...',
    });
    expect(lines.at(-1)).toMatchObject({ record: 'snapshot', index: 20, conf: 'voters=1,2 learners=3' });
  });

  it('prints the entries asked for', async () => {
    const { out } = await polyraft('wal', 'dump', wal, '--from', '14', '--to', '16', '--preview', '0');
    expect(out.filter((line) => line.includes(' entry '))).toEqual([
      expect.stringMatching(/index=14 .*size=1000$/),
      expect.stringMatching(/index=15 .*size=1000$/),
      expect.stringMatching(/index=16 .*size=1000$/),
    ]);
  });

  it('goes as far as it can', async () => {
    tear();
    const torn = await polyraft('wal', 'dump', wal);
    expect(torn.code).toBe(0);
    expect(torn.problems.join()).toContain('an unfinished write at the end');
    damage(segments()[0]!, 5000);
    const damaged = await polyraft('wal', 'dump', wal);
    expect(damaged.code).toBe(1);
    expect(damaged.problems.join()).toMatch(/0000000000000000-0000000000000000\.wal at byte \d+: checksum/);
    expect(damaged.out.some((line) => line.includes('index=4 '))).toBe(true);
  });
});

describe('polyraft wal verify and repair', () => {
  it('tells programs how far the log goes', async () => {
    const { out } = await polyraft('wal', 'verify', wal, '--json');
    expect(JSON.parse(out.join(''))).toEqual({
      whole: true,
      in_use: false,
      records: 67,
      segments: 2,
      entries: 30,
      last_term: 2,
      last_index: 30,
      commit: 30,
      problem: null,
    });
  });

  it('finds nothing wrong with a whole log, and leaves it alone', async () => {
    const before = segments().map((name) => readFileSync(join(wal, name)));
    const verified = await polyraft('wal', 'verify', wal);
    expect(verified).toMatchObject({ code: 0, problems: [] });
    expect(verified.out).toEqual([
      `${wal} is whole: 67 records in 2 segments, 30 entries, last index 30 of term 2, commit 30`,
    ]);
    expect(await polyraft('wal', 'repair', wal)).toMatchObject({ code: 0, problems: [] });
    expect(segments().map((name) => readFileSync(join(wal, name)))).toEqual(before);
  });

  it('names file and offset of a torn tail, and cuts it after a copy', async () => {
    tear();
    const name = segments().at(-1)!;
    const torn = readFileSync(join(wal, name));
    const verified = await polyraft('wal', 'verify', wal);
    expect(verified.code).toBe(1);
    expect(verified.problems[0]).toMatch(new RegExp(`^${join(wal, name)} at byte \\d+: `));
    const repaired = await polyraft('wal', 'repair', wal);
    expect(repaired.code).toBe(0);
    expect(repaired.out).toEqual([
      `cut ${name} at byte ${/at byte (\d+)/.exec(verified.problems[0]!)![1]}; as it was, it is ${name}.broken`,
    ]);
    const copy = readFileSync(join(wal, `${name}.broken`));
    expect(torn.subarray(0, copy.length).equals(copy)).toBe(true);
    expect(torn.subarray(copy.length).every((byte) => byte === 0)).toBe(true);
    expect((await polyraft('wal', 'verify', wal)).code).toBe(0);
  });

  it('cuts at other damage only when told to, keeping copies, and the log can be used afterwards', async () => {
    const [first, second] = segments() as [string, string];
    copyFileSync(join(wal, second), join(base, 'second'));
    damage(first, 5000);
    expect((await polyraft('wal', 'verify', wal)).code).toBe(1);
    rmSync(snap, { recursive: true });
    await expect(openStorage(options())).rejects.toThrow(`polyraft wal repair --discard ${wal}`);
    const refused = await polyraft('wal', 'repair', wal);
    expect(refused.code).toBe(2);
    expect(refused.problems.join()).toContain('polyraft wal repair --discard');
    const repaired = await polyraft('wal', 'repair', '--discard', wal);
    expect(repaired.code).toBe(0);
    expect(readFileSync(join(wal, `${second}.broken`)).equals(readFileSync(join(base, 'second')))).toBe(true);
    expect(readdirSync(wal)).toContain(`${first}.broken`);
    expect((await polyraft('wal', 'verify', wal)).out.join()).toContain('4 entries, last index 4');
    const storage = await openStorage(options());
    expect(plain(storage.contents.batches)).toHaveLength(4);
    await storage.close();
  });

  it('finds missing segments', async () => {
    const name = segments().at(-1)!;
    copyFileSync(join(wal, name), join(wal, name.replace('0000000000000001-', '0000000000000003-')));
    const { code, problems } = await polyraft('wal', 'verify', wal);
    expect(code).toBe(1);
    expect(problems[0]).toContain('does not follow that of');
  });
});

describe('polyraft snap info', () => {
  it('tells about a file, a directory and damage', async () => {
    const name = '0000000000000002-0000000000000014.snap';
    const line = expect.stringMatching(
      new RegExp(`^${name}: index=20 term=2 data=5 bytes voters=1,2 learners=3 crc=[0-9a-f]{8} whole$`),
    );
    expect(await polyraft('snap', 'info', join(snap, name))).toEqual({ code: 0, out: [line], problems: [] });
    const all = await polyraft('snap', 'info', snap);
    expect(all.code).toBe(0);
    expect(all.out).toEqual([
      line,
      'members.json: as of entry 3',
      '  18446744073709551615 http://a:1',
      '  removed: 9',
    ]);
    const bytes = readFileSync(join(snap, name));
    bytes[20]! ^= 1;
    writeFileSync(join(snap, name), bytes);
    const damaged = await polyraft('snap', 'info', snap);
    expect(damaged.code).toBe(1);
    expect(damaged.problems[0]).toContain(`${name} is damaged: `);
    // Looking does not change anything.
    expect(readdirSync(snap)).toContain(name);
  });
});

describe('polyraft snap extract', () => {
  it('writes the state of a whole file, nothing of a damaged one, and over nothing', async () => {
    const path = join(snap, '0000000000000002-0000000000000014.snap');
    const to = join(base, 'state');
    const extract = (): ReturnType<typeof polyraft> => polyraft('snap', 'extract', path, to);
    const out = [`${to}: 5 bytes, the state after entry 20`];
    expect(await extract()).toEqual({ code: 0, out, problems: [] });
    expect(readFileSync(to, 'latin1')).toBe('state');
    expect(await extract()).toMatchObject({ code: 2, problems: [expect.stringContaining('already exists')] });
    expect(readFileSync(to, 'latin1')).toBe('state');
    rmSync(to);
    const bytes = readFileSync(path);
    bytes[bytes.indexOf('state')]! ^= 1;
    writeFileSync(path, bytes);
    const problems = [expect.stringContaining(`${path} is damaged: checksum `)];
    expect(await extract()).toMatchObject({ code: 1, problems });
    expect(existsSync(to)).toBe(false);
  });
});

describe('bad command lines', () => {
  it.each([
    [['wal', 'verify'], "missing required argument 'directory'"],
    [['wal', 'verify', '/does/not/exist'], '/does/not/exist: no such file or directory'],
    [['wal', 'dump', '/tmp', '--from', '-1'], 'not a whole number'],
    [['wal', 'mend', '/tmp'], "unknown command 'mend'"],
    [['snap', 'info', '/does/not/exist'], '/does/not/exist: no such file or directory'],
    [['--nonsense'], "unknown option '--nonsense'"],
  ])('%j', async (parameters, text) => {
    const { code, problems } = await polyraft(...parameters);
    expect(code).toBe(2);
    expect(problems.join('\n')).toContain(text);
  });

  it('help is no failure', async () => {
    const { code, out } = await polyraft('wal', '--help');
    expect(code).toBe(0);
    expect(out.join('\n')).toContain('verify');
  });
});
