/** Appending: group commit, commit-only states, cuts, release and purge, and failures that stay. */
import { describe, expect, it } from 'vitest';
import { crc32cPortable } from '../../src-ts/storage/crc32c.ts';
import { MemoryDisk } from '../../src-ts/storage/memory-disk.ts';
import { createWal, openWal, type OpenedWal } from '../../src-ts/storage/wal/open-wal.ts';
import { SegmentReader } from '../../src-ts/storage/wal/segment-reader.ts';
import { segmentsOf } from '../../src-ts/storage/wal/wal-name.ts';
import { RecordType } from '../../src-ts/storage/wal/wal-record.ts';
import type { WalSettings } from '../../src-ts/storage/wal/write-ahead-log.ts';
import { entriesOf, plain, recordingLogger, walSettings } from './helpers.ts';

const METADATA = Uint8Array.of(8, 1, 16, 7);
const CONF = { voters: [1, 2, 3], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };

async function fresh(disk: MemoryDisk, overrides: Partial<WalSettings> = {}): Promise<OpenedWal> {
  await disk.makeDirectory('/data', 0o700);
  await disk.syncDirectory('/');
  return await createWal(walSettings(disk, overrides), METADATA);
}

function reopen(
  disk: MemoryDisk,
  index = 0,
  term = 0,
  overrides: Partial<WalSettings> = {},
): Promise<OpenedWal> {
  return openWal(walSettings(disk, overrides), { index, term }, () => undefined);
}

const bytes = (size: number, value = 120): Uint8Array => new Uint8Array(size).fill(value);

async function appendMany(opened: OpenedWal, from: number, to: number, size = 1000): Promise<void> {
  for (let index = from; index <= to; index++) {
    await opened.wal.save({ term: 1, vote: 1, commit: index }, [entriesOf(index, 1, [bytes(size)])], true);
  }
}

describe('group commit', () => {
  it('saves made in one turn share one sync, those made during a sync share the next', async () => {
    let release: () => void = () => undefined;
    const disk = new MemoryDisk({
      delay: (operation) =>
        operation === 'sync' && held ? new Promise((resolve) => (release = resolve)) : undefined,
    });
    let held = false;
    const { wal } = await fresh(disk, { segmentBytes: 1 << 20 });
    held = true;
    const before = wal.statistics.syncs;
    const first = [1, 2, 3].map((index) => wal.save(null, [entriesOf(index, 1, [bytes(10)])], true));
    await new Promise((resolve) => setTimeout(resolve, 5));
    const during = Array.from({ length: 50 }, (_, i) =>
      wal.save(null, [entriesOf(4 + i, 1, [bytes(10)])], true),
    );
    held = false;
    expect(wal.statistics.waitingBytes).toBeGreaterThan(50 * 10);
    release();
    await Promise.all([...first, ...during]);
    expect(wal.statistics.syncs - before).toBe(2);
    await wal.close();
    const { contents } = await reopen(disk);
    expect(plain(contents.batches).map(({ index }) => index)).toEqual(
      Array.from({ length: 53 }, (_, i) => i + 1),
    );
  });

  it('a save resolves only when its own bytes are durable', async () => {
    const disk = new MemoryDisk();
    const { wal } = await fresh(disk, { segmentBytes: 1 << 20 });
    let durable = false;
    disk.fail('sync', /wal$/, 'EIO', 1);
    const first = wal.save(null, [entriesOf(1, 1, [bytes(10)])], true).then(() => (durable = true));
    await first;
    expect(durable).toBe(true);
    const second = wal.save(null, [entriesOf(2, 1, [bytes(10)])], true);
    await expect(second).rejects.toThrow(/fdatasync .*EIO/);
  });

  it('a new commit index alone costs no write, and travels with the next one or with close', async () => {
    const disk = new MemoryDisk();
    const opened = await fresh(disk, { segmentBytes: 1 << 20 });
    await appendMany(opened, 1, 3);
    const writes = disk.counts.get('write');
    await opened.wal.save({ term: 1, vote: 1, commit: 3 }, [], false);
    expect(disk.counts.get('write')).toBe(writes);
    await opened.wal.close();
    const again = await reopen(disk);
    expect(again.contents.hardState).toEqual({ term: 1, vote: 1, commit: 3 });
    for (let commit = 4; commit < 6000; commit++) {
      await again.wal.save({ term: 1, vote: 1, commit }, [], false);
    }
    expect(again.wal.statistics.waitingBytes).toBeLessThan(66 << 10);
  });

  it('mustSync with nothing to write syncs what was written before', async () => {
    const disk = new MemoryDisk();
    const { wal } = await fresh(disk, { segmentBytes: 1 << 20 });
    await wal.save(null, [entriesOf(1, 1, [bytes(10)])], false);
    await wal.save(null, [], true);
    disk.crash(() => 0);
    const { contents } = await reopen(disk);
    expect(plain(contents.batches)).toHaveLength(1);
  });

  it('writes small batches on the calling thread when told to', async () => {
    const disk = new MemoryDisk();
    const { wal } = await fresh(disk, { segmentBytes: 1 << 20, inlineBytesMax: 4096 });
    await wal.save(null, [entriesOf(1, 1, [bytes(10)])], true);
    expect(wal.statistics.syncs).toBe(1);
    disk.crash(() => 0);
    expect(plain((await reopen(disk)).contents.batches)).toHaveLength(1);
  });
});

