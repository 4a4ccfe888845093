import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { nodeIdFromBigint } from '../../src-ts/core/node-id.ts';
import { encodeSnapshot } from '../../src-ts/core/raftpb/message.ts';
import { crc32cPortable } from '../../src-ts/storage/crc32c.ts';
import { MemoryDisk } from '../../src-ts/storage/memory-disk.ts';
import { NodeDisk } from '../../src-ts/storage/node-disk.ts';
import { frameSnapshot, readLayout } from '../../src-ts/storage/snapshot/snapshot-file.ts';
import { SnapshotFiles } from '../../src-ts/storage/snapshot/snapshot-directory.ts';
import { CorruptionError } from '../../src-ts/storage/types.ts';
import { randomFrom, recordingLogger } from './helpers.ts';

const CONF = {
  voters: [1, nodeIdFromBigint(2n ** 60n), 3],
  learners: [4],
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: true,
};

let disk: MemoryDisk;
let files: SnapshotFiles;

beforeEach(async () => {
  disk = new MemoryDisk();
  await disk.makeDirectory('/snap', 0o750);
  await disk.syncDirectory('/');
  files = new SnapshotFiles(disk, '/snap', crc32cPortable, recordingLogger());
});

async function write(
  index: number,
  data: Uint8Array,
  pieces: readonly number[] = [],
  term = 3,
): Promise<void> {
  const writer = await files.create({ index, term, confState: CONF }, data.length);
  let at = 0;
  for (const piece of pieces) {
    await writer.write(data.subarray(at, Math.min(at + piece, data.length)));
    at = Math.min(at + piece, data.length);
  }
  await writer.write(data.subarray(at));
  await writer.commit();
}

