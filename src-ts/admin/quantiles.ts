/** Quantiles of what a histogram has counted between two looks at it. */
import type { HistogramFacts } from '../server/time-histogram.ts';

export interface Quantiles {
  readonly count: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
}

/** Null when nothing was counted in between. */
export function quantilesBetween(before: HistogramFacts | null, after: HistogramFacts): Quantiles | null {
  const counts = after.counts.map((count, i) => count - (before?.counts[i] ?? 0));
  const count = counts.reduce((sum, each) => sum + each, 0);
  if (count <= 0) return null;
  const at = (share: number): number => round(quantile(counts, after.boundsSeconds, count * share) * 1000);
  return { count, p50_ms: at(0.5), p99_ms: at(0.99) };
}

/** Within a bucket values are taken to be spread evenly; in the last one, which has no end, its begin is told. */
function quantile(counts: readonly number[], bounds: readonly number[], rank: number): number {
  let below = 0;
  for (const [i, count] of counts.entries()) {
    const lower = i === 0 ? 0 : bounds[i - 1]!;
    if (below + count >= rank && count > 0) {
      const upper = bounds[i];
      return upper === undefined ? lower : lower + ((upper - lower) * (rank - below)) / count;
    }
    below += count;
  }
  return bounds[bounds.length - 1] ?? 0;
}

/** To a hundredth: the charts show no more. */
function round(value: number): number {
  return Math.round(value * 100) / 100;
}
