/** The log as the core reads it (durable entries in memory), with its bytes counted and its snapshots bound to files. */
import type { LogStorage } from '../core/api.ts';
import type { EntryBatch } from '../core/entry-batch.ts';
import { LogError } from '../core/errors.ts';
import { MemoryStorage } from '../core/log/memory-storage.ts';
import type { ConfState, HardState, Snapshot, SnapshotMetadata } from '../core/types.ts';
import { LogLedger } from './log-ledger.ts';

const NO_DATA = new Uint8Array(0);

export class StableLog implements LogStorage {
  private readonly memory = new MemoryStorage();
  readonly ledger = new LogLedger();
  /** Index of the snapshot that the log begins after or holds; 0 when there is none. */
  snapshotIndex = 0;
  private wantSnapshot: (() => void) | null = null;

  /** Called when a follower needs a snapshot and there is none. */
  onSnapshotWanted(callback: () => void): void {
    this.wantSnapshot = callback;
  }

  initialState(): { readonly hardState: HardState; readonly confState: ConfState } {
    return this.memory.initialState();
  }

  entries(lo: number, hi: number, maxBytes: number): EntryBatch[] {
    return this.memory.entries(lo, hi, maxBytes);
  }

  term(index: number): number {
    return this.memory.term(index);
  }

  firstIndex(): number {
    return this.memory.firstIndex();
  }

  lastIndex(): number {
    return this.memory.lastIndex();
  }

  snapshot(): Snapshot {
    if (this.snapshotIndex === 0) {
      this.wantSnapshot?.();
      throw new LogError('snapshot-temporarily-unavailable');
    }
    return this.memory.snapshot();
  }

  /** What a restart found: the log begins after `snapshot`. */
  load(snapshot: SnapshotMetadata | null, hardState: HardState, batches: readonly EntryBatch[]): void {
    if (snapshot !== null) {
      this.install(snapshot);
      this.ledger.reset(snapshot.index);
    }
    this.memory.setHardState(hardState);
    this.append(batches);
    this.ledger.append(batches);
  }

  /** Durable entries; the ledger counted them when they were handed out by the core. */
  append(batches: readonly EntryBatch[]): void {
    if (batches.length > 0) this.memory.append(batches);
  }

  setHardState(hardState: HardState): void {
    this.memory.setHardState(hardState);
  }

  /** Replaces the log by a snapshot (its data is in a file); the ledger began anew when the core handed it out. */
  install(metadata: SnapshotMetadata): void {
    this.memory.applySnapshot({ data: NO_DATA, metadata });
    this.snapshotIndex = metadata.index;
  }

  /** The own state machine's snapshot is on disk: entries up to `compactTo` may go. */
  snapshotSaved(metadata: SnapshotMetadata, compactTo: number): void {
    this.memory.createSnapshot(metadata.index, metadata.confState, NO_DATA);
    this.snapshotIndex = metadata.index;
    if (compactTo < this.memory.firstIndex()) return;
    this.memory.compact(compactTo);
    this.ledger.compact(compactTo);
  }
}
