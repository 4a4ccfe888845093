import type { EntryBatch } from '../core/entry-batch.ts';

/**
 * How many bytes of the log lie beyond an index, at the granularity of the batches that were appended. One number pair
 * a batch, from the compacted end of the log to its tail; all operations are amortised constant time.
 */
export class LogLedger {
  /** Last index and running byte total of each batch, from `head` on. */
  private readonly lastIndexes: number[] = [];
  private readonly totals: number[] = [];
  private head = 0;
  /** Total and index at the compacted end. */
  private baseTotal = 0;
  private baseIndex = 0;
  private tailTotal = 0;
  private readonly cursors: LedgerCursor[] = [];

  /** A position that only moves forward; its bytes are those between it and the tail. */
  cursor(): LedgerCursor {
    const cursor = new LedgerCursor(this);
    this.cursors.push(cursor);
    return cursor;
  }

  append(batches: readonly EntryBatch[]): void {
    for (const batch of batches) {
      if (batch.count === 0) continue;
      this.truncate(batch.firstIndex);
      this.tailTotal += batch.encodedSize;
      this.lastIndexes.push(batch.lastIndex);
      this.totals.push(this.tailTotal);
    }
  }

  /** Forgets entries from `index` on. A batch that is cut in the middle keeps its bytes: the error is one batch. */
  private truncate(index: number): void {
    let length = this.lastIndexes.length;
    while (length > this.head && this.lastIndexes[length - 1]! >= index) length--;
    if (length === this.lastIndexes.length) return;
    const begin = 1 + (length === this.head ? this.baseIndex : this.lastIndexes[length - 1]!);
    if (begin < index) {
      this.lastIndexes[length] = index - 1;
      length++;
    }
    this.lastIndexes.length = length;
    this.totals.length = length;
    this.tailTotal = length === this.head ? this.baseTotal : this.totals[length - 1]!;
    for (const cursor of this.cursors) cursor.position = Math.min(cursor.position, length);
  }

  /** Forgets everything up to `index` (compaction). */
  compact(index: number): void {
    while (this.head < this.lastIndexes.length && this.lastIndexes[this.head]! <= index) {
      this.baseTotal = this.totals[this.head]!;
      this.baseIndex = this.lastIndexes[this.head]!;
      this.head++;
    }
    this.baseIndex = Math.max(this.baseIndex, index);
    if (this.head > 1024 && this.head * 2 > this.lastIndexes.length) {
      this.lastIndexes.splice(0, this.head);
      this.totals.splice(0, this.head);
      for (const cursor of this.cursors) cursor.position = Math.max(0, cursor.position - this.head);
      this.head = 0;
    }
  }

  /** The log is replaced by a snapshot at `index`. */
  reset(index: number): void {
    this.lastIndexes.length = 0;
    this.totals.length = 0;
    this.head = 0;
    this.baseIndex = index;
    this.baseTotal = this.tailTotal;
    for (const cursor of this.cursors) cursor.position = 0;
  }

  /** Bytes between the compacted end and the tail. */
  get bytes(): number {
    return this.tailTotal - this.baseTotal;
  }

  /** The largest batch end such that at least `bytes` lie between it and `index`; 0 when there are not so many. */
  indexKeeping(bytes: number, index: number): number {
    let position = this.lastIndexes.length - 1;
    while (position >= this.head && this.lastIndexes[position]! > index) position--;
    if (position < this.head) return 0;
    const limit = this.totals[position]! - bytes;
    // Batches are few between two snapshots compared with the work of taking one.
    while (position >= this.head && this.totals[position]! > limit) position--;
    return position < this.head ? 0 : this.lastIndexes[position]!;
  }

  /** For cursors. */
  advance(position: number, index: number): number {
    let at = Math.max(position, this.head);
    while (at < this.lastIndexes.length && this.lastIndexes[at]! <= index) at++;
    return at;
  }

  /** For cursors: bytes from `position` to the tail. */
  bytesFrom(position: number): number {
    const at = Math.max(position, this.head);
    return this.tailTotal - (at === this.head ? this.baseTotal : this.totals[at - 1]!);
  }
}

export class LedgerCursor {
  private readonly ledger: LogLedger;
  /** Number of batches that lie wholly at or below the cursor. */
  position = 0;

  constructor(ledger: LogLedger) {
    this.ledger = ledger;
  }

  /** Moves to `index` (never back) and returns the bytes beyond it. */
  bytesBeyond(index: number): number {
    this.position = this.ledger.advance(this.position, index);
    return this.ledger.bytesFrom(this.position);
  }
}