describe('snapshot files', () => {
  it('hold what was written, in any pieces, and are the encoding of snappb around raftpb', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 3000 }),
        fc.array(fc.integer({ min: 0, max: 900 }), { maxLength: 6 }),
        fc.integer({ min: 1, max: 2 ** 40 }),
        async (data, pieces, index) => {
          await write(index, data, pieces);
          const file = (await files.newest([{ index, term: 3, confState: null }]))!;
          expect(file.dataBytes).toBe(data.length);
          const metadata = { index, term: 3, confState: CONF };
          expect(await files.load(file)).toEqual({ data, metadata });
          const body = encodeSnapshot({ data, metadata });
          const bytes = disk.contents(file.path);
          expect(Buffer.from(bytes.subarray(bytes.length - body.length)).equals(Buffer.from(body))).toBe(
            true,
          );
          await disk.remove(file.path);
        },
      ),
    );
  });

  it('larger than a piece are written and read in pieces, and the disk sees no larger request', async () => {
    const sizes: number[] = [];
    disk = new MemoryDisk({ delay: (operation, bytes) => void (operation === 'read' && sizes.push(bytes)) });
    await disk.makeDirectory('/snap', 0o750);
    files = new SnapshotFiles(disk, '/snap', crc32cPortable, recordingLogger());
    const data = new Uint8Array(5 * (1 << 20) + 777).map((_, i) => (i * 31) >> 3);
    await write(9, data, [1, 3 << 20, 5]);
    const file = (await files.newest(null))!;
    let at = 0;
    await files.read(file, async (piece) => {
      expect(piece.length).toBeLessThanOrEqual(1 << 20);
      expect(Buffer.compare(piece, data.subarray(at, at + piece.length))).toBe(0);
      at += piece.length;
      await Promise.resolve();
    });
    expect(at).toBe(data.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1 << 20);
  });

  it('are not there before commit, nor after abort', async () => {
    const writer = await files.create({ index: 5, term: 1, confState: CONF }, 10);
    await writer.write(new Uint8Array(4));
    expect(await files.newest(null)).toBeNull();
    await expect(writer.commit()).rejects.toThrow('4 bytes of data, 10 announced');
    await expect(writer.write(new Uint8Array(7))).rejects.toThrow('more data than');
    await writer.abort();
    await writer.abort();
    expect(await disk.list('/snap')).toEqual([]);
  });

  it('of many GiB are found by offsets', async () => {
    const dataBytes = 5 * 2 ** 30 + 1;
    const metadata = { index: 2 ** 40, term: 9, confState: CONF };
    const { head, tail } = frameSnapshot(metadata, dataBytes);
    const path = join(mkdtempSync(join(tmpdir(), 'polyraft-snap-')), 'large.snap');
    // A sparse file: the data is not there, and nobody reads it.
    const file = await new NodeDisk().open(path, 'create-exclusive');
    try {
      await file.write(head, 0, head.length, 0, false);
      await file.write(tail, 0, tail.length, head.length + dataBytes, false);
      const layout = await readLayout(file);
      expect(layout.metadata).toEqual(metadata);
      expect(layout.dataEnd - layout.dataStart).toBe(dataBytes);
      expect(layout.bodyEnd).toBe(await file.size());
    } finally {
      await file.close();
      rmSync(dirname(path), { recursive: true });
    }
  });

  it('that do not fit on the disk leave nothing behind', async () => {
    await write(10, new Uint8Array(5000));
    disk.capacityBytes = 64 << 10;
    const writer = await files.create({ index: 20, term: 3, confState: CONF }, 200_000);
    const writing = (async (): Promise<void> => {
      await writer.write(new Uint8Array(200_000).fill(1));
      await writer.commit();
    })();
    await expect(writing).rejects.toMatchObject({ code: 'ENOSPC' });
    await writer.abort();
    expect((await files.newest(null))?.metadata.index).toBe(10);
    expect(await disk.list('/snap')).toHaveLength(1);
  });

  it('are durable when commit resolves', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const data = new Uint8Array(2000).fill(seed & 255);
        await write(7, data);
        disk.crash(randomFrom(seed));
        const file = (await files.newest(null))!;
        expect((await files.load(file)).data).toEqual(data);
        await disk.remove(file.path);
      }),
      { numRuns: 50 },
    );
  });

  it('never show a half-written file after a crash', async () => {
    for (let seed = 1; seed < 200; seed++) {
      let left = Infinity;
      const crashing: MemoryDisk = new MemoryDisk({
        delay: () => void (--left === 0 && crashing.crash(randomFrom(seed))),
      });
      await crashing.makeDirectory('/snap', 0o750);
      await crashing.syncDirectory('/');
      left = 1 + (seed % 9);
      disk = crashing;
      files = new SnapshotFiles(crashing.mount(), '/snap', crc32cPortable, recordingLogger());
      await write(7, new Uint8Array(3000).fill(1)).catch(() => undefined);
      left = Infinity;
      const after = new SnapshotFiles(crashing, '/snap', crc32cPortable, recordingLogger());
      await after.removeLeftovers();
      await after.newest(null);
      expect((await crashing.list('/snap')).filter((name) => name.endsWith('.broken'))).toEqual([]);
    }
  });

  it('are purged by count, newest kept, those being read kept', async () => {
    for (const index of [10, 20, 30, 40, 50]) await write(index, new Uint8Array(10));
    const oldest = (await files.newest([{ index: 10, term: 3, confState: null }]))!;
    let purged: string[] = [];
    await files.read(oldest, async () => {
      purged = await files.purge(2);
    });
    expect(purged.map((name) => Number.parseInt(name.slice(17, 33), 16))).toEqual([30, 20]);
    expect(await files.purge(0)).toHaveLength(2);
    expect((await files.names()).map(({ index }) => index)).toEqual([50]);
  });

  it('whose data rots while the server runs are reported by the reader', async () => {
    await write(10, new Uint8Array(5000).fill(3));
    const file = (await files.newest(null))!;
    disk.rot(file.path, 2500);
    await expect(files.load(file)).rejects.toThrow(CorruptionError);
    await expect(files.load(file)).rejects.toThrow(/\.snap at byte 0: checksum/);
  });

  it('with any byte changed, or any part missing, are not taken for whole', async () => {
    const data = new Uint8Array(300).map((_, i) => i);
    await write(10, data);
    const name = (await files.names())[0]!;
    const path = `/snap/${name.name}`;
    const whole = disk.contents(path);
    const mutation = fc.record({
      at: fc.nat(whole.length - 1),
      mask: fc.integer({ min: 1, max: 255 }),
      length: fc.nat(whole.length - 1),
      how: fc.constantFrom('flip', 'cut', 'insert', 'flip-and-cut'),
    });
    await fc.assert(
      fc.asyncProperty(mutation, async ({ at, mask, length, how }) => {
        let bytes: Uint8Array = whole.slice();
        if (how !== 'cut') bytes[at]! ^= mask;
        if (how.endsWith('cut')) bytes = bytes.subarray(0, length);
        if (how === 'insert') bytes = Uint8Array.of(...bytes.subarray(0, at), mask, ...bytes.subarray(at));
        disk.place(path, bytes);
        const file = await files.check(name);
        // A changed tag or length may leave the same content behind another encoding; then it must be the same.
        if (file !== null)
          expect(await files.load(file)).toEqual({ data, metadata: { index: 10, term: 3, confState: CONF } });
        else expect(await disk.exists(`${path}.broken`)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
