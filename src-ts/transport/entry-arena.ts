/** Where received entries are laid down as EntryBatches: slabs shared by many batches, filled front to back. */
import { EntryBatch } from '../core/entry-batch.ts';
import { entryRuns, RUN_ENTRIES_MIN } from '../core/entry-runs.ts';
import { DecodeError, Reader } from '../core/raftpb/varint.ts';

const SLAB_BYTES = 256 * 1024;
const SLAB_ENTRIES = 2_048;

/** Of the entry whose u64 length is at `at`; below 2^32, which the decoder has seen to. */
function lengthAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at + 4]! << 24) | (bytes[at + 5]! << 16) | (bytes[at + 6]! << 8) | bytes[at + 7]!) >>> 0;
}

/**
 * Builds one batch at a time. Slabs are never reused: a slab lives as long as one of its batches does, and a log that
 * drops its oldest entries first frees them in order.
 */
export class EntryArena {
  private bytes: Uint8Array = new Uint8Array(0);
  private ends = new Uint32Array(0);
  private dataStarts = new Uint32Array(0);
  private types: Uint8Array | null = null;
  private bytesUsed = 0;
  private entriesUsed = 0;

  private openByte = 0;
  private openEntry = 0;
  private openIndex = 0;
  private openTerm = 0;
  private openTyped = false;

  // The entry that `parse` looked at last.
  private type = 0;
  private term = 0;
  private index = 0;
  private dataStart = 0;

  /**
   * Appends `count` entries that lie in `source[start, end)`, a u64 length before each; lengths have been checked.
   * `index` is what the first one must have. Batches that a change of term completes are pushed to `finished`.
   */
  addPrefixed(
    source: Uint8Array,
    start: number,
    end: number,
    count: number,
    index: number,
    finished: EntryBatch[],
  ): void {
    this.reserve(end - start, count);
    const runs = count >= RUN_ENTRIES_MIN ? entryRuns() : null;
    if (runs !== null && this.entriesUsed > this.openEntry) {
      const taken = runs.takePrefixed(
        this.bytes,
        this.bytesUsed,
        source,
        start,
        count,
        index,
        this.openTerm,
        this.ends,
        this.dataStarts,
        this.entriesUsed,
      );
      if (taken > 0) {
        this.entriesUsed += taken;
        const bytesUsed = this.ends[this.entriesUsed - 1]!;
        start += 8 * taken + (bytesUsed - this.bytesUsed);
        this.bytesUsed = bytesUsed;
        count -= taken;
        index += taken;
      }
      if (count > 0) this.moveIn(source, start, end, count, index, finished);
    } else if (runs !== null) {
      // The first entry tells the term of the others.
      const next = start + 8 + lengthAt(source, start);
      this.moveIn(source, start, next, 1, index, finished);
      this.addPrefixed(source, next, end, count - 1, index + 1, finished);
    } else this.moveIn(source, start, end, count, index, finished);
  }

  private moveIn(
    source: Uint8Array,
    start: number,
    end: number,
    count: number,
    index: number,
    finished: EntryBatch[],
  ): void {
    // One copy of the run, then each entry moves left over the lengths: cheaper than a view and a copy an entry.
    this.bytes.set(source.subarray(start, end), this.bytesUsed);
    const bytes = this.bytes;
    let from = this.bytesUsed;
    for (let i = 0; i < count; i++) {
      const size = lengthAt(bytes, from);
      from += 8;
      bytes.copyWithin(this.bytesUsed, from, from + size);
      from += size;
      this.close(this.bytesUsed + size, index + i, finished);
    }
  }

  /** Appends one encoded entry. */
  add(encoded: Uint8Array, index: number, finished: EntryBatch[]): void {
    this.reserve(encoded.length, 1);
    this.bytes.set(encoded, this.bytesUsed);
    this.close(this.bytesUsed + encoded.length, index, finished);
  }

  /** Completes the open batch, if it has entries. */
  finish(finished: EntryBatch[]): void {
    const count = this.entriesUsed - this.openEntry;
    if (count > 0) {
      finished.push(
        new EntryBatch(
          this.openIndex,
          this.openTerm,
          count,
          this.bytes,
          this.ends,
          this.dataStarts,
          this.openTyped ? this.types : null,
          this.openEntry,
          this.openByte,
        ),
      );
    }
    this.openByte = this.bytesUsed;
    this.openEntry = this.entriesUsed;
    this.openTyped = false;
  }

