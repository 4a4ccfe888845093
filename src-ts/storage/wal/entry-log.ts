/** Gathers the entries of a WAL into batches while it is read; later entries replace those from their index on. */
import { EntryBatch, type EntryType, singleEntry } from '../../core/entry-batch.ts';
import { EntryFields } from '../../core/raftpb/entry-fields.ts';
import { DecodeError } from '../../core/raftpb/varint.ts';

/** A batch ends here, so that truncation and slicing stay cheap. */
const BATCH_ENTRIES_MAX = 8192;

/**
 * The log that a sequence of WAL records leaves, from a snapshot on. An entry replaces all from its index on, also those
 * behind the snapshot when it lies before it. A snapshot record whose entry the log does not have came from a leader: it
 * replaces all that was before it, if the hard state that follows has committed it; else the process ended in between, and
 * the log went on without it, with entries up to its index or another hard state.
 *
 * Entries are compacted within the buffer that they were read into (headers between them disappear), and the batch
 * keeps that buffer: nothing is copied to another place, nothing is allocated for an entry. The owner of the buffer
 * must not write to it after `add`, and calls `seal` before it lets go of it.
 */
export class EntryLog {
  /** Index of the last entry seen, kept or not; 0 before the first. */
  lastSeen = 0;
  private readonly fields = new EntryFields();
  private readonly batches: EntryBatch[] = [];
  private start: number;
  /** Term of the entry at `start`; 0 while it has not been seen. */
  private startTerm = 0;
  private last: number;
  /** A snapshot that may have replaced the log; `older` batches are from before it. */
  private replacing: { readonly index: number; readonly term: number; older: number } | null = null;

  private buffer: Uint8Array | null = null;
  private count = 0;
  private firstIndex = 0;
  private term = 0;
  private startByte = 0;
  private endByte = 0;
  private readonly ends = new Uint32Array(BATCH_ENTRIES_MAX);
  private readonly dataStarts = new Uint32Array(BATCH_ENTRIES_MAX);
  private types: Uint8Array | null = null;

  /** Entries up to index `after` are not kept. */
  constructor(after: number) {
    this.start = after;
    this.last = after;
  }

  /** What was asked for, or the index of a snapshot from a leader that came later and replaced the log. */
  get startsAfter(): number {
    return this.start;
  }

  /** Takes the entry encoded in buffer[start, end). Throws DecodeError when it is malformed or leaves a gap. */
  add(buffer: Uint8Array, start: number, end: number): void {
    const { fields } = this;
    fields.parse(buffer, start, end);
    const { type, term, index, dataStart, dataEnd } = fields;
    this.lastSeen = index;
    if (this.replacing !== null && index <= this.replacing.index) this.replacing = null;
    if (index <= this.start) {
      this.truncate(0);
      this.startTerm = index === this.start ? term : 0;
      return;
    }
    if (index > this.last + 1 && index - 1 === this.replacing?.index) this.replace();
    if (index > this.last + 1) {
      throw new DecodeError(`entry ${index} follows entry ${this.last}: entries between them are missing`);
    }
    if (index <= this.last) this.truncate(index);
    this.last = index;
    if (dataEnd !== end) {
      // Data is not the last field: another writer's order of fields. Written anew in ours.
      this.seal();
      this.batches.push(singleEntry(index, term, buffer.slice(dataStart, dataEnd), type as EntryType));
      return;
    }
    const continues =
      this.count > 0 && this.count < BATCH_ENTRIES_MAX && this.buffer === buffer && this.term === term;
    if (!continues) {
      this.seal();
      this.buffer = buffer;
      this.firstIndex = index;
      this.term = term;
      this.startByte = start;
      this.endByte = start;
    }
    const shift = start - this.endByte;
    if (shift > 0) buffer.copyWithin(this.endByte, start, end);
    this.endByte = end - shift;
    this.ends[this.count] = this.endByte;
    this.dataStarts[this.count] = dataStart - shift;
    if (type !== 0) {
      this.types ??= new Uint8Array(BATCH_ENTRIES_MAX);
      this.types[this.count] = type;
    }
    this.count++;
  }

  /** Ends the current batch. */
  seal(): void {
    const { buffer, count, startByte } = this;
    if (buffer !== null && count > 0) {
      const ends = this.ends.slice(0, count);
      const dataStarts = this.dataStarts.slice(0, count);
      const types = this.types === null ? null : this.types.slice(0, count);
      const size = this.endByte - startByte;
      if (2 * size < buffer.length) {
        // Most of the buffer is other records: a copy of its own frees the rest.
        for (let i = 0; i < count; i++) {
          ends[i] = ends[i]! - startByte;
          dataStarts[i] = dataStarts[i]! - startByte;
        }
        const bytes = buffer.slice(startByte, this.endByte);
        this.batches.push(new EntryBatch(this.firstIndex, this.term, count, bytes, ends, dataStarts, types));
      } else {
        this.batches.push(
          new EntryBatch(this.firstIndex, this.term, count, buffer, ends, dataStarts, types, 0, startByte),
        );
      }
    }
    this.buffer = null;
    this.count = 0;
    this.types = null;
  }

  /** A snapshot record. */
  snapshot(index: number, term: number): void {
    this.seal();
    if (index < this.start || this.termAt(index) === term) return;
    this.replacing = { index, term, older: this.batches.length };
  }

  /** A hard state record with this commit index, another one than before: the head of a segment repeats the last. */
  committed(commit: number): void {
    if (this.replacing === null) return;
    if (commit >= this.replacing.index) this.replace();
    else this.replacing = null;
  }

  finish(): EntryBatch[] {
    this.seal();
    return this.batches;
  }

  private replace(): void {
    const { index, term, older } = this.replacing!;
    this.replacing = null;
    this.seal();
    this.batches.splice(0, older);
    this.start = index;
    this.startTerm = term;
    const first = this.batches[0];
    if (first === undefined) this.last = index;
    else if (first.firstIndex !== index + 1) {
      throw new DecodeError(`entry ${first.firstIndex} follows the snapshot at ${index}`);
    }
  }

  /** Term of an entry in sealed batches; 0 when there is no such entry. */
  private termAt(index: number): number {
    if (index === this.start) return this.startTerm;
    for (let i = this.batches.length - 1; i >= 0; i--) {
      const batch = this.batches[i]!;
      if (index > batch.lastIndex) return 0;
      if (index >= batch.firstIndex) return batch.term;
    }
    return 0;
  }

  /** Drops entries from `index` on. */
  private truncate(index: number): void {
    this.seal();
    for (;;) {
      const batch = this.batches[this.batches.length - 1];
      if (batch === undefined || batch.lastIndex < index) break;
      this.batches.pop();
      if (batch.firstIndex < index) {
        this.batches.push(batch.slice(batch.firstIndex, index));
        break;
      }
    }
    this.last = Math.max(this.start, index - 1);
    if (this.replacing !== null) this.replacing.older = Math.min(this.replacing.older, this.batches.length);
  }
}
