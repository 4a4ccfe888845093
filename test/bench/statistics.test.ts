import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchSizes, fractionOfLimit, type Limit } from '../../bench/limits.ts';
import { countFor, medians } from '../../bench/measure.ts';
import { histogramIn } from '../../bench/metrics.ts';
import { differenceOf, median, quantileOf, slope, sumOf } from '../../bench/statistics.ts';

const numbers = fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 50 });

describe('statistics', () => {
  it('a median has as many values below it as above it', () => {
    fc.assert(
      fc.property(numbers, (values) => {
        const middle = median(values);
        const below = values.filter((value) => value < middle).length;
        const above = values.filter((value) => value > middle).length;
        expect(Math.abs(below - above)).toBeLessThan(values.length - below - above + 1);
        expect(Math.min(...values)).toBeLessThanOrEqual(middle);
        expect(Math.max(...values)).toBeGreaterThanOrEqual(middle);
      }),
    );
    expect(() => median([])).toThrow(/nothing/);
  });

  it('the slope of points on a line is that of the line', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1000, max: 1000 }),
        fc.integer({ min: -1000, max: 1000 }),
        fc.uniqueArray(fc.integer({ min: 0, max: 10_000 }), { minLength: 2, maxLength: 40 }),
        (a, b, xs) => {
          expect(slope(xs.map((x) => [x, a * x + b] as const))).toBeCloseTo(a, 4);
        },
      ),
    );
    expect(slope([[1, 1]])).toBe(0);
  });

  it('a quantile lies in the bucket that holds it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 4, maxLength: 4 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (counts, fraction) => {
          const bounds = [1, 2, 5];
          const total = counts.reduce((sum, count) => sum + count, 0);
          const found = quantileOf({ bounds, counts }, fraction);
          if (total === 0) {
            expect(found).toBeNull();
            return;
          }
          let sum = 0;
          const bucket = counts.findIndex((count) => {
            sum += count;
            return count > 0 && sum >= total * fraction;
          });
          expect(found).toBeGreaterThanOrEqual(bucket === 0 ? 0 : bounds[bucket - 1]!);
          expect(found).toBeLessThanOrEqual(bounds[Math.min(bucket, bounds.length - 1)]!);
        },
      ),
    );
  });

  it('what was counted between two looks is the later one less the earlier one', () => {
    const earlier = { bounds: [1, 2], counts: [3, 1, 0] };
    const between = { bounds: [1, 2], counts: [0, 4, 2] };
    expect(differenceOf(sumOf(earlier, between), earlier)).toEqual(between);
    expect(() => sumOf(earlier, { bounds: [1], counts: [1, 1] })).toThrow(/bounds/);
  });

  it("reads a histogram of the engine's metrics", () => {
    const name = 'polyraft_event_loop_delay_seconds';
    const text = [
      `# TYPE ${name} histogram`,
      `${name}_bucket{le="0.001",cluster="1",node="2"} 4`,
      `${name}_bucket{le="0.002",cluster="1",node="2"} 7`,
      `${name}_bucket{le="+Inf",cluster="1",node="2"} 8`,
      `${name}_sum{cluster="1",node="2"} 0.5`,
      `${name}_count{cluster="1",node="2"} 8`,
    ].join('\n');
    expect(histogramIn(text, name)).toEqual({ bounds: [0.001, 0.002], counts: [4, 3, 1] });
    expect(histogramIn(text, 'polyraft_other')).toBeNull();
  });
});

describe('measurements', () => {
  it('take the median of each figure, and of those that were told', () => {
    const round = (value: number, syncedBytes: number | null) => ({
      commitsPerSecond: value,
      p50Us: value,
      p90Us: value,
      p99Us: 10 - value,
      maxUs: value,
      processorSecondsPerMillion: value,
      syncedBytes,
    });
    const found = medians([round(1, null), round(5, 512), round(3, 1024), round(9, 4096), round(2, null)]);
    expect(found.commitsPerSecond).toBe(3);
    expect(found.p99Us).toBe(7);
    expect(found.syncedBytes).toBe(1024);
    expect(medians([round(1, null)]).syncedBytes).toBeNull();
  });

  it('never write more than a run may, and always something', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1, max: 1e7, noNaN: true }),
        fc.double({ min: 0.01, max: 10, noNaN: true }),
        fc.integer({ min: 16, max: 1 << 20 }),
        (rate, seconds, bytes) => {
          const count = countFor(rate, seconds, bytes);
          expect(count).toBeGreaterThan(0);
          expect(count * bytes).toBeLessThanOrEqual(256 * 1024 * 1024);
        },
      ),
    );
  });
});

describe("the machine's limits", () => {
  const limit = (kind: Limit['limit'], bytes: number, p50Us: number): Limit => ({
    limit: kind,
    bytes,
    count: 1,
    perSecond: 1e6 / p50Us,
    p50Us,
    p90Us: p50Us,
    p99Us: p50Us,
    maxUs: p50Us,
  });
  const limits = [
    limit('sync', 512, 200),
    limit('sync', 512, 180),
    limit('sync', 262_144, 1000),
    limit('loopback', 512, 20),
  ];
  const measured = { bytes: 512, nodes: 1, window: 1, p50Us: 360, commitsPerSecond: 2_700, syncedBytes: 560 };

  it('are measured at the sizes that occurred, too', () => {
    const sizes = batchSizes([{ syncedBytes: 100_000 }, { syncedBytes: 140_000 }, { syncedBytes: null }]);
    expect(sizes).toContain(131_072);
    expect(sizes).toContain(512);
    expect([...sizes].sort((a, b) => a - b)).toEqual(sizes);
  });

  it('one in flight: the quickest sync of that size, and on three nodes a round trip', () => {
    expect(fractionOfLimit(limits, measured)).toBeCloseTo(0.5);
    expect(fractionOfLimit(limits, { ...measured, nodes: 3 })).toBeCloseTo(200 / 360);
  });

  it('many in flight: the rate of syncs of the batches that occurred', () => {
    const deep = { ...measured, window: 4096, commitsPerSecond: 256_000, syncedBytes: 262_144 };
    expect(fractionOfLimit(limits, deep)).toBeCloseTo(0.5);
    expect(fractionOfLimit(limits, { ...deep, window: null, syncedBytes: null })).toBeCloseTo(0.5);
  });

  it('have no fraction when they were not measured', () => {
    expect(fractionOfLimit([], measured)).toBeNull();
    expect(fractionOfLimit([], { ...measured, window: 256 })).toBeNull();
  });
});
