/** How long each run may take, so that the whole benchmark ends in time on any machine. */
import type { Session } from './cases.ts';

export interface Budget {
  readonly rounds: number;
  /** For all sessions together, in seconds. */
  readonly seconds: number;
  readonly secondsPerRunMax: number;
}

/** A probe, a warm-up and the rounds, as parts of a run. */
const WARM_UP_RUNS = 1.5;
/** Starting clusters, electing leaders, ending them. */
const SECONDS_PER_SESSION = 8;
const SECONDS_PER_RUN_MIN = 0.05;

export function weightOf(sessions: readonly Session[]): number {
  return sessions.reduce((sum, { cases }) => sum + cases.reduce((all, { weight }) => all + weight, 0), 0);
}

/** Seconds of a run of weight 1, when the sessions that are left have that much time. */
export function secondsPerWeight(
  { rounds, secondsPerRunMax }: Budget,
  left: readonly Session[],
  subjects: number,
  secondsLeft: number,
): number {
  const runs = weightOf(left) * Math.max(1, subjects) * (rounds + WARM_UP_RUNS);
  const seconds = (secondsLeft - left.length * SECONDS_PER_SESSION) / Math.max(1, runs);
  return Math.min(secondsPerRunMax, Math.max(SECONDS_PER_RUN_MIN, seconds));
}
