import type { Machine } from './machine.ts';
import type { Measurement } from './measure.ts';

/** `ratio` is measured divided by wanted, so that more is better; reached from `goal` on. */
export interface Target {
  readonly id: string;
  readonly ratio: number;
  readonly goal: number;
  readonly reached: boolean;
}

const COMMITS_PER_SECOND = 40_000;
const ONE_BY_ONE_P50_US = 1_500;
/** The latency floor holds where the disk is at least this quick. */
const SYNC_P50_US = 500;

function target(id: string, ratio: number, goal = 1): Target {
  return { id, ratio: Math.round(ratio * 1000) / 1000, goal, reached: ratio >= goal };
}

/** The floors of a first version; of each the best runtime counts. */
export function targets(machine: Machine, measurements: readonly Measurement[]): Target[] {
  const of = (id: string): Measurement[] => measurements.filter((measurement) => measurement.case === id);
  const found: Target[] = [];
  const deep = of('3-nodes-deep');
  if (deep.length > 0) {
    const best = Math.max(...deep.map((measurement) => measurement.commitsPerSecond));
    found.push(target('3-nodes-deep-40000-commits-per-second', best / COMMITS_PER_SECOND));
  }
  const single = of('1-node-one-by-one');
  if (single.length > 0 && machine.syncP50Us < SYNC_P50_US) {
    const best = Math.min(...single.map((measurement) => measurement.p50Us));
    found.push(target('1-node-one-by-one-p50-1500-us', ONE_BY_ONE_P50_US / best));
  }
  return found;
}
