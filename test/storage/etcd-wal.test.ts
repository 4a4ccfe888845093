/** etcd's own packages read what this room writes, and this room reads what they write. Needs Go; skipped without. */
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EntryBatch } from '../../src-ts/core/entry-batch.ts';
import { crc32cPortable } from '../../src-ts/storage/crc32c.ts';
import { NodeDisk } from '../../src-ts/storage/node-disk.ts';
import { SnapshotFiles } from '../../src-ts/storage/snapshot/snapshot-directory.ts';
import { createWal, openWal } from '../../src-ts/storage/wal/open-wal.ts';
import { encodeWalMetadata } from '../../src-ts/storage/wal/wal-metadata.ts';
import { committedSnapshots } from '../../src-ts/storage/wal/wal-reader.ts';
import type { WalSettings } from '../../src-ts/storage/wal/write-ahead-log.ts';
import { buildGo } from '../interop/programs.ts';
import { entriesOf, recordingLogger, walSettings } from './helpers.ts';

const VOTERS = { voters: [1, 2, 3], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };

function goIsThere(): boolean {
  try {
    const [, major, minor] = /go(\d+)\.(\d+)/.exec(execFileSync('go', ['version'], { encoding: 'utf8' }))!;
    return Number(major) > 1 || Number(minor) >= 26;
  } catch {
    return false;
  }
}

const present = goIsThere();
if (!present) console.log('skipped: etcd-wal needs Go 1.26 or newer');

let program = '';

function walcheck(...parameters: string[]): unknown {
  return JSON.parse(
    execFileSync(program, parameters, { encoding: 'utf8', maxBuffer: 1 << 28, stdio: 'pipe' }),
  );
}

