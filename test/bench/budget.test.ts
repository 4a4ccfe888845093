import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planNext, plannedSeconds, ROUNDS, ROUNDS_CUT, type Budget, type Share } from '../../bench/budget.ts';
import { sessions } from '../../bench/cases.ts';
import { settingsFor } from '../../bench/settings.ts';

const shares = fc.array(
  fc.record({
    weight: fc.integer({ min: 1, max: 8 }),
    subjects: fc.integer({ min: 1, max: 10 }),
    isTarget: fc.boolean(),
  }),
  { minLength: 1, maxLength: 80 },
);

/** Plays a whole run in which each case takes `slowness` times what was planned. */
function play(
  budget: Budget,
  all: readonly Share[],
  slowness: number,
): { seconds: number; rounds: number[] } {
  let left = budget.seconds;
  let pace = 1;
  const rounds: number[] = [];
  for (let i = 0; i < all.length; i++) {
    const plan = planNext(budget, all.slice(i), 1, left, pace);
    rounds.push(plan?.rounds ?? 0);
    if (plan === null) continue;
    left -= slowness * plannedSeconds(plan, all[i]!);
    pace = Math.max(1, pace * 0.7 + slowness * 0.3);
  }
  return { seconds: budget.seconds - left, rounds };
}

describe('the time of a run', () => {
  it('gives each target five rounds, whatever time there is', () => {
    fc.assert(
      fc.property(
        shares,
        fc.double({ min: 0.1, max: 2000, noNaN: true }),
        fc.double({ min: 1, max: 20, noNaN: true }),
        (all, seconds, slowness) => {
          const { rounds } = play({ seconds, secondsPerRunMax: 0.5, secondsPerRunMin: 0.05 }, all, slowness);
          for (const [i, { isTarget }] of all.entries()) {
            if (isTarget) expect(rounds[i]).toBe(ROUNDS);
            else expect([0, ROUNDS_CUT, ROUNDS]).toContain(rounds[i]);
          }
        },
      ),
    );
  });

  it('never plans longer runs than allowed', () => {
    fc.assert(
      fc.property(shares, fc.double({ min: 0.1, max: 1e6, noNaN: true }), (all, seconds) => {
        const plan = planNext({ seconds, secondsPerRunMax: 0.5, secondsPerRunMin: 0.05 }, all, 1, seconds, 1);
        expect(plan!.seconds).toBeLessThanOrEqual(0.5 * all[0]!.weight);
      }),
    );
  });

  it.each([
    ['full', false],
    ['quick', true],
  ])(
    'suffices for the cases of the %s form with eight subjects, also when all takes twice as long',
    (_name, isQuick) => {
      const { budget } = settingsFor(isQuick, 1);
      const all = sessions(isQuick).flatMap(({ cases }) =>
        cases.map(({ weight, isTarget }) => ({ weight, isTarget, subjects: 8 })),
      );
      for (const slowness of [1, 2])
        expect(play(budget, all, slowness).seconds).toBeLessThan(budget.seconds * 1.15);
    },
  );

  it('leaves out what is no target when the time is over, and plans nothing for nothing', () => {
    const budget = { seconds: 1, secondsPerRunMax: 1, secondsPerRunMin: 0.05 };
    expect(planNext(budget, [{ weight: 1, subjects: 1, isTarget: false }], 1, 0, 1)).toBeNull();
    expect(planNext(budget, [{ weight: 1, subjects: 1, isTarget: true }], 1, -5, 1)?.rounds).toBe(ROUNDS);
    expect(() => planNext(budget, [], 1, 1, 1)).toThrow(/nothing/);
  });
});

describe('the cases', () => {
  it('have ids of their own, and begin with those of the targets', () => {
    const all = sessions(false).flatMap(({ cases }) => cases);
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    expect(sessions(false)[0]!.bytes).toBe(512);
    expect(all.filter(({ isTarget }) => isTarget)).toHaveLength(4);
    expect(sessions(true).flatMap(({ cases }) => cases.filter(({ isTarget }) => isTarget))).toHaveLength(4);
  });

  it('cover one and three nodes, four sizes, five windows and two numbers of proposers', () => {
    const all = sessions(false);
    expect(new Set(all.map(({ nodes }) => nodes))).toEqual(new Set([1, 3]));
    expect(new Set(all.map(({ bytes }) => bytes))).toEqual(new Set([128, 512, 4096, 65_536]));
    const cases = all.flatMap((session) => session.cases);
    expect(new Set(cases.map(({ window }) => window))).toEqual(new Set([1, 16, 256, 4096, Infinity]));
    expect(new Set(cases.map(({ proposers }) => proposers))).toEqual(new Set([1, 8]));
  });
});
