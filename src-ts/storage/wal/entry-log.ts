/** Gathers the entries of a WAL into batches while it is read; later entries replace those from their index on. */
import { EntryBatch, type EntryType, singleEntry } from '../../core/entry-batch.ts';
import { EntryFields } from '../../core/raftpb/entry-fields.ts';
import { DecodeError } from '../../core/raftpb/varint.ts';

/** A batch ends here, so that truncation and slicing stay cheap. */
const BATCH_ENTRIES_MAX = 8192;

/**
 * Entries are compacted within the buffer that they were read into (headers between them disappear), and the batch
 * keeps that buffer: nothing is copied to another place, nothing is allocated for an entry. The owner of the buffer
 * must not write to it after `add`, and calls `seal` before it lets go of it.
 */
export class EntryLog {
  /** Entries up to this index are not kept. */
  readonly after: number;
  /** Index of the last entry seen, kept or not; 0 before the first. */
  lastSeen = 0;
  private readonly fields = new EntryFields();
  private readonly batches: EntryBatch[] = [];
  private last: number;

  private buffer: Uint8Array | null = null;
  private count = 0;
  private firstIndex = 0;
  private term = 0;
  private startByte = 0;
  private endByte = 0;
  private readonly ends = new Uint32Array(BATCH_ENTRIES_MAX);
  private readonly dataStarts = new Uint32Array(BATCH_ENTRIES_MAX);
  private types: Uint8Array | null = null;

  constructor(after: number) {
    this.after = after;
    this.last = after;
  }

  /** Index of the last entry kept; `after` when there is none. */
  get lastIndex(): number {
    return this.last;
  }

  /** Takes the entry encoded in buffer[start, end). Throws DecodeError when it is malformed or leaves a gap. */
  add(buffer: Uint8Array, start: number, end: number): void {
    const { fields } = this;
    fields.parse(buffer, start, end);
    const { type, term, index, dataStart, dataEnd } = fields;
    this.lastSeen = index;
    if (index <= this.after) return;
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

  finish(): EntryBatch[] {
    this.seal();
    return this.batches;
  }

  /** Drops entries from `index` on. */
  private truncate(index: number): void {
    this.seal();
    for (;;) {
      const batch = this.batches[this.batches.length - 1];
      if (batch === undefined || batch.lastIndex < index) return;
      this.batches.pop();
      if (batch.firstIndex < index) {
        this.batches.push(batch.slice(batch.firstIndex, index));
        return;
      }
    }
  }
}
