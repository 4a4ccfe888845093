import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changeConfiguration } from '../../src-ts/core/confchange/apply-change.ts';
import { ConfChangeError, restoreConfiguration, type Changed } from '../../src-ts/core/confchange/changer.ts';
import { EMPTY_CONFIGURATION, isJoint, toConfState } from '../../src-ts/core/tracker/configuration.ts';
import { ProgressTracker } from '../../src-ts/core/tracker/tracker.ts';
import type { ConfChangeTransition, ConfChangeType, ConfChangeV2 } from '../../src-ts/core/types.ts';

const single = fc.record({
  type: fc.constantFrom<ConfChangeType>(0, 0, 1, 2, 3),
  nodeId: fc.integer({ min: 0, max: 7 }),
});
const change: fc.Arbitrary<ConfChangeV2> = fc.record({
  transition: fc.constantFrom<ConfChangeTransition>(0, 0, 1, 2),
  changes: fc.array(single, { maxLength: 4 }),
  context: fc.constant(null),
});

const EMPTY: Changed = { configuration: EMPTY_CONFIGURATION, progress: new Map() };

describe('membership changes', () => {
  it('lead from one sound configuration to the next, move one voter at a time unless joint, and restore', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const tracker = new ProgressTracker(8, 0);
        let now = changeConfiguration(
          tracker,
          1,
          { transition: 0, changes: [{ type: 0, nodeId: 1 }], context: null },
          EMPTY,
        );
        for (const next of changes) {
          const before = JSON.stringify(toConfState(now.configuration));
          let after: Changed;
          try {
            after = changeConfiguration(tracker, 1, next, now);
          } catch (error) {
            expect(error).toBeInstanceOf(ConfChangeError);
            expect(JSON.stringify(toConfState(now.configuration))).toBe(before);
            continue;
          }
          const { incoming, outgoing, learners, learnersNext } = after.configuration;
          expect(incoming.size).toBeGreaterThan(0);
          for (const id of learners) expect(incoming.has(id) || outgoing.has(id)).toBe(false);
          for (const id of learnersNext) expect(outgoing.has(id)).toBe(true);
          if (!isJoint(now.configuration) && !isJoint(after.configuration)) {
            const moved = [...incoming, ...now.configuration.incoming].filter(
              (id) => incoming.has(id) !== now.configuration.incoming.has(id),
            );
            expect(moved.length).toBeLessThanOrEqual(1);
          }
          // Entering keeps the old voters as one of the two halves.
          if (isJoint(after.configuration) && !isJoint(now.configuration)) {
            expect([...outgoing].sort()).toEqual([...now.configuration.incoming].sort());
          }
          const members = new Set([...incoming, ...outgoing, ...learners, ...learnersNext]);
          expect(new Set(after.progress.keys())).toEqual(members);
          const confState = toConfState(after.configuration);
          const restored = restoreConfiguration(tracker, 1, confState);
          expect(toConfState(restored.configuration)).toEqual(confState);
          now = after;
        }
      }),
    );
  });
});
