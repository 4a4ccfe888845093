// Numbers of proposals that travel with their entries: each ends once, as handed over or as lost, never as another's.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ErrorCode } from '../../src-ts/core/codes.generated.ts';
import { OwnProposals } from '../../src-ts/server/own-proposals.ts';

class Ends {
  readonly all = new Map<number, ErrorCode>();
  readonly own = new OwnProposals((sequence, code) => {
    if (this.all.has(sequence)) throw new Error(`${sequence} ends again`);
    this.all.set(sequence, code);
  });
}

const { LEADERSHIP_LOST, STOPPED } = ErrorCode;

describe('a proposal of this node', () => {
  test('is found at its index and term, and nowhere else', () => {
    const { own } = new Ends();
    own.track(5, 2, Float64Array.of(100, -1, 102));
    expect([3, 4, 5, 6, 7, 8].map((index) => own.sequenceOf(index, 2))).toEqual([-1, -1, 100, -1, 102, -1]);
    expect(own.sequenceOf(5, 3), 'another leader wrote that entry').toBe(-1);
    expect(own.sequenceOf(5, 2), 'asked again').toBe(100);
  });

  test('that is behind what was handed over is forgotten, and does not end', () => {
    const { own, all } = new Ends();
    own.track(1, 1, Float64Array.of(10, 11));
    own.track(3, 1, Float64Array.of(12, 13));
    own.handed(2);
    expect(own.sequenceOf(1, 1)).toBe(-1);
    expect(own.sequenceOf(3, 1)).toBe(12);
    own.handed(4);
    own.endAll(STOPPED);
    expect(all.size).toBe(0);
  });

  test('that is not committed when leadership ends is lost; what is committed stays', () => {
    const { own, all } = new Ends();
    own.track(1, 1, Float64Array.of(10, 11, 12));
    own.track(4, 1, Float64Array.of(13));
    own.leadershipLost(2);
    expect([...all]).toEqual([
      [12, LEADERSHIP_LOST],
      [13, LEADERSHIP_LOST],
    ]);
    expect([1, 2, 3, 4].map((index) => own.sequenceOf(index, 1))).toEqual([10, 11, -1, -1]);
    // The next leader's entries lie where they were, and are not theirs; nor when this node leads again.
    own.track(3, 3, Float64Array.of(20));
    expect(own.sequenceOf(3, 2)).toBe(-1);
    expect(own.sequenceOf(3, 3)).toBe(20);
  });

  test('made when it leads again is found, also where lost ones lay', () => {
    const { own, all } = new Ends();
    own.track(1, 1, Float64Array.of(10, 11, 12, 13));
    own.leadershipLost(1);
    own.track(3, 3, Float64Array.of(20));
    expect(all.size).toBe(3);
    expect([1, 2, 3].map((index) => own.sequenceOf(index, index === 1 ? 1 : 3))).toEqual([10, -1, 20]);
  });

  test('that was handed over ends there, and not here too', () => {
    const { own, all } = new Ends();
    own.track(1, 1, Float64Array.of(10, 11));
    own.handed(1);
    own.endAll(STOPPED);
    expect([...all]).toEqual([[11, STOPPED]]);
  });

  test('that a snapshot overtakes is lost: nobody knows its reply', () => {
    const { own, all } = new Ends();
    own.track(1, 1, Float64Array.of(10, 11));
    own.track(3, 1, Float64Array.of(12));
    own.superseded(2);
    expect([...all]).toEqual([
      [10, LEADERSHIP_LOST],
      [11, LEADERSHIP_LOST],
    ]);
    expect(own.sequenceOf(3, 1)).toBe(12);
  });

  test('ends with the server', () => {
    const { own, all } = new Ends();
    own.track(1, 1, Float64Array.of(10, -1, 12));
    own.endAll(STOPPED);
    expect([...all]).toEqual([
      [10, STOPPED],
      [12, STOPPED],
    ]);
    own.track(1, 2, Float64Array.of(30));
    expect(own.sequenceOf(1, 2)).toBe(30);
  });
});

test('agrees with a plain map, whatever happens', () => {
  const action = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant('track' as const), count: fc.integer({ min: 1, max: 5 }) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('hand' as const),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('lose' as const),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('snapshot' as const), ahead: fc.integer({ min: 1, max: 8 }) }),
    },
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 400 }), (actions) => {
      const { own, all } = new Ends();
      /** Open ones, by index. */
      const model = new Map<number, { readonly sequence: number; readonly term: number }>();
      const lost: number[] = [];
      let [last, handed, term, next] = [0, 0, 1, 1];
      const lose = (matches: (index: number) => boolean): void => {
        for (const [index, { sequence }] of model) {
          if (!matches(index)) continue;
          lost.push(sequence);
          model.delete(index);
        }
      };
      for (const one of actions) {
        if (one.kind === 'track') {
          // Every third has no number.
          const sequences = Float64Array.from({ length: one.count }, () => (++next % 3 === 0 ? -1 : next));
          sequences.forEach((sequence, i) => {
            if (sequence >= 0) model.set(last + 1 + i, { sequence, term });
          });
          own.track(last + 1, term, sequences);
          last += one.count;
        } else if (one.kind === 'hand') {
          const to = handed + Math.floor((last - handed) * one.share);
          for (let index = handed + 1; index <= to; index++) {
            const open = model.get(index);
            expect(own.sequenceOf(index, open?.term ?? term)).toBe(open?.sequence ?? -1);
            model.delete(index);
          }
          own.handed(to);
          handed = to;
        } else if (one.kind === 'lose') {
          const committed = handed + Math.floor((last - handed) * one.share);
          own.leadershipLost(committed);
          lose((index) => index > committed);
          // The log is cut there, and another leader's entry follows.
          last = committed + 1;
          term += 2;
        } else {
          const to = handed + one.ahead;
          own.superseded(to);
          lose((index) => index <= to);
          handed = to;
          last = Math.max(last, to);
        }
      }
      expect([...all.keys()].sort((a, b) => a - b)).toEqual(lost.sort((a, b) => a - b));
      for (let index = handed + 1; index <= last; index++) {
        const open = model.get(index);
        if (open !== undefined) expect(own.sequenceOf(index, open.term)).toBe(open.sequence);
      }
    }),
  );
});
