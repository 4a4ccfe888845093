/** raftpb.Entry on the reading side: encoded entries are gathered into batches without copying them again. */
import { EntryBatch } from '../entry-batch.ts';
import { EntryFields } from './entry-fields.ts';
import { DecodeError } from './varint.ts';

/**
 * Collects encoded entries that lie in one buffer (not necessarily end to end) into batches. Consecutive entries of one
 * term form one batch; the encodings are copied once into the batch's own buffer, so that `source` may be reused.
 */
export class EntryCollector {
  private readonly source: Uint8Array;
  private readonly fields = new EntryFields();
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];
  private readonly dataStarts: number[] = [];
  private readonly dataEnds: number[] = [];
  private readonly types: number[] = [];
  private readonly terms: number[] = [];
  private readonly indexes: number[] = [];

  constructor(source: Uint8Array) {
    this.source = source;
  }

  get count(): number {
    return this.starts.length;
  }

  /** Parses the entry encoded in `source[start, end)`. */
  add(start: number, end: number): void {
    const { fields } = this;
    fields.parse(this.source, start, end);
    this.starts.push(start);
    this.ends.push(end);
    this.dataStarts.push(fields.dataStart);
    this.dataEnds.push(fields.dataEnd);
    this.types.push(fields.type);
    this.terms.push(fields.term);
    this.indexes.push(fields.index);
  }

  finish(): EntryBatch[] {
    const batches: EntryBatch[] = [];
    let from = 0;
    for (let i = 1; i <= this.count; i++) {
      if (i < this.count && this.terms[i] === this.terms[from] && this.continues(from, i)) continue;
      batches.push(this.build(from, i));
      from = i;
    }
    return batches;
  }

  /** Proposals (index 0 throughout) form one batch; log entries must be consecutive. */
  private continues(from: number, i: number): boolean {
    const first = this.indexes[from]!;
    return first === 0 ? this.indexes[i] === 0 : this.indexes[i] === first + (i - from);
  }

  private build(from: number, to: number): EntryBatch {
    const count = to - from;
    const ends = new Uint32Array(count);
    const dataStarts = new Uint32Array(count);
    let types: Uint8Array | null = null;
    let size = 0;
    for (let i = from; i < to; i++) {
      if (this.dataEnds[i] !== this.ends[i]) {
        throw new DecodeError(`Entry.Data of entry ${this.indexes[i]} is not its last field`);
      }
      size += this.ends[i]! - this.starts[i]!;
    }
    const bytes = new Uint8Array(size);
    let at = 0;
    for (let i = from; i < to; i++) {
      const start = this.starts[i]!;
      const end = this.ends[i]!;
      bytes.set(this.source.subarray(start, end), at);
      dataStarts[i - from] = at + (this.dataStarts[i]! - start);
      at += end - start;
      ends[i - from] = at;
      if (this.types[i] !== 0) {
        types ??= new Uint8Array(count);
        types[i - from] = this.types[i]!;
      }
    }
    return new EntryBatch(this.indexes[from]!, this.terms[from]!, count, bytes, ends, dataStarts, types);
  }
}
