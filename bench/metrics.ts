/** Reads what RAFT_GetMetrics tells. */
import type { Histogram } from './statistics.ts';

/** The histogram of that name, in the metric's unit; null when the text has none. */
export function histogramIn(metrics: string, name: string): Histogram | null {
  const bucket = new RegExp(`^${name}_bucket\\{[^}]*\\ble="([^"]+)"[^}]*\\} (\\S+)`);
  const rows = metrics
    .split('\n')
    .map((line) => bucket.exec(line))
    .filter((match) => match !== null)
    .map(([, bound, count]) => [Number(bound!.replace('+Inf', 'Infinity')), Number(count)] as const)
    .sort(([a], [b]) => a - b);
  if (rows.length === 0) return null;
  return {
    bounds: rows.map(([bound]) => bound).filter((bound) => Number.isFinite(bound)),
    // The text has sums up to each bound.
    counts: rows.map(([, sum], i) => sum - (i === 0 ? 0 : rows[i - 1]![1])),
  };
}

export const LOOP_DELAY = 'polyraft_event_loop_delay_seconds';
