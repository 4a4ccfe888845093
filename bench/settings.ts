/** How much a run measures: the full form ends within 25 minutes on two processors, the quick one within 4. */
import type { Budget } from './budget.ts';
import type { ScenarioSize } from './scenarios/scenario.ts';

export interface Settings {
  readonly budget: Budget;
  readonly scenarios: ScenarioSize;
  readonly profileSeconds: number;
  readonly limitSeconds: number;
  readonly syncs: number;
  readonly driftSeconds: number;
}

const MIB = 1024 * 1024;

const FULL: Settings = {
  budget: { seconds: 760, secondsPerRunMax: 0.5, secondsPerRunMin: 0.05 },
  scenarios: {
    rounds: 5,
    roundsMin: 5,
    secondsWished: 60,
    secondsMax: 120,
    secondsAll: 600,
    snapshotBytes: 256 * MIB,
    walBytes: 1024 * MIB,
    entriesBehind: 500_000,
    reads: 20_000,
    loadSeconds: 4,
  },
  profileSeconds: 5,
  limitSeconds: 1,
  syncs: 1_000,
  driftSeconds: 1_800,
};

/** Five rounds of what numbered targets compare here, too; of large things one. */
const QUICK: Settings = {
  budget: { seconds: 70, secondsPerRunMax: 0.3, secondsPerRunMin: 0.025 },
  scenarios: {
    rounds: 5,
    roundsMin: 1,
    secondsWished: 3,
    secondsMax: 30,
    secondsAll: 115,
    snapshotBytes: 32 * MIB,
    walBytes: 128 * MIB,
    entriesBehind: 50_000,
    reads: 3_000,
    loadSeconds: 0.5,
  },
  profileSeconds: 1,
  limitSeconds: 0.2,
  syncs: 300,
  driftSeconds: 60,
};

/** `scale`, above 0 and at most 1, shortens everything in proportion; deadlines stay as they are. */
export function settingsFor(isQuick: boolean, scale: number): Settings {
  const { budget, scenarios, ...rest } = isQuick ? QUICK : FULL;
  const bytes = (full: number): number => Math.max(MIB, Math.round(full * scale));
  const count = (full: number): number => Math.max(100, Math.round(full * scale));
  return {
    budget: {
      seconds: budget.seconds * scale,
      secondsPerRunMax: budget.secondsPerRunMax * scale,
      secondsPerRunMin: budget.secondsPerRunMin * scale,
    },
    scenarios: {
      ...scenarios,
      snapshotBytes: bytes(scenarios.snapshotBytes),
      walBytes: bytes(scenarios.walBytes),
      entriesBehind: count(scenarios.entriesBehind),
      reads: count(scenarios.reads),
      loadSeconds: scenarios.loadSeconds * scale,
    },
    profileSeconds: rest.profileSeconds * scale,
    limitSeconds: Math.max(0.05, rest.limitSeconds * scale),
    syncs: count(rest.syncs),
    driftSeconds: rest.driftSeconds * scale,
  };
}
