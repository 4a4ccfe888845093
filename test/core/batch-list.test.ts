import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvariantError } from '../../src-ts/core/errors.ts';
import { BatchList } from '../../src-ts/core/log/batch-list.ts';
import { batchOf, limited, plain, type PlainEntry } from './entries.ts';

const action = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ push: fc.array(fc.string({ maxLength: 12 }), { minLength: 1, maxLength: 6 }) }),
  },
  { weight: 1, arbitrary: fc.record({ truncateFrom: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ dropThrough: fc.nat(30) }) },
  { weight: 3, arbitrary: fc.record({ slice: fc.tuple(fc.nat(), fc.nat(), fc.nat(120)) }) },
);

describe('BatchList', () => {
  it('is a list of entries, whatever is pushed, truncated, dropped and sliced', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.array(action, { maxLength: 60 }), (first, actions) => {
        const list = new BatchList(first);
        let model: PlainEntry[] = [];
        let base = first;
        let term = 1;
        for (const step of actions) {
          if ('push' in step) {
            // A new term now and then, so that batches of several terms meet.
            if (step.push.length === 1) term++;
            const batch = batchOf(list.nextIndex, term, step.push);
            list.push(batch);
            model = model.concat(plain([batch]));
          } else if ('truncateFrom' in step) {
            const index = base + step.truncateFrom;
            list.truncateFrom(index);
            model = model.filter((entry) => entry.index < index);
          } else if ('dropThrough' in step) {
            const index = base + step.dropThrough - 1;
            list.dropThrough(index);
            model = model.filter((entry) => entry.index > index);
            base = Math.max(base, model.length > 0 ? index + 1 : list.firstIndex);
          } else {
            const [a, b, maxBytes] = step.slice;
            const lo = base + (a % (model.length + 1));
            const hi = lo + (b % (base + model.length - lo + 1));
            const wanted = model.filter((entry) => entry.index >= lo && entry.index < hi);
            expect(plain(list.slice(lo, hi, maxBytes))).toEqual(limited(wanted, maxBytes));
          }
          expect(list.length).toBe(model.length);
          expect(list.firstIndex).toBe(base);
          expect(plain(list.slice(list.firstIndex, list.nextIndex, Infinity))).toEqual(model);
          for (const entry of model) expect(list.term(entry.index)).toBe(entry.term);
        }
      }),
    );
  });

  it('joins what lies together in memory when it is read', () => {
    const list = new BatchList(1);
    for (let i = 1; i <= 50; i++) list.push(batchOf(i, 1, ['x']));
    // At most two buffers are touched by so little.
    expect(list.slice(1, 51, Infinity).length).toBeLessThanOrEqual(2);
  });

  it('refuses a gap and a slice beyond its ends', () => {
    const list = new BatchList(5);
    list.push(batchOf(5, 1, ['a', 'b']));
    expect(() => list.push(batchOf(8, 1, ['c']))).toThrow(InvariantError);
    expect(() => list.push(batchOf(6, 1, ['c']))).toThrow(InvariantError);
    expect(() => list.slice(4, 6, Infinity)).toThrow(InvariantError);
    expect(() => list.slice(5, 8, Infinity)).toThrow(InvariantError);
  });
});
