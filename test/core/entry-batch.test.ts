import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeEntries, EntryType, proposalsOf, singleEntry } from '../../src-ts/core/entry-batch.ts';
import { batchOf, encodedSize, plain } from './entries.ts';

const texts = fc.array(fc.string({ unit: 'grapheme-ascii', maxLength: 300 }), {
  minLength: 1,
  maxLength: 40,
});
const index = fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 2 ** 50 }));
const term = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 50 }));

describe('encodeEntries', () => {
  it('keeps payloads, numbers entries and knows their sizes', () => {
    fc.assert(
      fc.property(index, term, texts, (first, atTerm, payloads) => {
        const batch = batchOf(first, atTerm, payloads);
        const entries = plain([batch]);
        expect(entries).toEqual(payloads.map((text, i) => ({ index: first + i, term: atTerm, text })));
        expect(batch.encodedSize).toBe(entries.reduce((sum, entry) => sum + encodedSize(entry), 0));
        expect(batch.payloadSize).toBe(payloads.reduce((sum, text) => sum + Buffer.byteLength(text), 0));
      }),
    );
  });

  it('writes the bytes of raftpb.Entry', () => {
    const batch = encodeEntries(
      300,
      2,
      proposalsOf([Buffer.from('ab'), new Uint8Array(0)], Uint8Array.of(0, 2)),
    );
    expect(Buffer.from(batch.bytes.subarray(batch.startByte, batch.end(1))).toString('hex')).toBe(
      '0800' + '1002' + '18ac02' + '22026162' + '0802' + '1002' + '18ad02',
    );
    expect(batch.type(0)).toBe(EntryType.Normal);
    expect(batch.type(1)).toBe(EntryType.ConfChangeV2);
    expect(batch.dataSize(1)).toBe(0);
  });

  it('does not let batches that share a buffer touch each other', () => {
    fc.assert(
      fc.property(fc.array(texts, { minLength: 2, maxLength: 20 }), (groups) => {
        let next = 1;
        const made = groups.map((group) => {
          const batch = batchOf(next, 3, group);
          next += group.length;
          return batch;
        });
        made.forEach((batch, i) => {
          expect(plain([batch]).map((entry) => entry.text)).toEqual(groups[i]);
        });
      }),
    );
  });

  it('slices anywhere', () => {
    fc.assert(
      fc.property(texts, fc.nat(), fc.nat(), (payloads, a, b) => {
        const batch = batchOf(10, 1, payloads);
        const lo = 10 + (a % (payloads.length + 1));
        const hi = lo + (b % (10 + payloads.length - lo + 1));
        expect(plain([batch.slice(lo, hi)])).toEqual(plain([batch]).slice(lo - 10, hi - 10));
        expect(() => batch.slice(9, hi)).toThrow(RangeError);
        expect(() => batch.slice(lo, 11 + payloads.length)).toThrow(RangeError);
      }),
    );
  });
});

describe('isContinuedBy', () => {
  it('holds for neighbours in log and memory only', () => {
    const first = batchOf(5, 1, ['a', 'b']);
    const second = batchOf(7, 1, ['c']);
    const otherTerm = batchOf(8, 2, ['d']);
    expect(first.isContinuedBy(second)).toBe(true);
    expect(plain([first.extendedTo(3)])).toEqual(plain([first, second]));
    expect(second.isContinuedBy(otherTerm)).toBe(false);
    expect(first.isContinuedBy(first)).toBe(false);
    expect(second.isContinuedBy(singleEntry(8, 1, Buffer.from('x'), EntryType.ConfChange))).toBe(false);
    const whole = batchOf(1, 1, ['p', 'q', 'r']);
    expect(whole.slice(1, 2).isContinuedBy(whole.slice(2, 4))).toBe(true);
    expect(whole.slice(1, 2).isContinuedBy(whole.slice(3, 4))).toBe(false);
  });
});
