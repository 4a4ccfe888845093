/** How long each run may take, so that the whole benchmark ends in time on any machine. */

export interface Budget {
  /** For all cases together, in seconds. */
  readonly seconds: number;
  readonly secondsPerRunMax: number;
  /** Of a run of weight 1, also when the time is over. */
  readonly secondsPerRunMin: number;
}

/** One case that is still to be measured, as far as time is concerned. */
export interface Share {
  /** Parts of the time: a run of it has as many as its weight. */
  readonly weight: number;
  readonly subjects: number;
  /** A numbered target compares it: its rounds are not cut. */
  readonly isTarget: boolean;
}

export interface Plan {
  readonly rounds: number;
  /** Of one run. */
  readonly seconds: number;
}

export const ROUNDS = 5;
/** Where five rounds would leave too little for each. */
export const ROUNDS_CUT = 3;
/** A probe and a warm-up, as parts of a run. */
const WARM_UP_RUNS = 1.5;
/** Starting clusters, electing leaders, ending them. */
const SECONDS_PER_SESSION = 8;
/** A shorter run says little: rather fewer of them. */
const SECONDS_WISHED = 0.15;

function runs(shares: readonly Share[], rounds: number): number {
  return shares.reduce(
    (sum, { weight, subjects, isTarget }) =>
      sum + weight * subjects * ((isTarget ? ROUNDS : rounds) + WARM_UP_RUNS),
    0,
  );
}

/**
 * For the first of the shares that are left: its rounds, and the seconds of a run. `pace` is how much longer than
 * planned the cases until now have taken. Null when there is no time at all left and the case is none of a target.
 */
export function planNext(
  { secondsPerRunMin, secondsPerRunMax }: Budget,
  left: readonly Share[],
  sessionsLeft: number,
  secondsLeft: number,
  pace: number,
): Plan | null {
  const first = left[0];
  if (first === undefined) throw new Error('a plan for nothing');
  if (secondsLeft <= 0 && !first.isTarget) return null;
  const seconds = Math.max(0, secondsLeft - sessionsLeft * SECONDS_PER_SESSION) / Math.max(1, pace);
  const perWeight = (rounds: number): number => seconds / Math.max(1, runs(left, rounds));
  const rounds = perWeight(ROUNDS) >= SECONDS_WISHED ? ROUNDS : ROUNDS_CUT;
  const one = Math.min(secondsPerRunMax, Math.max(secondsPerRunMin, perWeight(rounds)));
  return { rounds: first.isTarget ? ROUNDS : rounds, seconds: one * first.weight };
}

/** What a case takes when all goes as planned, in seconds. */
export function plannedSeconds({ rounds, seconds }: Plan, { subjects }: Share): number {
  return seconds * subjects * (rounds + WARM_UP_RUNS);
}
