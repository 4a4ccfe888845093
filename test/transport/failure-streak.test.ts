import { expect, it } from 'vitest';
import { FailureStreak } from '../../src-ts/transport/failure-streak.ts';

it('the first failure is news, a new reason is, and one of the same in a long while', () => {
  const streak = new FailureStreak();
  const news = (reason: string, times: number): number => {
    let count = 0;
    for (let i = 0; i < times; i++) if (streak.isNews(reason)) count++;
    return count;
  };
  expect(news('refused', 1)).toBe(1);
  expect(news('refused', 900)).toBe(0);
  expect(news('timed out', 1)).toBe(1);
  expect(news('timed out', 50)).toBe(0);
  expect(news('timed out', 1_000)).toBe(1);
  streak.end();
  expect(news('timed out', 1)).toBe(1);
});