  /** Takes the entry that ends at `end` into the open batch. */
  private close(end: number, index: number, finished: EntryBatch[]): void {
    this.parse(this.bytesUsed, end);
    if (this.index !== index) throw new DecodeError(`entry has index ${this.index} where ${index} follows`);
    if (this.term !== this.openTerm && this.entriesUsed > this.openEntry) this.finish(finished);
    const slot = this.entriesUsed;
    if (slot === this.openEntry) {
      this.openTerm = this.term;
      this.openIndex = index;
    }
    this.ends[slot] = end;
    this.dataStarts[slot] = this.dataStart;
    if (this.type !== 0) {
      this.types ??= new Uint8Array(this.ends.length);
      this.types[slot] = this.type;
      this.openTyped = true;
    }
    this.entriesUsed = slot + 1;
    this.bytesUsed = end;
  }

  private reserve(byteCount: number, entryCount: number): void {
    if (this.bytesUsed + byteCount <= this.bytes.length && this.entriesUsed + entryCount <= this.ends.length)
      return;
    const openBytes = this.bytesUsed - this.openByte;
    const openEntries = this.entriesUsed - this.openEntry;
    const growth = openBytes === 0 ? 1 : 2;
    // Not cleared: only what has been written is ever part of a batch.
    const bytes = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, growth * (openBytes + byteCount)));
    const ends = new Uint32Array(Math.max(SLAB_ENTRIES, growth * (openEntries + entryCount)));
    const dataStarts = new Uint32Array(ends.length);
    const types = this.openTyped ? new Uint8Array(ends.length) : null;
    bytes.set(this.bytes.subarray(this.openByte, this.bytesUsed));
    for (let i = 0; i < openEntries; i++) {
      ends[i] = this.ends[this.openEntry + i]! - this.openByte;
      dataStarts[i] = this.dataStarts[this.openEntry + i]! - this.openByte;
    }
    if (types !== null) types.set(this.types!.subarray(this.openEntry, this.entriesUsed));
    this.bytes = bytes;
    this.ends = ends;
    this.dataStarts = dataStarts;
    this.types = types;
    this.openByte = 0;
    this.openEntry = 0;
    this.bytesUsed = openBytes;
    this.entriesUsed = openEntries;
  }

  /** Reads the fields of the entry in `bytes[start, end)`. The usual form is read by hand, all others by Reader. */
  private parse(start: number, end: number): void {
    const bytes = this.bytes;
    if (end - start >= 6 && bytes[start] === 0x08 && bytes[start + 1]! <= 2 && bytes[start + 2] === 0x10) {
      let at = start + 3;
      let term = 0;
      let scale = 1;
      let byte = 128;
      // Six bytes hold 42 bits: all that is common, and exact in a double.
      while (byte >= 128 && scale < 0x400_0000_0000 && at < end) {
        byte = bytes[at++]!;
        term += (byte & 127) * scale;
        scale *= 128;
      }
      if (byte < 128 && at < end && bytes[at] === 0x18) {
        at++;
        let index = 0;
        scale = 1;
        byte = 128;
        while (byte >= 128 && scale < 0x400_0000_0000 && at < end) {
          byte = bytes[at++]!;
          index += (byte & 127) * scale;
          scale *= 128;
        }
        if (byte < 128) {
          let complete = at === end;
          if (!complete && bytes[at] === 0x22) {
            at++;
            let length = 0;
            scale = 1;
            byte = 128;
            while (byte >= 128 && scale < 0x8_0000_0000 && at < end) {
              byte = bytes[at++]!;
              length += (byte & 127) * scale;
              scale *= 128;
            }
            complete = byte < 128 && at + length === end;
          }
          if (complete) {
            this.type = bytes[start + 1]!;
            this.term = term;
            this.index = index;
            this.dataStart = at;
            return;
          }
        }
      }
    }
    this.parseSlowly(start, end);
  }

  private parseSlowly(start: number, end: number): void {
    const reader = new Reader(this.bytes, start, end);
    let type = 0;
    let term = 0;
    let index = 0;
    let dataStart = end;
    let dataEnd = end;
    while (!reader.done) {
      const tag = reader.varint('Entry tag');
      if (tag === 0x08) type = reader.varint('Entry.Type');
      else if (tag === 0x10) term = reader.varint('Entry.Term');
      else if (tag === 0x18) index = reader.varint('Entry.Index');
      else if (tag === 0x22) {
        dataEnd = reader.lengthEnd('Entry.Data');
        dataStart = reader.at;
        reader.at = dataEnd;
      } else reader.skip(tag);
    }
    if (type > 2) throw new DecodeError(`Entry.Type ${type} is not known`);
    if (dataEnd !== end) throw new DecodeError(`Entry.Data of entry ${index} is not its last field`);
    this.type = type;
    this.term = term;
    this.index = index;
    this.dataStart = dataStart;
  }
}
