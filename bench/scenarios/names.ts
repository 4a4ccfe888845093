/** In the order in which they are measured. */
export const SCENARIO_NAMES = [
  'idle',
  'full-load',
  'read-index',
  'snapshot-install',
  'restart',
  'catch-up',
] as const;

export type ScenarioName = (typeof SCENARIO_NAMES)[number];
