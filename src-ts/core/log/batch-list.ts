import type { EntryBatch } from '../entry-batch.ts';
import { violated } from '../errors.ts';

export const NO_LIMIT = Number.POSITIVE_INFINITY;

export function countEntries(batches: readonly EntryBatch[]): number {
  let count = 0;
  for (const batch of batches) count += batch.count;
  return count;
}

/** Sum of encoded sizes, bytes. */
export function encodedSizeOf(batches: readonly EntryBatch[]): number {
  let size = 0;
  for (const batch of batches) size += batch.encodedSize;
  return size;
}

/** Sum of payload sizes, bytes. */
export function payloadSizeOf(batches: readonly EntryBatch[]): number {
  let size = 0;
  for (const batch of batches) size += batch.payloadSize;
  return size;
}

/** How many leading entries of `batch` fit into `maxBytes`; found by bisection over the end offsets. */
function fitting(batch: EntryBatch, maxBytes: number): number {
  let low = 0;
  let high = batch.count;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (batch.end(middle - 1) - batch.startByte <= maxBytes) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Consecutive entries as batches: appended at the end, truncated at the end, dropped at the front, found by bisection. */
export class BatchList {
  private items: EntryBatch[] = [];
  /** Batches before `head` have been dropped; the array is cut when they are more than half of it. */
  private head = 0;
  /** Index of the first entry; where the next one goes when the list is empty. */
  firstIndex: number;
  /** One above the last entry's index. */
  nextIndex: number;

  constructor(firstIndex: number) {
    this.firstIndex = firstIndex;
    this.nextIndex = firstIndex;
  }

  get length(): number {
    return this.nextIndex - this.firstIndex;
  }

  clear(firstIndex: number): void {
    this.items = [];
    this.head = 0;
    this.firstIndex = firstIndex;
    this.nextIndex = firstIndex;
  }

  push(batch: EntryBatch): void {
    if (batch.count === 0) return;
    if (batch.firstIndex !== this.nextIndex)
      violated(`batch at ${batch.firstIndex} does not continue a log that ends before ${this.nextIndex}`);
    this.items.push(batch);
    this.nextIndex += batch.count;
  }

  /** Position in `items` of the batch that holds `index`, which must be in the list. */
  private locate(index: number): number {
    let low = this.head;
    let high = this.items.length - 1;
    const last = this.items[high];
    if (last !== undefined && last.firstIndex <= index) return high;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.items[middle]!.firstIndex <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Term of an entry of the list. */
  term(index: number): number {
    return this.items[this.locate(index)]!.term;
  }

  /** Drops all entries from `index` on. */
  truncateFrom(index: number): void {
    if (index >= this.nextIndex) return;
    if (index <= this.firstIndex) {
      this.clear(this.firstIndex);
      return;
    }
    const at = this.locate(index);
    const batch = this.items[at]!;
    this.items.length = at;
    if (batch.firstIndex < index) this.items.push(batch.slice(batch.firstIndex, index));
    this.nextIndex = index;
  }

  /** Drops all entries up to and including `index`. */
  dropThrough(index: number): void {
    if (index < this.firstIndex) return;
    if (index >= this.nextIndex - 1) {
      this.clear(Math.max(index + 1, this.nextIndex));
      return;
    }
    const at = this.locate(index);
    const batch = this.items[at]!;
    if (batch.lastIndex > index) {
      this.items[at] = batch.slice(index + 1, batch.lastIndex + 1);
      this.head = at;
    } else {
      this.head = at + 1;
    }
    this.firstIndex = index + 1;
    if (this.head > 32 && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
  }

  /**
   * Entries [lo, hi), of at most `maxBytes` encoded, but at least one when lo < hi. Batches that follow each other in
   * memory come out as one.
   */
  slice(lo: number, hi: number, maxBytes: number): EntryBatch[] {
    const found: EntryBatch[] = [];
    if (lo >= hi) return found;
    if (lo < this.firstIndex || hi > this.nextIndex)
      violated(`slice [${lo}, ${hi}) outside [${this.firstIndex}, ${this.nextIndex})`);
    let room = maxBytes;
    let at = this.locate(lo);
    const first = this.items[at]!;
    if (hi <= first.firstIndex + first.count) {
      // The usual case: what is new came in one batch.
      const part = first.slice(lo, hi);
      if (part.encodedSize <= maxBytes) return [part];
    }
    // The batch that is being joined, and how many entries it has so far.
    let run: EntryBatch | null = null;
    let runCount = 0;
    let previous: EntryBatch | null = null;
    while (lo < hi) {
      const batch = this.items[at++]!;
      let part = batch.slice(lo, Math.min(hi, batch.lastIndex + 1));
      if (part.encodedSize > room) {
        const count = Math.max(fitting(part, room), run === null ? 1 : 0);
        if (count === 0) break;
        part = part.slice(lo, lo + count);
        hi = lo + count;
      }
      room -= part.encodedSize;
      lo += part.count;
      if (previous !== null && previous.isContinuedBy(part)) {
        runCount += part.count;
      } else {
        if (run !== null) found.push(run.extendedTo(runCount));
        run = part;
        runCount = part.count;
      }
      previous = part;
    }
    if (run !== null) found.push(run.extendedTo(runCount));
    return found;
  }
}
