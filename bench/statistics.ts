/** The harness' arithmetic. */

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('a median of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >>> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Change of y for each step of x, by least squares; 0 for fewer than two points. */
export function slope(points: readonly (readonly [number, number])[]): number {
  const count = points.length;
  if (count < 2) return 0;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count;
  let above = 0;
  let below = 0;
  for (const [x, y] of points) {
    above += (x - meanX) * (y - meanY);
    below += (x - meanX) ** 2;
  }
  return below === 0 ? 0 : above / below;
}

/** Counts by upper bounds, the last count without one. */
export interface Histogram {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
}

function combine(a: Histogram, b: Histogram, sign: 1 | -1): Histogram {
  if (a.bounds.join() !== b.bounds.join()) throw new Error('histograms of different bounds');
  return { bounds: a.bounds, counts: a.counts.map((count, i) => count + sign * b.counts[i]!) };
}

export function sumOf(a: Histogram, b: Histogram): Histogram {
  return combine(a, b, 1);
}

/** What was counted between two looks. */
export function differenceOf(later: Histogram, earlier: Histogram): Histogram {
  return combine(later, earlier, -1);
}

/**
 * The value below which that fraction lies, evenly spread within a bucket; the last bound when it lies above all of
 * them; null for an empty histogram.
 */
export function quantileOf({ bounds, counts }: Histogram, fraction: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  const wanted = total * fraction;
  let below = 0;
  for (const [i, count] of counts.entries()) {
    if (i === bounds.length) break;
    if (count > 0 && below + count >= wanted) {
      const from = i === 0 ? 0 : bounds[i - 1]!;
      return from + ((bounds[i]! - from) * (wanted - below)) / count;
    }
    below += count;
  }
  return bounds.at(-1) ?? null;
}
