import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jointCommittedIndex, jointVoteResult } from '../../src-ts/core/quorum/joint.ts';
import { majorityCommittedIndex, majorityVoteResult } from '../../src-ts/core/quorum/majority.ts';

const ids = fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 9 });
const acked = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 12 }), fc.nat(6)), { maxLength: 12 })
  .map((pairs) => new Map(pairs));
const votes = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 12 }), fc.boolean()), { maxLength: 12 })
  .map((pairs) => new Map(pairs));

/** By the definition: the largest index that more than half have reached. */
function committedByCounting(voters: readonly number[], indexes: ReadonlyMap<number, number>): number {
  if (voters.length === 0) return Infinity;
  let best = 0;
  for (let index = 1; index <= 6; index++) {
    const have = [...voters].filter((id) => (indexes.get(id) ?? 0) >= index).length;
    if (have * 2 > voters.length) best = index;
  }
  return best;
}

/** All ways in which the missing votes could still fall. */
function outcomes(voters: readonly number[], given: ReadonlyMap<number, boolean>): Set<boolean> {
  const missing = [...voters].filter((id) => !given.has(id));
  const found = new Set<boolean>();
  for (let mask = 0; mask < 2 ** missing.length; mask++) {
    const yes = [...voters].filter((id) => given.get(id) ?? ((mask >> missing.indexOf(id)) & 1) === 1).length;
    found.add(voters.length === 0 || yes * 2 > voters.length);
  }
  return found;
}

describe('a majority', () => {
  it('commits what more than half have', () => {
    fc.assert(
      fc.property(ids, acked, (voters, indexes) => {
        expect(majorityCommittedIndex(voters, (id) => indexes.get(id))).toBe(
          committedByCounting(voters, indexes),
        );
      }),
    );
  });

  it('decides a vote as soon as nothing can change it', () => {
    fc.assert(
      fc.property(ids, votes, (voters, given) => {
        const possible = outcomes(voters, given);
        const expected = possible.size === 2 ? 'pending' : possible.has(true) ? 'won' : 'lost';
        expect(majorityVoteResult(voters, given)).toBe(expected);
      }),
    );
  });
});

describe('a joint majority', () => {
  it('needs both halves', () => {
    fc.assert(
      fc.property(ids, ids, acked, votes, (incoming, outgoing, indexes, given) => {
        const voters = { incoming, outgoing };
        expect(jointCommittedIndex(voters, (id) => indexes.get(id))).toBe(
          Math.min(committedByCounting(incoming, indexes), committedByCounting(outgoing, indexes)),
        );
        const results = [majorityVoteResult(incoming, given), majorityVoteResult(outgoing, given)];
        const expected = results.includes('lost') ? 'lost' : results.includes('pending') ? 'pending' : 'won';
        expect(jointVoteResult(voters, given)).toBe(expected);
      }),
    );
  });
});
