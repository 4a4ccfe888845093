import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvariantError, LogError } from '../../src-ts/core/errors.ts';
import { MemoryStorage } from '../../src-ts/core/log/memory-storage.ts';
import { EMPTY_CONF_STATE } from '../../src-ts/core/types.ts';
import { batchOf, limited, plain, type PlainEntry } from './entries.ts';

function codeOf(action: () => unknown): string | null {
  try {
    action();
    return null;
  } catch (error) {
    if (error instanceof LogError) return error.code;
    throw error;
  }
}

const snapshotAt = (index: number, term: number) => ({
  data: new Uint8Array(0),
  metadata: { confState: { ...EMPTY_CONF_STATE, voters: [1, 2] }, index, term },
});

const action = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      /** Entries that are overwritten at the end. */
      back: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(8) }),
      texts: fc.array(fc.string({ maxLength: 10 }), { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ compact: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.record({ install: fc.nat(10) }) },
  { weight: 3, arbitrary: fc.record({ read: fc.tuple(fc.nat(), fc.nat(), fc.nat(100)) }) },
);

describe('MemoryStorage', () => {
  it('agrees with a plain list under appends, conflicts, compaction and snapshots', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 50 }), (actions) => {
        const storage = new MemoryStorage();
        let model: PlainEntry[] = [];
        let before = { index: 0, term: 0 };
        let term = 1;
        for (const step of actions) {
          const last = before.index + model.length;
          if ('texts' in step) {
            if (step.back > 0) term++;
            const first = Math.max(1, last + 1 - step.back);
            const batch = batchOf(first, term, step.texts);
            storage.append([batch]);
            if (batch.lastIndex > before.index) {
              model = model
                .filter((entry) => entry.index < first)
                .concat(plain([batch]).filter((entry) => entry.index > before.index));
            }
          } else if ('compact' in step) {
            const index = before.index + step.compact;
            if (step.compact === 0) {
              expect(codeOf(() => storage.compact(index))).toBe('compacted');
            } else if (index <= last) {
              before = { index, term: model.find((entry) => entry.index === index)!.term };
              storage.compact(index);
              model = model.filter((entry) => entry.index > index);
            } else {
              expect(() => storage.compact(index)).toThrow(InvariantError);
            }
          } else if ('install' in step) {
            const index = last + 1 + step.install;
            storage.applySnapshot(snapshotAt(index, ++term));
            expect(codeOf(() => storage.applySnapshot(snapshotAt(index, term)))).toBe('snapshot-out-of-date');
            before = { index, term };
            model = [];
          } else {
            const [a, b, maxBytes] = step.read;
            const lo = before.index + 1 + (a % (model.length + 1));
            const hi = lo + (b % (before.index + model.length - lo + 2));
            const wanted = model.filter((entry) => entry.index >= lo && entry.index < hi);
            expect(plain(storage.entries(lo, hi, maxBytes))).toEqual(limited(wanted, maxBytes));
          }
          expect(storage.firstIndex()).toBe(before.index + 1);
          expect(storage.lastIndex()).toBe(before.index + model.length);
          expect(storage.term(before.index)).toBe(before.term);
          for (const entry of model) expect(storage.term(entry.index)).toBe(entry.term);
          expect(codeOf(() => storage.term(before.index - 1))).toBe('compacted');
          expect(codeOf(() => storage.term(storage.lastIndex() + 1))).toBe('unavailable');
          expect(codeOf(() => storage.entries(before.index, before.index + 1, 1))).toBe('compacted');
          expect(codeOf(() => storage.entries(before.index + 1, storage.lastIndex() + 2, 1))).toBe(
            'unavailable',
          );
        }
      }),
    );
  });

  it('records a snapshot without dropping the log', () => {
    const storage = new MemoryStorage();
    storage.append([batchOf(1, 1, ['a', 'b']), batchOf(3, 4, ['c'])]);
    const snapshot = storage.createSnapshot(3, { ...EMPTY_CONF_STATE, voters: [7] }, Buffer.from('state'));
    expect(snapshot.metadata).toMatchObject({ index: 3, term: 4 });
    expect(storage.snapshot()).toBe(snapshot);
    expect(storage.initialState().confState.voters).toEqual([7]);
    expect(storage.firstIndex()).toBe(1);
    expect(codeOf(() => storage.createSnapshot(3, null, new Uint8Array(0)))).toBe('snapshot-out-of-date');
    expect(() => storage.createSnapshot(4, null, new Uint8Array(0))).toThrow(InvariantError);
  });

  it('refuses a gap', () => {
    const storage = new MemoryStorage();
    expect(() => storage.append([batchOf(2, 1, ['a'])])).toThrow(InvariantError);
  });
});
