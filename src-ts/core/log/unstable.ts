import type { EntryBatch } from '../entry-batch.ts';
import type { Snapshot } from '../types.ts';
import { BatchList, NO_LIMIT } from './batch-list.ts';

/**
 * Entries and a snapshot that are not yet known to be durable. Entries below `offsetInProgress` have been handed out
 * for writing; they leave when `stableTo` confirms exactly what was written.
 */
export class Unstable {
  readonly entries: BatchList;
  snapshot: Snapshot | null = null;
  snapshotInProgress = false;
  offsetInProgress: number;

  constructor(offset: number) {
    this.entries = new BatchList(offset);
    this.offsetInProgress = offset;
  }

  /** Index of the first unstable entry, or where it will be. */
  get offset(): number {
    return this.entries.firstIndex;
  }

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  /** Last index known here, 0 when nothing is. */
  get lastIndex(): number {
    if (!this.isEmpty) return this.entries.nextIndex - 1;
    return this.snapshot?.metadata.index ?? 0;
  }

  /** Term at `index` if it is known here, -1 otherwise. */
  term(index: number): number {
    if (index < this.offset) {
      const metadata = this.snapshot?.metadata;
      return metadata?.index === index ? metadata.term : -1;
    }
    return index < this.entries.nextIndex ? this.entries.term(index) : -1;
  }

  get hasNextEntries(): boolean {
    return this.offsetInProgress < this.entries.nextIndex;
  }

  nextEntries(): EntryBatch[] {
    return this.entries.slice(this.offsetInProgress, this.entries.nextIndex, NO_LIMIT);
  }

  get nextSnapshot(): Snapshot | null {
    return this.snapshotInProgress ? null : this.snapshot;
  }

  acceptInProgress(): void {
    if (!this.isEmpty) this.offsetInProgress = this.entries.nextIndex;
    if (this.snapshot !== null) this.snapshotInProgress = true;
  }

  /** Entry (index, term) is durable. Ignored when it is not, or no longer, what stands here: a later write confirms. */
  stableTo(index: number, term: number): void {
    if (index < this.offset || this.term(index) !== term) return;
    this.entries.dropThrough(index);
    this.offsetInProgress = Math.max(this.offsetInProgress, this.offset);
  }

  stableSnapshotTo(index: number): void {
    if (this.snapshot?.metadata.index !== index) return;
    this.snapshot = null;
    this.snapshotInProgress = false;
  }

  restore(snapshot: Snapshot): void {
    this.entries.clear(snapshot.metadata.index + 1);
    this.offsetInProgress = this.offset;
    this.snapshot = snapshot;
    this.snapshotInProgress = false;
  }

  /** Appends, replacing everything from the first new index on. What was handed out and is replaced goes out again. */
  truncateAndAppend(batches: readonly EntryBatch[]): void {
    const from = batches[0]!.firstIndex;
    if (from <= this.offset) {
      this.entries.clear(from);
      this.offsetInProgress = from;
    } else if (from < this.entries.nextIndex) {
      this.entries.truncateFrom(from);
      this.offsetInProgress = Math.min(this.offsetInProgress, from);
    }
    for (const batch of batches) this.entries.push(batch);
  }
}
