/** Native code and JavaScript do the same with runs of entries. Needs a build; skipped without one. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { encodeEntries, proposalsOf, type EntryBatch } from '../../src-ts/core/entry-batch.ts';
import { useEntryRuns, type EntryRuns } from '../../src-ts/core/entry-runs.ts';
import { encodeMessage } from '../../src-ts/core/raftpb/message.ts';
import { DecodeError } from '../../src-ts/core/raftpb/varint.ts';
import { makeMessage, MessageType, type Message } from '../../src-ts/core/types.ts';
import { getUint64 } from '../../src-ts/transport/frame.ts';
import { MsgAppV2Decoder } from '../../src-ts/transport/msgappv2-decoder.ts';
import { AppEntriesFrames, MsgAppV2Encoder } from '../../src-ts/transport/msgappv2-encoder.ts';

const ADDON = join(import.meta.dirname, '../../build/lib/polyraft/polyraft.node');
const present = existsSync(ADDON);
if (!present) console.log('skipped: entry-runs needs npm run build');

const LIMIT = 1024 * 1024;
const payloads = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 40 });
const positions = fc.record({
  index: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 2 ** 40, max: 2 ** 53 - 200 })),
  term: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 2 ** 31, max: 2 ** 53 - 10 })),
});

function append(index: number, term: number, entries: EntryBatch[]): Message {
  return makeMessage({
    type: MessageType.App,
    from: 1,
    to: 2,
    index,
    logTerm: term,
    term,
    commit: 1,
    entries,
  });
}

/** A stream's frames without the HTTP chunks: a whole message, then one that continues it. */
function stream(index: number, term: number, lists: readonly Uint8Array[][]): Buffer {
  const encoder = new MsgAppV2Encoder(new AppEntriesFrames());
  const parts: Uint8Array[] = [];
  encoder.encode(append(index - 1, term, []), parts);
  let next = index;
  for (const list of lists) {
    encoder.encode(append(next - 1, term, [encodeEntries(next, term, proposalsOf(list))]), parts);
    next += list.length;
  }
  return Buffer.concat(parts.map((part) => part.subarray(10, part.length - 2)));
}

/** What was decoded up to the first fault, and that. */
function decoded(bytes: Uint8Array, cuts: readonly number[]): string[] {
  const decoder = new MsgAppV2Decoder(2, 1, LIMIT);
  const messages: Message[] = [];
  let fault = '';
  try {
    let at = 0;
    for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
      decoder.push(bytes, at, cut, messages);
      at = cut;
    }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    fault = error.message;
  }
  return [...messages.map((message) => Buffer.from(encodeMessage(message)).toString('hex')), fault];
}

describe.skipIf(!present)('runs of entries by native code', () => {
  let native: EntryRuns;
  const both = <T>(work: () => T): [T, T] => {
    useEntryRuns(null);
    const ours = work();
    useEntryRuns(native);
    return [ours, work()];
  };

  beforeAll(() => {
    native = createRequire(import.meta.url)(ADDON) as EntryRuns;
  });
  afterEach(() => {
    useEntryRuns(null);
  });

  it('are encoded to the same bytes and places', () => {
    fc.assert(
      fc.property(positions, payloads, ({ index, term }, list) => {
        const [ours, theirs] = both(() => {
          const batch = encodeEntries(index, term, proposalsOf(list));
          const places = list.map((_, i) => [batch.start(i), batch.dataStart(i), batch.end(i)]);
          const from = batch.startByte;
          return {
            bytes: Buffer.from(batch.bytes.subarray(from, batch.end(list.length - 1))).toString('hex'),
            places: places.map((place) => place.map((at) => at - from)),
          };
        });
        expect(theirs).toEqual(ours);
      }),
    );
  });

  it('go into the same frames', () => {
    fc.assert(
      fc.property(
        positions,
        fc.array(payloads, { maxLength: 4 }),
        fc.nat(),
        ({ index, term }, lists, cut) => {
          const [ours, theirs] = both(() => stream(index, term, lists).toString('hex'));
          expect(theirs).toBe(ours);
          const batch = encodeEntries(index, term, proposalsOf(lists.flat()));
          if (batch.count === 0) return;
          const slice = batch.slice(index + (cut % batch.count), index + batch.count);
          const [whole, part] = both(() =>
            Buffer.from(new AppEntriesFrames().get([slice], 7)).toString('hex'),
          );
          expect(part).toBe(whole);
        },
      ),
    );
  });

  it('come out of any frames in any pieces, whole or damaged, the same', () => {
    const damages = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 3 });
    fc.assert(
      fc.property(
        positions,
        fc.array(payloads, { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(), { maxLength: 4 }),
        damages,
        ({ index, term }, lists, cuts, damage) => {
          const bytes = stream(index, term, lists);
          for (const [at, bits] of damage) bytes[at % bytes.length]! ^= bits;
          const [ours, theirs] = both(() =>
            decoded(
              bytes,
              cuts.map((cut) => cut % bytes.length),
            ),
          );
          expect(theirs).toEqual(ours);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('are really taken by it', () => {
    let taken = 0;
    useEntryRuns({
      encodeEntries: (...all) => native.encodeEntries(...all),
      prefixEntries: (...all) => native.prefixEntries(...all),
      takePrefixed: (...all) => {
        const count = native.takePrefixed(...all);
        taken += count;
        return count;
      },
    });
    const list = Array.from({ length: 100 }, (_, i) => Buffer.alloc(i, i));
    const bytes = stream(5, 3, [list]);
    expect(getUint64(bytes, 1)).toBeGreaterThan(0);
    expect(decoded(bytes, []).length).toBe(3);
    expect(taken).toBe(99);
  });
});