/** The payload that walcheck gives to entry `index`. */
function payload(index: number): Uint8Array {
  return Uint8Array.from({ length: (index * 37) % 700 }, (_, i) => (index + i) & 255);
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function described(batches: readonly EntryBatch[]): unknown[] {
  return batches.flatMap((batch) =>
    Array.from({ length: batch.count }, (_, i) => ({
      index: batch.firstIndex + i,
      term: batch.term,
      type: batch.type(i),
      data: hex(batch.data(i)),
    })),
  );
}

function expected(from: number, to: number): unknown[] {
  return Array.from({ length: to - from + 1 }, (_, i) => {
    const index = from + i;
    const term = 1 + Math.floor((index - ((index - 1) % 10)) / 100);
    return { index, term, type: 0, data: hex(payload(index)) };
  });
}

/** The same calls that walcheck write-wal makes. */
async function writeOurs(settings: WalSettings, metadata: Uint8Array, count: number): Promise<void> {
  const { wal } = await createWal(settings, metadata);
  for (let first = 1; first <= count; first += 10) {
    const term = 1 + Math.floor(first / 100);
    const payloads = Array.from({ length: Math.min(10, count - first + 1) }, (_, i) => payload(first + i));
    await wal.save({ term, vote: 2, commit: first - 1 }, [entriesOf(first, term, payloads)], true);
    if (first % 250 === 1 && first > 1) {
      await wal.saveSnapshot({
        index: first - 1,
        term: 1 + Math.floor((first - 11) / 100),
        confState: VOTERS,
      });
    }
  }
  await wal.close();
}

describe.skipIf(!present)('WAL and snapshots, with etcd at the other end', () => {
  let base: string;
  const settingsFor = (directory: string): WalSettings =>
    walSettings(new NodeDisk(), { directory, segmentBytes: 65_536 });

  beforeAll(async () => {
    program = await buildGo('walcheck');
    base = mkdtempSync(join(tmpdir(), 'polyraft-etcd-wal-'));
  }, 600_000);
  afterAll(() => {
    if (base !== undefined) rmSync(base, { recursive: true, force: true });
  });

  // In one segment: etcd decides to cut by what its page writer has flushed, so it cuts one save later than we do.
  it('the same calls give the same bytes', async () => {
    const ours = join(base, 'same-ours');
    const theirs = join(base, 'same-theirs');
    for (const identity of [null, { nodeId: 3, clusterId: 0x1234567890n }]) {
      const metadata = identity === null ? new Uint8Array(0) : encodeWalMetadata(identity);
      await writeOurs({ ...settingsFor(ours), segmentBytes: 1_000_000 }, metadata, 1500);
      walcheck('write-wal', theirs, hex(metadata), '1000000', '1500');
      const name = '0000000000000000-0000000000000000.wal';
      expect(readdirSync(ours)).toEqual([name]);
      expect(readFileSync(join(ours, name)).equals(readFileSync(join(theirs, name)))).toBe(true);
      for (const directory of [ours, theirs]) rmSync(directory, { recursive: true });
    }
  });

  it('etcd reads ours and ours reads etcd’s, from the beginning and from a snapshot', async () => {
    const ours = join(base, 'read-ours');
    const theirs = join(base, 'read-theirs');
    await writeOurs(settingsFor(ours), new Uint8Array(0), 1203);
    walcheck('write-wal', theirs, '', '65536', '1203');
    for (const [index, term] of [
      [0, 0],
      [750, 8],
    ] as const) {
      const wanted = { metadata: '', term: 13, vote: 2, commit: 1200, entries: expected(index + 1, 1203) };
      expect(walcheck('read-wal', ours, String(index), String(term))).toEqual(wanted);
      const { wal, contents } = await openWal(settingsFor(theirs), { index, term }, () => undefined);
      expect(contents.hardState).toEqual({ term: 13, vote: 2, commit: 1200 });
      expect(contents.metadata.length).toBe(0);
      expect(described(contents.batches)).toEqual(wanted.entries);
      await wal.close();
    }
    const snapshots = await committedSnapshots(new NodeDisk(), theirs, crc32cPortable);
    expect(snapshots.map(({ index, term }) => [index, term])).toEqual([
      [0, 0],
      [250, 3],
      [500, 5],
      [750, 8],
      [1000, 10],
    ]);
    expect(snapshots[4]!.confState).toEqual(VOTERS);
  });

  it('each goes on where the other stopped', async () => {
    const directory = join(base, 'relay');
    walcheck('write-wal', directory, '08011007', '65536', '300');
    const { wal, contents } = await openWal(settingsFor(directory), { index: 250, term: 3 }, () => undefined);
    expect(described(contents.batches)).toEqual(expected(251, 300));
    // Replaces 291 to 300, and goes through several segments.
    for (let first = 291; first < 900; first += 10) {
      const payloads = Array.from({ length: 10 }, (_, i) => payload(first + i));
      await wal.save({ term: 9, vote: 1, commit: first - 1 }, [entriesOf(first, 9, payloads)], true);
    }
    await wal.close();
    const read = walcheck('read-wal', directory, '250', '3') as {
      entries: { index: number; term: number }[];
    };
    expect(read.entries.map(({ index }) => index)).toEqual(Array.from({ length: 650 }, (_, i) => 251 + i));
    expect(read.entries.map(({ term }) => term).lastIndexOf(9)).toBe(649);
    expect(read.entries.map(({ term }) => term).indexOf(9)).toBe(40);
  });

  it('both cut a torn tail at the same place', async () => {
    const ours = join(base, 'torn-ours');
    const theirs = join(base, 'torn-theirs');
    for (const directory of [ours, theirs]) walcheck('write-wal', directory, '', '65536', '700');
    const name = readdirSync(ours)
      .filter((entry) => entry.endsWith('.wal'))
      .at(-1)!;
    // The last record ends within the file's zeros; take its last sectors away.
    const bytes = readFileSync(join(ours, name));
    let end = bytes.length;
    while (bytes[end - 1] === 0) end--;
    const hole = Math.floor((end - 60) / 512) * 512;
    bytes.fill(0, hole, end);
    for (const directory of [ours, theirs]) writeFileSync(join(directory, name), bytes);
    expect(() => walcheck('read-wal', theirs, '0', '0')).toThrow();
    expect(walcheck('repair-wal', theirs)).toBe(true);
    const opened = await openWal(settingsFor(ours), { index: 0, term: 0 }, () => undefined);
    await opened.wal.close();
    expect(opened.contents.cutBytes).toBeGreaterThan(0);
    expect(readdirSync(ours)).toContain(`${name}.broken`);
    const theirsRead = walcheck('read-wal', theirs, '0', '0');
    expect(walcheck('read-wal', ours, '0', '0')).toEqual(theirsRead);
    expect(described(opened.contents.batches)).toEqual((theirsRead as { entries: unknown[] }).entries);
    const cutAt = readFileSync(join(theirs, name)).length;
    truncateSync(join(ours, name), cutAt);
    expect(readFileSync(join(ours, name)).equals(readFileSync(join(theirs, name)))).toBe(true);
  });

  it('snapshots go both ways', async () => {
    const ours = join(base, 'snap-ours');
    const theirs = join(base, 'snap-theirs');
    mkdirSync(ours);
    const files = new SnapshotFiles(new NodeDisk(), ours, crc32cPortable, recordingLogger());
    // Sixteen indexes, so that short checksums occur as well.
    for (let index = 640; index < 672; index++) {
      const data = payload(index);
      const writer = await files.create({ index, term: 4, confState: VOTERS }, data.length);
      await writer.write(data.subarray(0, 100));
      await writer.write(data.subarray(100));
      await writer.commit();
      expect(walcheck('read-snapshot', ours)).toEqual({ index, term: 4, voters: [1, 2, 3], data: hex(data) });
    }
    walcheck('write-snapshot', theirs, '671', '4');
    const read = new SnapshotFiles(new NodeDisk(), theirs, crc32cPortable, recordingLogger());
    const file = (await read.newest(null))!;
    expect(file.metadata).toEqual({ index: 671, term: 4, confState: VOTERS });
    expect(hex((await read.load(file)).data)).toBe(hex(payload(671)));
    expect(readFileSync(file.path).equals(readFileSync(join(ours, file.name)))).toBe(true);
  });
});
