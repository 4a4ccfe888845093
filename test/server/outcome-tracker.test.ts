/** Outcomes by (index, term): against a model that knows every entry. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ErrorCode } from '../../src-ts/core/codes.generated.ts';
import { OutcomeTracker, type CommittedLog } from '../../src-ts/server/outcome-tracker.ts';

/** A log as terms by index, beginning after a compacted part whose last term is known. */
class ModelLog implements CommittedLog {
  leadingTerm = 0;
  committed = 0;
  stableFirst = 1;
  terms: number[] = [0];

  get stableLast(): number {
    return this.terms.length - 1;
  }

  term(index: number): number {
    if (index < this.stableFirst - 1 || index > this.stableLast)
      throw new Error(`term of ${index} is not there`);
    return this.terms[index]!;
  }
}

interface Decision {
  readonly index: number;
  readonly term: number;
  readonly code: ErrorCode;
}

function trackerOf(): { readonly tracker: OutcomeTracker; readonly decisions: Map<number, Decision[]> } {
  const decisions = new Map<number, Decision[]>();
  const add = (sequence: number, decision: Decision): void => {
    decisions.set(sequence, [...(decisions.get(sequence) ?? []), decision]);
  };
  const tracker = new OutcomeTracker({
    local: (sequences, from, count, index, term, code) => {
      for (let i = 0; i < count; i++) add(sequences[from + i]!, { index: index + i, term, code });
    },
    forwarded: (origin, lastSequence, lastIndex, term, code) => {
      add(origin * 1000 + lastSequence, { index: lastIndex, term, code });
    },
  });
  return { tracker, decisions };
}

describe('outcome tracker', () => {
  test('a leader knows its own entries, before they are on its own disk', () => {
    const { tracker, decisions } = trackerOf();
    const log = new ModelLog();
    log.leadingTerm = 2;
    tracker.trackLocal(5, 2, Float64Array.of(10, 11, 12));
    log.committed = 6;
    tracker.settle(log);
    expect([...decisions.keys()]).toEqual([10, 11]);
    expect(decisions.get(11)).toEqual([{ index: 6, term: 2, code: ErrorCode.OK }]);
  });

  test('an entry of another term at a lower index refuses all behind it', () => {
    const { tracker, decisions } = trackerOf();
    const log = new ModelLog();
    tracker.trackLocal(3, 2, Float64Array.of(1, 2, 3));
    log.terms = [0, 1, 1, 2, 4];
    log.committed = 3;
    tracker.settle(log);
    expect(decisions.get(1)![0]!.code).toBe(ErrorCode.OK);
    expect(decisions.size).toBe(1);
    log.committed = 4;
    tracker.settle(log);
    expect(decisions.get(2)![0]!.code).toBe(ErrorCode.REJECTED);
    expect(decisions.get(3)![0]!.code).toBe(ErrorCode.REJECTED);
    expect(tracker.size).toBe(0);
  });

  test('what a snapshot covers is unknown, unless the term behind it decides', () => {
    const { tracker, decisions } = trackerOf();
    const log = new ModelLog();
    tracker.trackLocal(3, 2, Float64Array.of(1, 2, 3));
    log.terms = [0, 0, 0, 0, 5, 5];
    log.stableFirst = 5;
    log.committed = 5;
    tracker.settle(log);
    expect([1, 2, 3].map((sequence) => decisions.get(sequence)![0]!.code)).toEqual([
      ErrorCode.UNKNOWN_OUTCOME,
      ErrorCode.UNKNOWN_OUTCOME,
      ErrorCode.REJECTED,
    ]);
  });

  test('forwarded runs are answered with the last of each', () => {
    const { tracker, decisions } = trackerOf();
    const log = new ModelLog();
    log.leadingTerm = 1;
    tracker.trackForwarded(1, 1, 10, 7, 100);
    log.committed = 4;
    tracker.settle(log);
    log.committed = 10;
    tracker.settle(log);
    expect([...decisions]).toEqual([
      [7103, [{ index: 4, term: 1, code: ErrorCode.OK }]],
      [7109, [{ index: 10, term: 1, code: ErrorCode.OK }]],
    ]);
  });

  test('undecided ranges of a lost leadership expire, others do not', () => {
    const { tracker, decisions } = trackerOf();
    tracker.trackLocal(1, 1, Float64Array.of(1));
    tracker.trackLocal(2, 3, Float64Array.of(2));
    tracker.expire(3, 1000, 50);
    tracker.expire(3, 1049, 50);
    expect(decisions.size).toBe(0);
    tracker.expire(3, 1050, 50);
    expect(decisions.get(1)).toEqual([{ index: 1, term: 1, code: ErrorCode.UNKNOWN_OUTCOME }]);
    expect(decisions.has(2)).toBe(false);
  });

  test('never says OK or REJECTED wrongly, and decides everything, whatever leaders do', () => {
    // A history of the committed log: terms never fall; the node led in some of them and appended more than survived.
    const step = fc.record({
      survives: fc.nat(5),
      lost: fc.nat(4),
      leads: fc.boolean(),
      compacts: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        const { tracker, decisions } = trackerOf();
        const log = new ModelLog();
        const truth = new Map<number, boolean>();
        let sequence = 0;
        steps.forEach(({ survives, lost, leads, compacts }, i) => {
          const term = i + 1;
          const first = log.terms.length;
          log.leadingTerm = leads ? term : 0;
          if (leads && survives + lost > 0) {
            const sequences = Float64Array.from({ length: survives + lost }, (_, k) => sequence + k);
            tracker.trackLocal(first, term, sequences);
            for (let k = 0; k < survives + lost; k++) truth.set(sequence + k, k < survives);
            sequence += survives + lost;
          }
          for (let k = 0; k < survives; k++) log.terms.push(term);
          // Commit in two parts, looked at in between.
          log.committed = Math.max(log.committed, first + Math.floor(survives / 2) - 1);
          tracker.settle(log);
          log.committed = log.terms.length - 1;
          if (compacts === 0) log.stableFirst = log.committed + 1;
          log.leadingTerm = 0;
          tracker.settle(log);
        });
        log.terms.push(steps.length + 1);
        log.committed = log.terms.length - 1;
        tracker.settle(log);
        expect(tracker.size).toBe(0);
        for (const [number, committed] of truth) {
          expect(decisions.get(number)).toHaveLength(1);
          const [{ index, term, code }] = decisions.get(number)! as [Decision];
          if (code === ErrorCode.OK) expect([committed, log.terms[index]]).toEqual([true, term]);
          else if (code === ErrorCode.REJECTED) expect(committed).toBe(false);
          else expect(code).toBe(ErrorCode.UNKNOWN_OUTCOME);
        }
      }),
      { numRuns: 500 },
    );
  });
});
