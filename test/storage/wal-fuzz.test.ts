/** Any bytes in a WAL directory give a reading or a clear error, in bounded time and memory. */
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { crc32cPortable } from '../../src-ts/storage/crc32c.ts';
import { decodeMembers, encodeMembers } from '../../src-ts/storage/members-file.ts';
import { MemoryDisk } from '../../src-ts/storage/memory-disk.ts';
import { CorruptionError } from '../../src-ts/storage/types.ts';
import { createWal, openWal, UnknownSnapshotError } from '../../src-ts/storage/wal/open-wal.ts';
import { SegmentReader } from '../../src-ts/storage/wal/segment-reader.ts';
import { entriesOf, plain, type PlainEntry, walSettings } from './helpers.ts';

const RUNS = Number(process.env['POLYRAFT_RUNS'] ?? 3000);
const NAMES = ['0000000000000000-0000000000000000.wal', '0000000000000001-0000000000000009.wal'];

let segments: Uint8Array[];
let truth: PlainEntry[];

beforeAll(async () => {
  const disk = new MemoryDisk();
  await disk.makeDirectory('/data', 0o700);
  const settings = walSettings(disk, { segmentBytes: 2048 });
  const { wal } = await createWal(settings, Uint8Array.of(8, 1, 16, 7));
  const batches = [];
  for (let index = 1; index <= 12; index++) {
    const batch = entriesOf(index, 1, [new Uint8Array(200).fill(index)]);
    batches.push(batch);
    await wal.save({ term: 1, vote: 1, commit: index }, [batch], true);
  }
  await wal.close();
  truth = plain(batches);
  expect(await disk.list('/data/wal')).toEqual(NAMES);
  segments = NAMES.map((name) => disk.contents(`/data/wal/${name}`));
});

const change = fc.record({
  segment: fc.nat(1),
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  kind: fc.constantFrom('flip', 'zero-sector', 'cut', 'length', 'repeat'),
  value: fc.integer({ min: 1, max: 255 }),
});

function mutate(bytes: Uint8Array, at: number, kind: string, value: number): Uint8Array {
  const copy = bytes.slice();
  switch (kind) {
    case 'flip':
      copy[at]! ^= value;
      return copy;
    case 'zero-sector':
      return copy.fill(0, at & -512, (at & -512) + 512);
    case 'cut':
      return copy.subarray(0, at);
    case 'length':
      copy.fill(value, at & -8, (at & -8) + (value % 8) + 1);
      return copy;
    default:
      copy.copyWithin(at, at >> 1, (at >> 1) + value);
      return copy;
  }
}

describe('mutated bytes', () => {
  it('of segments give a true prefix or an error that names the file', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const mutated = segments.map((bytes) => bytes);
        for (const { segment, at, kind, value } of changes) {
          const bytes = mutated[segment]!;
          if (bytes.length > 0) mutated[segment] = mutate(bytes, Math.floor(at * bytes.length), kind, value);
        }
        const disk = new MemoryDisk();
        NAMES.forEach((name, i) => disk.place(`/data/wal/${name}`, mutated[i]!));
        try {
          const { wal, contents } = await openWal(
            walSettings(disk, { segmentBytes: 2048 }),
            { index: 0, term: 0 },
            () => undefined,
          );
          await wal.close();
          const found = plain(contents.batches);
          expect(found).toEqual(truth.slice(0, found.length));
        } catch (error) {
          if (error instanceof CorruptionError) expect(error.message).toMatch(/\.wal at byte \d+: .+/);
          else if (!(error instanceof UnknownSnapshotError)) throw error;
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('of any kind end a segment reader within the file', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (bytes, isLast) => {
        const disk = new MemoryDisk();
        disk.place('/x.wal', bytes);
        const reader = new SegmentReader(
          await disk.open('/x.wal', 'read'),
          bytes.length,
          isLast,
          0,
          crc32cPortable,
          64,
        );
        for (let steps = 0; ; steps++) {
          expect(steps).toBeLessThan(200);
          expect(reader.buffer.length).toBeLessThanOrEqual(bytes.length);
          const result = reader.next();
          if (result === 'more') await reader.fill();
          else if (result !== 'record') break;
        }
        expect(reader.offset).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: RUNS },
    );
  });

  it('of a membership give a membership or an error', () => {
    const text = encodeMembers({
      index: 9,
      members: [{ id: 2n ** 64n - 1n, urls: ['http://a:1', 'http://b:2'], learner: true }],
      removed: [1n, 2n],
    });
    expect(decodeMembers(text).members[0]!.id).toBe(2n ** 64n - 1n);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ maxLength: 4 }), fc.nat(5), (at, insert, drop) => {
        try {
          const members = decodeMembers(text.slice(0, at) + insert + text.slice(at + drop));
          expect(decodeMembers(encodeMembers(members))).toEqual(members);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { numRuns: RUNS },
    );
  });
});
