/** What a run leaves: one JSON file, from which tables, charts and docs/performance.md are made. */
import { readFileSync } from 'node:fs';
import type { Drift } from './drift.ts';
import type { Limit } from './limits.ts';
import type { Machine } from './machine.ts';
import type { Failure, Measurement } from './measure.ts';
import type { Profile } from './profile/record.ts';
import type { ScenarioFigure } from './scenarios/scenario.ts';
import type { Absence } from './subjects/peers.ts';
import type { Target, Unmeasured } from './targets.ts';

/** Another form of the file is another number. */
export const RESULT_FORMAT = 1;

export interface BenchResult {
  readonly format: typeof RESULT_FORMAT;
  /** Day of the run, as 2026-01-31. */
  readonly day: string;
  /** All of it took so long. */
  readonly seconds: number;
  readonly isQuick: boolean;
  /** 1: nothing was shortened. */
  readonly scale: number;
  readonly machine: Machine;
  readonly limits: readonly Limit[];
  /** By subject; null for one that is not there. */
  readonly versions: Readonly<Record<string, string | null>>;
  readonly measurements: readonly Measurement[];
  readonly scenarios: readonly ScenarioFigure[];
  readonly profile: Profile | null;
  /** What bench/craft says of raft_step, line by line; null where that was not measured. */
  readonly raftStep: readonly string[] | null;
  readonly failures: readonly Failure[];
  readonly absent: readonly Absence[];
  readonly targets: readonly Target[];
  readonly unmeasured: readonly Unmeasured[];
}

export interface DriftResult {
  readonly format: typeof RESULT_FORMAT;
  readonly day: string;
  readonly machine: Machine;
  readonly drifts: readonly Drift[];
  readonly failures: readonly Failure[];
}

function read(path: string, keys: readonly string[]): unknown {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const fields = new Map(typeof value === 'object' && value !== null ? Object.entries(value) : []);
  if (fields.get('format') !== RESULT_FORMAT)
    throw new Error(`${path}: is no result of this benchmark (format ${RESULT_FORMAT}); measure again`);
  const missing = keys.filter((key) => !fields.has(key));
  if (missing.length > 0) throw new Error(`${path}: has no ${missing.join(', ')}; measure again`);
  return value;
}

/** Throws an error that names the file and what is wrong with it. */
export function readResult(path: string): BenchResult {
  return read(path, ['machine', 'limits', 'measurements', 'scenarios', 'failures', 'targets']) as BenchResult;
}

export function readDrift(path: string): DriftResult {
  return read(path, ['machine', 'drifts', 'failures']) as DriftResult;
}