describe('writes on the calling thread', () => {
  const INLINE = { segmentBytes: 1 << 20, inlineBytesMax: 4096 };

  it('are durable when the call returns, with what waited before them', async () => {
    const disk = new MemoryDisk();
    const { wal } = await fresh(disk, INLINE);
    await wal.save({ term: 1, vote: 2, commit: 0 }, [], false);
    expect(wal.saveNow(null, [entriesOf(1, 1, [bytes(10)])], true)).toBe(true);
    expect(wal.statistics).toMatchObject({ syncs: 1, waitingBytes: 0 });
    disk.crash(() => 0);
    const { contents } = await reopen(disk);
    expect(contents.hardState).toEqual({ term: 1, vote: 2, commit: 0 });
    expect(plain(contents.batches)).toHaveLength(1);
  });

  it('are counted and timed as others are', async () => {
    let time = 0;
    const durations: number[] = [];
    const syncObserver = { now: () => time++, synced: (ms: number) => void durations.push(ms) };
    const { wal } = await fresh(new MemoryDisk(), { ...INLINE, syncObserver });
    const before = wal.statistics;
    expect(wal.saveNow(null, [entriesOf(1, 1, [bytes(100)])], true)).toBe(true);
    const { segmentBytes, writtenBytes } = wal.statistics;
    expect(writtenBytes - before.writtenBytes).toBe(segmentBytes - before.segmentBytes);
    expect(writtenBytes).toBeGreaterThan(before.writtenBytes);
    await wal.save(null, [entriesOf(2, 1, [bytes(8000)])], true);
    expect(durations).toEqual([1, 1]);
  });

  it('are not made when they are too large, whatever waits before them', async () => {
    const disk = new MemoryDisk();
    const { wal } = await fresh(disk, INLINE);
    const before = disk.counts.get('write');
    expect(wal.saveNow(null, [entriesOf(1, 1, [bytes(4096)])], true)).toBe(false);
    for (let commit = 1; commit < 200; commit++) await wal.save({ term: 1, vote: 0, commit }, [], false);
    expect(wal.statistics.waitingBytes).toBeGreaterThan(4096);
    expect(wal.saveNow(null, [entriesOf(1, 1, [bytes(10)])], true)).toBe(false);
    expect(disk.counts.get('write')).toBe(before);
    await wal.save(null, [entriesOf(1, 1, [bytes(10)])], true);
    expect(wal.saveNow(null, [entriesOf(2, 1, [bytes(10)])], true)).toBe(true);
    const none = await fresh(new MemoryDisk(), { ...INLINE, inlineBytesMax: 0 });
    expect(none.wal.saveNow(null, [entriesOf(1, 1, [bytes(10)])], true)).toBe(false);
  });

  it('are not made while another one is under way', async () => {
    const disk = new MemoryDisk();
    const { wal } = await fresh(disk, INLINE);
    const first = wal.save(null, [entriesOf(1, 1, [bytes(8000)])], true);
    expect(wal.saveNow(null, [entriesOf(2, 1, [bytes(10)])], true)).toBe(false);
    const second = wal.save(null, [entriesOf(2, 1, [bytes(10)])], true);
    await Promise.all([first, second]);
    expect(wal.saveNow(null, [entriesOf(3, 1, [bytes(10)])], true)).toBe(true);
    disk.crash(() => 0);
    expect(plain((await reopen(disk)).contents.batches).map(({ index }) => index)).toEqual([1, 2, 3]);
  });

  it('never cut a segment, and never write where zeros are being written', async () => {
    let proceed: (() => void) | null = null;
    const disk = new MemoryDisk({
      delay: (operation) =>
        operation === 'preallocate' && held ? new Promise((resolve) => (proceed = resolve)) : undefined,
    });
    let held = false;
    const { wal } = await fresh(disk, { ...INLINE, segmentBytes: 20_000, allocateStepBytes: 8192 });
    held = true;
    let index = 0;
    while (wal.saveNow(null, [entriesOf(index + 1, 1, [bytes(500)])], true)) index++;
    // The first step is nearly full, the second is on its way.
    expect(wal.statistics.segmentBytes).toBeLessThanOrEqual(8192);
    expect(wal.statistics.segmentBytes).toBeGreaterThan(8192 - 1000);
    expect(proceed).not.toBeNull();
    held = false;
    proceed!();
    index++;
    await wal.save(null, [entriesOf(index, 1, [bytes(500)])], true);
    await new Promise((resolve) => setTimeout(resolve, 5));
    while (wal.statistics.segments === 1) {
      const done = wal.saveNow(null, [entriesOf(index + 1, 1, [bytes(500)])], true);
      if (done) expect(wal.statistics.segments).toBe(1);
      else await wal.save(null, [entriesOf(index + 1, 1, [bytes(500)])], true);
      index++;
    }
    disk.crash(() => 0);
    expect(plain((await reopen(disk)).contents.batches)).toHaveLength(index);
  });

  const failures = [
    ['write', 'EIO'],
    ['write', 'ENOSPC'],
    ['sync', 'EIO'],
  ] as const;
  it.each(failures)('of which one fails at %s (%s) close the log to writes', async (operation, code) => {
    const disk = new MemoryDisk();
    const logger = recordingLogger();
    const { wal } = await fresh(disk, { ...INLINE, logger });
    expect(wal.saveNow(null, [entriesOf(1, 1, [bytes(10)])], true)).toBe(true);
    disk.fail(operation, /\.wal$/, code);
    expect(() => wal.saveNow(null, [entriesOf(2, 1, [bytes(2000)])], true)).toThrow(code);
    const writes = disk.counts.get('write');
    expect(() => wal.saveNow(null, [entriesOf(2, 1, [bytes(10)])], true)).toThrow(code);
    await expect(wal.save(null, [entriesOf(2, 1, [bytes(10)])], true)).rejects.toThrow(code);
    await expect(wal.saveSnapshot({ index: 1, term: 1, confState: CONF })).rejects.toThrow(code);
    expect(disk.counts.get('write')).toBe(writes);
    expect(logger.lines.filter((line) => line.startsWith('error'))).toHaveLength(1);
    await wal.close();
    expect(() => wal.saveNow(null, [entriesOf(2, 1, [bytes(10)])], true)).toThrow(code);
    disk.crash(() => 0);
    expect(plain((await reopen(disk)).contents.batches)[0]).toMatchObject({ index: 1 });
  });

  it('on a full disk fail as others do, and what was acknowledged stays', async () => {
    const disk = new MemoryDisk({ capacityBytes: 64 << 10 });
    const { wal } = await fresh(disk, { ...INLINE, allocateStepBytes: 8192 });
    let acknowledged = 0;
    await expect(
      (async (): Promise<void> => {
        for (;;) {
          const batch = [entriesOf(acknowledged + 1, 1, [bytes(1000)])];
          if (!wal.saveNow(null, batch, true)) await wal.save(null, batch, true);
          acknowledged++;
        }
      })(),
    ).rejects.toThrow('ENOSPC');
    expect(acknowledged).toBeGreaterThan(10);
    disk.capacityBytes = Infinity;
    disk.crash((bound) => Math.min(1, bound - 1));
    expect(plain((await reopen(disk)).contents.batches).length).toBeGreaterThanOrEqual(acknowledged);
  });

  it('are refused after close', async () => {
    const { wal } = await fresh(new MemoryDisk(), INLINE);
    await wal.close();
    expect(() => wal.saveNow(null, [entriesOf(1, 1, [bytes(1)])], true)).toThrow('closed');
  });

  it('leave the same bytes as others', async () => {
    const files: Uint8Array[] = [];
    for (const inlineBytesMax of [0, 4096]) {
      const disk = new MemoryDisk();
      const { wal } = await fresh(disk, { ...INLINE, inlineBytesMax });
      for (let index = 1; index <= 20; index++) {
        const state = { term: 1, vote: 1, commit: index - 1 };
        const batch = [entriesOf(index, 1, [bytes(index * 37, index)])];
        const done = wal.saveNow(state, batch, true);
        expect(done).toBe(inlineBytesMax > 0);
        if (!done) await wal.save(state, batch, true);
      }
      await wal.close();
      files.push(disk.contents('/data/wal/0000000000000000-0000000000000000.wal'));
    }
    expect(Buffer.compare(files[0]!, files[1]!)).toBe(0);
  });
});

