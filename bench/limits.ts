/** What the machine does by itself, measured in the same run: the figures that no subject can pass. */
import { run } from '../scripts/tools/line-process.ts';
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

/** From one entry of the smallest case to a batch that keeps the disk busy by its size. */
const BATCH_BYTES = [512, 4096, 65_536, 262_144];
const FULL_BATCH_BYTES = 262_144;

/** bench/limits, on the directory that the logs will be in. */
export async function measureLimits(
  program: string,
  directory: string,
  secondsEach: number,
): Promise<Limit[]> {
  const result = await run(program, [directory, String(secondsEach), ...BATCH_BYTES.map(String)]);
  if (!result.isSuccess) throw new Error(`${program}: ${result.errors}`);
  return result.output.split('\n').map((line) => JSON.parse(line) as Limit);
}

function nearest(limits: readonly Limit[], kind: Limit['limit'], bytes: number): Limit {
  const found = limits
    .filter(({ limit }) => limit === kind)
    .sort((a, b) => Math.abs(a.bytes! - bytes) - Math.abs(b.bytes! - bytes) || a.p50Us - b.p50Us);
  return found[0]!;
}

/**
 * How near a result is to the machine's own limit, 1 being there. One open proposal: a sync of one entry, on three nodes
 * also a round trip to a follower, divided by the median latency. More: the rate, divided by what full batches of
 * entries give on a disk that all nodes share.
 */
export function fractionOfLimit(
  limits: readonly Limit[],
  { window, bytes, nodes, p50Us, commitsPerSecond }: Measurement,
): number {
  if (window === 1) {
    const sync = nearest(limits, 'sync', bytes).p50Us;
    const trip = nodes === 1 ? 0 : nearest(limits, 'loopback', bytes).p50Us;
    return (sync + trip) / p50Us;
  }
  const bytesPerSecond = nearest(limits, 'sync', FULL_BATCH_BYTES).perSecond * FULL_BATCH_BYTES;
  return commitsPerSecond / (bytesPerSecond / bytes / nodes);
}
