/** What the machine does by itself, measured in the same run: the figures that no subject can pass. */
import { run } from '../scripts/tools/line-process.ts';
import { withDeadline } from './deadline.ts';
import type { Measurement } from './measure.ts';

export interface Limit {
  readonly limit: 'sync' | 'loopback' | 'wake' | 'memcpy';
  /** How writes are made durable. */
  readonly method?: string;
  readonly bytes?: number;
  readonly count: number;
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

/** From an entry of the smallest case to a batch that keeps the disk busy by its size. */
const BATCH_BYTES = [128, 512, 4096, 65_536, 262_144];
const FULL_BATCH_BYTES = 262_144;
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** So many sizes that occurred are measured beside those above. */
const SIZES_MAX = 4;
const TIMEOUT_MS = 180_000;

/** The sizes to measure: those above, and the commonest powers of two among the batches that occurred. */
export function batchSizes(measurements: readonly Pick<Measurement, 'syncedBytes'>[]): number[] {
  const counts = new Map<number, number>();
  for (const { syncedBytes } of measurements) {
    if (syncedBytes === null) continue;
    const size = Math.min(BATCH_BYTES_MAX, 2 ** Math.round(Math.log2(syncedBytes)));
    if (!BATCH_BYTES.includes(size)) counts.set(size, (counts.get(size) ?? 0) + 1);
  }
  const occurred = [...counts].sort(([, a], [, b]) => b - a).slice(0, SIZES_MAX);
  return [...BATCH_BYTES, ...occurred.map(([size]) => size)].sort((a, b) => a - b);
}

/** bench/limits, on the directory that the logs will be in. */
export async function measureLimits(
  program: string,
  directory: string,
  secondsEach: number,
  sizes: readonly number[],
): Promise<Limit[]> {
  const measuring = run(program, [directory, String(secondsEach), ...sizes.map(String)]);
  const result = await withDeadline(measuring, TIMEOUT_MS, program, () => undefined);
  if (!result.isSuccess) throw new Error(`${program}: ${result.errors}`);
  return result.output.split('\n').map((line) => JSON.parse(line) as Limit);
}

/** Sizes are near when their ratio is; of two methods the quicker one. */
function nearest(limits: readonly Limit[], kind: Limit['limit'], bytes: number): Limit | undefined {
  const distance = (limit: Limit): number => Math.abs(Math.log(limit.bytes! / bytes));
  return limits
    .filter(({ limit }) => limit === kind)
    .sort((a, b) => distance(a) - distance(b) || a.p50Us - b.p50Us)[0];
}

/**
 * How near a result is to the machine's own limit, 1 being there. One open proposal: a sync of one entry, on three nodes
 * also a round trip to a follower, divided by the median latency. More: the rate, divided by that of one log whose
 * batches, of the size that occurred, are synced one after the other (without a size told: what fits the window).
 * Null when the limits were not measured.
 */
export function fractionOfLimit(
  limits: readonly Limit[],
  {
    window,
    bytes,
    nodes,
    p50Us,
    commitsPerSecond,
    syncedBytes,
  }: Pick<Measurement, 'window' | 'bytes' | 'nodes' | 'p50Us' | 'commitsPerSecond' | 'syncedBytes'>,
): number | null {
  if (window === 1) {
    const sync = nearest(limits, 'sync', bytes);
    const trip = nearest(limits, 'loopback', bytes);
    if (sync === undefined || trip === undefined) return null;
    return (sync.p50Us + (nodes === 1 ? 0 : trip.p50Us)) / p50Us;
  }
  const fitting = Math.min(FULL_BATCH_BYTES, (window ?? Infinity) * bytes);
  const batch = Math.max(bytes, syncedBytes ?? fitting);
  const sync = nearest(limits, 'sync', batch);
  return sync === undefined ? null : commitsPerSecond / ((sync.perSecond * batch) / bytes);
}