describe('segments', () => {
  it('cut at the size, named by sequence and next index, and begin with crc, metadata and state', async () => {
    const disk = new MemoryDisk();
    const opened = await fresh(disk);
    await appendMany(opened, 1, 60);
    await opened.wal.close();
    const segments = segmentsOf(await disk.list('/data/wal'));
    expect(segments.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 3]);
    expect(segments.map(({ index }) => index)).toEqual([0, 17, 33, 49]);
    const file = await disk.open('/data/wal/0000000000000001-0000000000000011.wal', 'read');
    const reader = new SegmentReader(file, await file.size(), false, 0, crc32cPortable);
    const types: number[] = [];
    while (types.length < 4) {
      const result = reader.next();
      if (result === 'more') await reader.fill();
      else {
        expect(result).toBe('record');
        if (reader.type === RecordType.Crc) reader.adoptCrc();
        types.push(reader.type);
      }
    }
    expect(types).toEqual([RecordType.Crc, RecordType.Metadata, RecordType.State, RecordType.Entry]);
    expect(await disk.list('/data/wal')).toEqual(segments.map(({ name }) => name));
    const again = await reopen(disk);
    expect(plain(again.contents.batches)).toHaveLength(60);
    expect(again.contents.hardState.commit).toBe(60);
  });

  it('are prepared ahead as 0.tmp, which a kill leaves and the next start removes', async () => {
    const disk = new MemoryDisk();
    const opened = await fresh(disk);
    await appendMany(opened, 1, 12);
    expect(await disk.list('/data/wal')).toContain('0.tmp');
    disk.kill();
    await reopen(disk);
    expect(await disk.list('/data/wal')).not.toContain('0.tmp');
  });

  it('before the one that holds an index are released and purged, never the others', async () => {
    const disk = new MemoryDisk();
    const opened = await fresh(disk);
    await appendMany(opened, 1, 60);
    const { wal } = opened;
    expect(await wal.purge(1)).toEqual([]);
    await wal.releaseTo(40);
    expect(await wal.purge(3)).toEqual(['0000000000000000-0000000000000000.wal']);
    expect(await wal.purge(1)).toEqual(['0000000000000001-0000000000000011.wal']);
    expect(await wal.purge(1)).toEqual([]);
    expect(wal.statistics.segments).toBe(2);
    await wal.saveSnapshot({ index: 40, term: 1, confState: CONF });
    await wal.close();
    const { contents } = await reopen(disk, 40, 1);
    expect(plain(contents.batches).map(({ index }) => index)).toEqual(
      Array.from({ length: 20 }, (_, i) => 41 + i),
    );
    await expect(reopen(disk)).rejects.toThrow('begins at entry 33');
  });

  it('that are missing in between are named', async () => {
    const disk = new MemoryDisk();
    const opened = await fresh(disk);
    await appendMany(opened, 1, 60);
    await opened.wal.close();
    await disk.remove('/data/wal/0000000000000001-0000000000000011.wal');
    await expect(reopen(disk)).rejects.toThrow(/0000000000000002-.*does not follow/);
  });

  it('of a reopened log are cut with the state that was read', async () => {
    const disk = new MemoryDisk();
    const opened = await fresh(disk);
    await appendMany(opened, 1, 10);
    await opened.wal.close();
    const again = await reopen(disk);
    await again.wal.save(null, [entriesOf(11, 1, [bytes(9000)])], true);
    await again.wal.saveSnapshot({ index: 10, term: 1, confState: CONF });
    await again.wal.close();
    // Only the last segment is read from here.
    const last = await reopen(disk, 10, 1);
    expect(last.contents.hardState).toEqual({ term: 1, vote: 1, commit: 10 });
  });
});

