/** How long a small write with its sync takes in a directory: what every commit waits for. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { withTemporaryDirectory } from './temporary.ts';

const WRITE_BYTES = 512;
/** Written before, as the log does it: overwriting syncs faster than growing. */
const FILE_BYTES = 1024 * 1024;

export interface SyncLatency {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Leaves nothing behind. Rejects when the directory cannot be written to. */
export function measureSyncs(directory: string, count: number): Promise<SyncLatency> {
  return withTemporaryDirectory(join(directory, '.polyraft-sync-'), async (place) => {
    const file = await open(join(place, 'file'), 'w');
    try {
      await file.write(Buffer.alloc(FILE_BYTES));
      await file.sync();
      const times: number[] = [];
      const bytes = Buffer.alloc(WRITE_BYTES, 1);
      for (let i = 0; i < count; i++) {
        const begun = performance.now();
        await file.write(bytes, 0, WRITE_BYTES, (i * WRITE_BYTES) % FILE_BYTES);
        await file.datasync();
        times.push(performance.now() - begun);
      }
      return { count, ...quantilesOf(times) };
    } finally {
      await file.close();
    }
  });
}

export function quantilesOf(times: readonly number[]): { p50Ms: number; p99Ms: number; maxMs: number } {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}
