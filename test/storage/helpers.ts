import type { Logger } from '../../src-ts/core/api.ts';
import { encodeEntries, EntryBatch, proposalsOf } from '../../src-ts/core/entry-batch.ts';
import type { StorageOptions } from '../../src-ts/storage/open-storage.ts';
import type { Disk } from '../../src-ts/storage/disk.ts';
import type { WalSettings } from '../../src-ts/storage/wal/write-ahead-log.ts';

/** A logger that keeps its lines for a test to look at. */
export function recordingLogger(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const to =
    (level: string) =>
    (text: string): void => {
      lines.push(`${level} ${text}`);
    };
  return { lines, debug: to('debug'), info: to('info'), warning: to('warning'), error: to('error') };
}

/** Small deterministic generator (mulberry32): uniform integers in [0, bound). */
export function randomFrom(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
}

export function walSettings(disk: Disk, overrides: Partial<WalSettings> = {}): WalSettings {
  return {
    disk,
    directory: '/data/wal',
    logger: recordingLogger(),
    binding: null,
    segmentBytes: 16_384,
    allocateStepBytes: 1 << 20,
    inlineBytesMax: 0,
    ...overrides,
  };
}

export function storageOptions(disk: Disk, overrides: Partial<StorageOptions> = {}): StorageOptions {
  return {
    disk,
    binding: null,
    logger: recordingLogger(),
    walDirectory: '/data/wal',
    snapDirectory: '/data/snap',
    nodeId: 1,
    clusterId: 7n,
    segmentBytes: 16_384,
    ...overrides,
  };
}

export function entriesOf(firstIndex: number, term: number, payloads: readonly Uint8Array[]): EntryBatch {
  return encodeEntries(firstIndex, term, proposalsOf(payloads));
}

export interface PlainEntry {
  readonly index: number;
  readonly term: number;
  readonly data: string;
}

/** Batches as plain values that can be compared. */
export function plain(batches: readonly EntryBatch[]): PlainEntry[] {
  const entries: PlainEntry[] = [];
  for (const batch of batches) {
    for (let i = 0; i < batch.count; i++) {
      entries.push({
        index: batch.firstIndex + i,
        term: batch.term,
        data: Buffer.from(batch.data(i)).toString('latin1'),
      });
    }
  }
  return entries;
}