describe('failures', () => {
  const failures = [
    ['write', 'EIO'],
    ['write', 'ENOSPC'],
    ['sync', 'EIO'],
  ] as const;
  it.each(failures)('of %s (%s) reject all that wait and everything after', async (operation, code) => {
    const disk = new MemoryDisk();
    const logger = recordingLogger();
    const { wal } = await fresh(disk, { logger });
    await wal.save(null, [entriesOf(1, 1, [bytes(10)])], true);
    disk.fail(operation, /\.wal$/, code);
    const saves = [2, 3, 4].map((index) => wal.save(null, [entriesOf(index, 1, [bytes(10)])], true));
    for (const save of saves) await expect(save).rejects.toThrow(code);
    const writes = disk.counts.get('write');
    await expect(wal.save(null, [entriesOf(2, 1, [bytes(10)])], true)).rejects.toThrow(code);
    await expect(wal.save({ term: 9, vote: 0, commit: 0 }, [], false)).rejects.toThrow(code);
    await expect(wal.saveSnapshot({ index: 1, term: 1, confState: CONF })).rejects.toThrow(code);
    expect(disk.counts.get('write')).toBe(writes);
    expect(logger.lines.filter((line) => line.startsWith('error'))).toHaveLength(1);
    await wal.close();
    const { contents } = await reopen(disk);
    expect(plain(contents.batches)[0]).toMatchObject({ index: 1 });
  });

  it.each(['open', 'write', 'rename', 'syncDirectory', 'preallocate'] as const)(
    'of %s at a cut stop the log, and what was acknowledged stays',
    async (operation) => {
      const disk = new MemoryDisk();
      const { wal } = await fresh(disk);
      let acknowledged = 0;
      disk.fail(operation, operation === 'syncDirectory' ? /wal$/ : /tmp$/, 'ENOSPC', 0, Infinity);
      const saving = (async (): Promise<void> => {
        for (let index = 1; index < 40; index++) {
          await wal.save(null, [entriesOf(index, 1, [bytes(1000)])], true);
          acknowledged = index;
        }
      })();
      await expect(saving).rejects.toThrow('ENOSPC');
      expect(acknowledged).toBeGreaterThan(10);
      disk.clearFaults();
      await wal.close().catch(() => undefined);
      disk.crash(() => 0);
      const { contents } = await reopen(disk);
      expect(plain(contents.batches).length).toBeGreaterThanOrEqual(acknowledged);
    },
  );

  it('ahead of need are tried again when the space is needed', async () => {
    const disk = new MemoryDisk();
    const opened = await fresh(disk);
    disk.fail('preallocate', /tmp$/, 'ENOSPC');
    await appendMany(opened, 1, 30);
    expect(opened.wal.statistics.segments).toBe(2);
    await opened.wal.close();
  });

  it('of a full disk are the same however the bytes are counted', async () => {
    const disk = new MemoryDisk({ capacityBytes: 64 << 10 });
    const { wal } = await fresh(disk);
    let acknowledged = 0;
    await expect(
      (async (): Promise<void> => {
        for (;;) {
          await wal.save(null, [entriesOf(acknowledged + 1, 1, [bytes(1000)])], true);
          acknowledged++;
        }
      })(),
    ).rejects.toThrow('ENOSPC');
    disk.capacityBytes = Infinity;
    disk.crash((bound) => Math.min(1, bound - 1));
    const { contents } = await reopen(disk);
    expect(plain(contents.batches).length).toBeGreaterThanOrEqual(acknowledged);
  });

  it('calls after close are refused', async () => {
    const { wal } = await fresh(new MemoryDisk());
    await wal.close();
    await expect(wal.save(null, [entriesOf(1, 1, [bytes(1)])], true)).rejects.toThrow('closed');
    await wal.close();
  });

  it('a snapshot record without its configuration is refused, since etcd refuses it', async () => {
    const { wal } = await fresh(new MemoryDisk());
    await expect(wal.saveSnapshot({ index: 5, term: 1, confState: null })).rejects.toThrow('configuration');
  });
});

