import type { LogStorage } from '../api.ts';
import type { EntryBatch } from '../entry-batch.ts';
import { LogError, violated } from '../errors.ts';
import {
  EMPTY_CONF_STATE,
  EMPTY_HARD_STATE,
  type ConfState,
  type HardState,
  type Snapshot,
} from '../types.ts';
import { BatchList } from './batch-list.ts';

/**
 * The durable log held in memory: the driver appends to it what its disk has, the core reads from it. Batches are kept
 * by reference, so appending costs nothing an entry. `firstIndex` is 1 in a new, empty storage.
 */
export class MemoryStorage implements LogStorage {
  private readonly log = new BatchList(1);
  /** Term of the entry before the first: the compaction point or the snapshot. */
  private termBefore = 0;
  private hardState: HardState = EMPTY_HARD_STATE;
  private newestSnapshot: Snapshot = {
    data: new Uint8Array(0),
    metadata: { confState: EMPTY_CONF_STATE, index: 0, term: 0 },
  };

  initialState(): { hardState: HardState; confState: ConfState } {
    return { hardState: this.hardState, confState: this.newestSnapshot.metadata.confState };
  }

  setHardState(hardState: HardState): void {
    this.hardState = hardState;
  }

  firstIndex(): number {
    return this.log.firstIndex;
  }

  lastIndex(): number {
    return this.log.nextIndex - 1;
  }

  term(index: number): number {
    if (index < this.log.firstIndex) {
      if (index === this.log.firstIndex - 1) return this.termBefore;
      throw new LogError('compacted');
    }
    if (index >= this.log.nextIndex) throw new LogError('unavailable');
    return this.log.term(index);
  }

  entries(lo: number, hi: number, maxBytes: number): EntryBatch[] {
    if (lo < this.log.firstIndex) throw new LogError('compacted');
    if (hi > this.log.nextIndex) throw new LogError('unavailable');
    return this.log.slice(lo, hi, maxBytes);
  }

  snapshot(): Snapshot {
    return this.newestSnapshot;
  }

  /** Replaces everything by a snapshot; LogError 'snapshot-out-of-date' when it is not newer than the last one. */
  applySnapshot(snapshot: Snapshot): void {
    const { index, term } = snapshot.metadata;
    const last = this.newestSnapshot.metadata.index;
    if (last !== 0 && last >= index) throw new LogError('snapshot-out-of-date');
    this.newestSnapshot = snapshot;
    this.termBefore = term;
    this.log.clear(index + 1);
  }

  /** Records a snapshot of the applied state at `index`; the log stays until `compact`. */
  createSnapshot(index: number, confState: ConfState | null, data: Uint8Array): Snapshot {
    if (index <= this.newestSnapshot.metadata.index) throw new LogError('snapshot-out-of-date');
    if (index > this.lastIndex())
      violated(`snapshot at ${index} is beyond the last index ${this.lastIndex()}`);
    this.newestSnapshot = {
      data,
      metadata: {
        index,
        term: this.term(index),
        confState: confState ?? this.newestSnapshot.metadata.confState,
      },
    };
    return this.newestSnapshot;
  }

  /** Drops entries up to and including `index`; LogError 'compacted' when they are gone already. */
  compact(index: number): void {
    if (index < this.log.firstIndex) throw new LogError('compacted');
    if (index > this.lastIndex())
      violated(`compaction to ${index} is beyond the last index ${this.lastIndex()}`);
    this.termBefore = this.log.term(index);
    this.log.dropThrough(index);
  }

  /** Appends consecutive batches, overwriting from their first index on; what has been compacted is skipped. */
  append(batches: readonly EntryBatch[]): void {
    for (const batch of batches) {
      if (batch.count === 0 || batch.lastIndex < this.log.firstIndex) continue;
      const from = Math.max(batch.firstIndex, this.log.firstIndex);
      const part = batch.slice(from, batch.lastIndex + 1);
      if (part.firstIndex > this.log.nextIndex)
        violated(`append at ${part.firstIndex} leaves a gap after ${this.log.nextIndex - 1}`);
      this.log.truncateFrom(part.firstIndex);
      this.log.push(part);
    }
  }
}
