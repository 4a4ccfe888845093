// The apply ring: entries, large entries, snapshots and requests reach the host in the order in which they were given.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ApplyWriter } from '../../src-ts/bridge/apply-writer.ts';
import { RecordType } from '../../src-ts/bridge/protocol.generated.ts';
import { RingWriter } from '../../src-ts/bridge/ring-writer.ts';
import { encodeEntries, EntryType, proposalsOf, type EntryBatch } from '../../src-ts/core/entry-batch.ts';
import {
  type FakeBinding,
  HostConsumer,
  newRegion,
  pattern,
  patternText,
  textOf,
  turn,
  until,
} from './fake-host.ts';

const AT = 4096;
const SIZE = 4096;
const TERM = 3;

type Applied =
  | { readonly kind: 'entry'; readonly index: number; readonly data: string | null }
  | { readonly kind: 'restore'; readonly index: number; readonly data: string }
  | { readonly kind: 'request'; readonly id: number };

/** Host's apply thread: records in pieces of what they mean. */
function decode(host: HostConsumer): Applied[] {
  const applied: Applied[] = [];
  for (const record of host.readAll()) {
    const view = new DataView(record.payload.buffer);
    const index = record.payload.length >= 8 ? Number(view.getBigUint64(0, true)) : 0;
    if (record.type === RecordType.COMMIT_BATCH) {
      expect(Number(view.getBigUint64(8, true))).toBe(TERM);
      const count = view.getUint32(16, true);
      let at = 24;
      for (let i = 0; i < count; i++) {
        const size = view.getUint32(at, true);
        const kind = view.getUint32(at + 4, true);
        const data = kind === 1 ? null : textOf(record.payload.subarray(at + 8, at + 8 + size));
        applied.push({ kind: 'entry', index: index + i, data });
        at += 8 + Math.ceil(size / 8) * 8;
      }
      expect(at).toBe(record.payload.length);
    } else if (record.type === RecordType.COMMIT_LARGE) {
      applied.push({ kind: 'entry', index, data: textOf(record.payload.subarray(16)) });
    } else if (record.type === RecordType.RESTORE_SNAPSHOT) {
      applied.push({ kind: 'restore', index, data: textOf(record.payload.subarray(16)) });
    } else {
      expect(record.type).toBe(RecordType.TAKE_SNAPSHOT);
      applied.push({ kind: 'request', id: record.id });
    }
  }
  return applied;
}

function batchOf(firstIndex: number, sizes: readonly number[], types: Uint8Array | null = null): EntryBatch {
  const payloads = sizes.map((size, i) => pattern(size, firstIndex + i));
  return encodeEntries(firstIndex, TERM, proposalsOf(payloads, types));
}

function expectedOf(firstIndex: number, sizes: readonly number[]): Applied[] {
  return sizes.map((size, i) => ({
    kind: 'entry',
    index: firstIndex + i,
    data: size === 0 ? null : patternText(size, firstIndex + i),
  }));
}

function parts(): { binding: FakeBinding; writer: ApplyWriter; host: HostConsumer } {
  const { binding, region } = newRegion();
  const writer = new ApplyWriter(region, new RingWriter(region, AT, SIZE), () => undefined);
  return { binding, writer, host: new HostConsumer(binding, AT, SIZE) };
}