describe('damage', () => {
  async function written(): Promise<MemoryDisk> {
    const disk = new MemoryDisk();
    const opened = await fresh(disk);
    await appendMany(opened, 1, 40);
    await opened.wal.close();
    return disk;
  }

  it('in a closed segment names file, offset and command', async () => {
    const disk = await written();
    disk.rot('/data/wal/0000000000000001-0000000000000011.wal', 5000);
    await expect(reopen(disk)).rejects.toThrow(
      /0000000000000001-0000000000000011\.wal at byte \d+: .*polyraft wal repair --discard \/data\/wal/,
    );
    // Nothing was changed by the attempt, and a start behind the damage is possible.
    expect((await disk.list('/data/wal')).filter((name) => name.endsWith('.broken'))).toEqual([]);
  });

  it('in the middle of the last segment is not taken for a torn tail', async () => {
    const disk = await written();
    disk.rot('/data/wal/0000000000000002-0000000000000021.wal', 3000);
    await expect(reopen(disk)).rejects.toThrow(/checksum/);
  });

  it('of a checksum chain between segments is found', async () => {
    const disk = await written();
    const path = '/data/wal/0000000000000001-0000000000000011.wal';
    // A byte of the value in the crc record, which no checksum covers.
    disk.rot(path, 12, 4);
    await expect(reopen(disk)).rejects.toThrow(/checksum/);
  });

  it('of metadata that changes between segments is found', async () => {
    const disk = await written();
    const other = new MemoryDisk();
    await other.makeDirectory('/data', 0o700);
    const { wal } = await createWal(walSettings(other), Uint8Array.of(8, 2, 16, 7));
    await wal.close();
    disk.place(
      '/data/wal/0000000000000003-0000000000000031.wal',
      other.contents('/data/wal/0000000000000000-0000000000000000.wal'),
    );
    await expect(reopen(disk)).rejects.toThrow(/checksum chain|metadata differs/);
  });

  it('a torn tail is cut, with a backup and a line in the log', async () => {
    const disk = await written();
    const path = '/data/wal/0000000000000002-0000000000000021.wal';
    const before = disk.contents(path);
    let end = before.length;
    while (before[end - 1] === 0) end--;
    const torn = before.slice();
    torn.fill(0, end - 700, end);
    disk.place(path, torn);
    const logger = recordingLogger();
    const { contents, wal } = await reopen(disk, 0, 0, { logger });
    expect(contents.cutBytes).toBeGreaterThan(0);
    expect(plain(contents.batches).length).toBe(39);
    expect(logger.lines.some((line) => line.startsWith('warning') && line.includes('.broken'))).toBe(true);
    expect(disk.contents(`${path}.broken`)).toEqual(torn.slice(0, end - 700));
    await wal.save(null, [entriesOf(40, 2, [bytes(100)])], true);
    await wal.close();
    const again = await reopen(disk);
    expect(plain(again.contents.batches).at(-1)).toMatchObject({ index: 40, term: 2 });
    expect(again.contents.cutBytes).toBe(0);
  });

  it('a directory with strangers and backups in it opens', async () => {
    const disk = await written();
    for (const name of ['notes.txt', '0000000000000002-0000000000000021.wal.broken', '1.tmp', 'x.wal']) {
      disk.place(`/data/wal/${name}`, bytes(3));
    }
    expect(plain((await reopen(disk)).contents.batches)).toHaveLength(40);
    expect(await disk.list('/data/wal')).toContain('notes.txt');
  });

  it('a new log does not take away what is in its directory', async () => {
    const disk = new MemoryDisk();
    disk.place('/data/wal/keep.txt', bytes(3));
    const { wal } = await createWal(walSettings(disk), METADATA);
    await wal.close();
    expect(await disk.list('/data/wal')).toEqual(['0000000000000000-0000000000000000.wal', 'keep.txt']);
    expect(await disk.exists('/data/wal.tmp')).toBe(false);
    await expect(createWal(walSettings(disk), METADATA)).rejects.toThrow('has a log in it');
  });
});