describe('entries', () => {
  it('arrive once, in order and whole, whatever their sizes and however slowly the host reads', () => {
    const size = fc.oneof(fc.integer({ min: 0, max: 64 }), fc.integer({ min: 0, max: 6000 }));
    const sizes = fc.array(fc.array(size, { minLength: 1, maxLength: 30 }), { maxLength: 12 });
    fc.assert(
      fc.property(sizes, fc.infiniteStream(fc.boolean()), (batches, reads) => {
        const { writer, host } = parts();
        const got: Applied[] = [];
        const expected: Applied[] = [];
        let next = 1;
        for (const each of batches) {
          expected.push(...expectedOf(next, each));
          const batch = batchOf(next, each);
          next += each.length;
          let given = 0;
          for (let round = 0; given < batch.count; round++) {
            expect(round).toBeLessThan(1000);
            given += writer.apply(batch.slice(batch.firstIndex + given, batch.lastIndex + 1));
            if (given < batch.count) {
              got.push(...decode(host));
              for (let i = 0; !writer.poll() && i < 10; i++) got.push(...decode(host));
            } else if (reads.next().value === true) {
              got.push(...decode(host));
            }
          }
        }
        for (let i = 0; i < 100; i++) {
          writer.poll();
          got.push(...decode(host));
        }
        expect(got).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });

  it('that are not Normal, or empty, are counted but not shown', () => {
    const { writer, host } = parts();
    const types = Uint8Array.of(
      EntryType.Normal,
      EntryType.ConfChange,
      EntryType.Normal,
      EntryType.ConfChangeV2,
    );
    expect(writer.apply(batchOf(5, [3, 4, 0, 9], types))).toBe(4);
    expect(decode(host)).toEqual([
      { kind: 'entry', index: 5, data: patternText(3, 5) },
      { kind: 'entry', index: 6, data: null },
      { kind: 'entry', index: 7, data: null },
      { kind: 'entry', index: 8, data: null },
    ]);
  });

  it('go many to a record', () => {
    const { writer, host } = parts();
    expect(writer.apply(batchOf(1, new Array<number>(20).fill(8)))).toBe(20);
    expect(host.readRecord()).toMatchObject({ type: RecordType.COMMIT_BATCH });
    expect(host.readRecord()).toBeNull();
  });

  it('are asked for again once there is room, and not before', () => {
    const { binding, writer, host } = parts();
    const batch = batchOf(1, new Array<number>(10).fill(900));
    const taken = writer.apply(batch);
    expect(taken).toBe(4);
    // A host that blocks costs no turn: nothing to do, and its doorbell is asked for.
    for (let i = 0; i < 5; i++) expect(writer.poll()).toBe(false);
    let rings = 0;
    binding.ring = (): void => void rings++;
    host.readRecord();
    expect(rings).toBe(1);
    expect(writer.poll()).toBe(true);
    expect(writer.poll()).toBe(false);
    expect(writer.apply(batch.slice(5, 11))).toBe(1);
  });
});

describe('a snapshot', () => {
  async function chunksOf(data: Uint8Array, pieces: readonly number[], send: (bytes: Uint8Array) => unknown) {
    let at = 0;
    for (let i = 0; at < data.length; i++) {
      const size = Math.max(1, pieces[i % pieces.length]!);
      await send(data.subarray(at, at + size));
      at += size;
    }
  }

  it('streams in order with entries and requests, with room for whoever comes next', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 20_000 }),
        fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 5 }),
        async (dataBytes, pieces) => {
          const { writer, host } = parts();
          const data = pattern(dataBytes, 77);
          const got: Applied[] = [];
          expect(writer.apply(batchOf(1, [100, 3000]))).toBe(2);
          let isDone = false;
          let asked = false;
          const before = writer.request(RecordType.TAKE_SNAPSHOT, 1, new Uint8Array(8));
          const restore = writer
            .restore(9, TERM, dataBytes, (send) => chunksOf(data, pieces, send))
            .finally(() => (isDone = true));
          const after = writer.request(RecordType.TAKE_SNAPSHOT, 2, new Uint8Array(8));
          // Behind it, entries wait, unless all of it found room at once.
          const early = writer.apply(batchOf(10, [5]));
          while (!isDone) {
            got.push(...decode(host));
            asked = writer.poll() || asked;
            await turn();
          }
          const again = (): boolean => {
            got.push(...decode(host));
            return (asked = writer.poll() || asked);
          };
          if (early === 0) await until(again, 'entries are asked for again');
          await Promise.all([before, restore, after]);
          if (early === 0) expect(writer.apply(batchOf(10, [5]))).toBe(1);
          got.push(...decode(host));
          expect(got).toEqual([
            ...expectedOf(1, [100, 3000]),
            { kind: 'request', id: 1 },
            { kind: 'restore', index: 9, data: textOf(data) },
            { kind: 'request', id: 2 },
            ...expectedOf(10, [5]),
          ]);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('holds the disk back while the host does not read', async () => {
    const { writer, host } = parts();
    let sent = 0;
    const restore = writer.restore(9, TERM, 100_000, async (send) => {
      for (let i = 0; i < 100; i++) {
        await send(pattern(1000, i));
        sent++;
      }
    });
    for (let i = 0; i < 50; i++) {
      writer.poll();
      await turn();
    }
    expect(sent).toBeLessThanOrEqual(4);
    let bytes = 0;
    await until(() => {
      writer.poll();
      for (let record = host.readRecord(); record !== null; record = host.readRecord())
        bytes += record.payload.length;
      return sent === 100 && bytes === 100_016;
    }, 'all of it');
    await restore;
  });

  it('that breaks off is forgotten, and what follows still comes', async () => {
    const { writer, host } = parts();
    const restore = writer.restore(9, TERM, 2000, async (send) => {
      await send(pattern(900, 1));
      throw new Error('the file is broken');
    });
    await expect(restore).rejects.toThrow('the file is broken');
    expect(writer.apply(batchOf(1, [5]))).toBe(1);
    expect(decode(host)).toEqual(expectedOf(1, [5]));
  });

  it.each([1999, 2001])('of 2000 bytes that has %i is refused', async (bytes) => {
    const { writer } = parts();
    const restore = writer.restore(9, TERM, 2000, async (send) => {
      for (let at = 0; at < bytes; at += 500) await send(pattern(Math.min(500, bytes - at), 1));
    });
    await expect(restore).rejects.toThrow('does not have the 2000 bytes');
  });
});

describe('the end of a server', () => {
  it('ends everything that waits for the host, and takes nothing any more', async () => {
    const { writer } = parts();
    const batch = batchOf(1, new Array<number>(5).fill(900));
    expect(writer.apply(batch)).toBe(4);
    const request = writer.request(RecordType.TAKE_SNAPSHOT, 1, new Uint8Array(900));
    const restore = writer.restore(9, TERM, 2000, (send) => Promise.resolve(send(pattern(2000, 1))));
    const stopped = new Error('stopped');
    writer.close(stopped);
    await expect(request).rejects.toBe(stopped);
    await expect(restore).rejects.toBe(stopped);
    expect(writer.poll()).toBe(false);
    expect(writer.apply(batch)).toBe(0);
    await expect(writer.request(RecordType.TAKE_SNAPSHOT, 1, new Uint8Array(8))).rejects.toBe(stopped);
    await expect(writer.restore(9, TERM, 0, () => Promise.resolve())).rejects.toBe(stopped);
  });
});
