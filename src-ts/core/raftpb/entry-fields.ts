/** Where the parts of one encoded raftpb.Entry are. */
import { DecodeError, Reader } from './varint.ts';

/** Parses into its own fields: one object serves any number of entries, and nothing is allocated for the usual form. */
export class EntryFields {
  type = 0;
  term = 0;
  index = 0;
  /** Payload: [dataStart, dataEnd) of the source; both the entry's end when there is none. */
  dataStart = 0;
  dataEnd = 0;
  private at = 0;

  /** Parses source[start, end). Throws DecodeError. */
  parse(source: Uint8Array, start: number, end: number): void {
    if (!this.parseUsual(source, start, end)) this.parseAny(source, start, end);
    if (this.type > 2) throw new DecodeError(`Entry.Type ${this.type} is not known`);
  }

  /** The order and the fields that every encoder of raftpb writes; false for anything else. */
  private parseUsual(source: Uint8Array, start: number, end: number): boolean {
    if (end - start < 6 || source[start] !== 0x08 || source[start + 1]! > 2 || source[start + 2] !== 0x10)
      return false;
    this.type = source[start + 1]!;
    this.at = start + 3;
    this.term = this.shortVarint(source, end);
    if (this.term < 0 || this.at >= end || source[this.at++] !== 0x18) return false;
    this.index = this.shortVarint(source, end);
    if (this.index < 0) return false;
    if (this.at === end) {
      this.dataStart = end;
      this.dataEnd = end;
      return true;
    }
    if (source[this.at++] !== 0x22) return false;
    const length = this.shortVarint(source, end);
    if (length < 0 || this.at + length !== end) return false;
    this.dataStart = this.at;
    this.dataEnd = end;
    return true;
  }

  /** Below 2^42; -1 when it is longer, or runs past the end. */
  private shortVarint(source: Uint8Array, end: number): number {
    let value = 0;
    let scale = 1;
    for (const stop = Math.min(end, this.at + 6); this.at < stop; scale *= 128) {
      const byte = source[this.at++]!;
      if (byte < 128) return value + byte * scale;
      value += (byte & 127) * scale;
    }
    return -1;
  }

  private parseAny(source: Uint8Array, start: number, end: number): void {
    const reader = new Reader(source, start, end);
    this.type = 0;
    this.term = 0;
    this.index = 0;
    this.dataStart = end;
    this.dataEnd = end;
    while (!reader.done) {
      const tag = reader.varint('Entry tag');
      if (tag === 0x08) this.type = reader.varint('Entry.Type');
      else if (tag === 0x10) this.term = reader.varint('Entry.Term');
      else if (tag === 0x18) this.index = reader.varint('Entry.Index');
      else if (tag === 0x22) {
        this.dataEnd = reader.lengthEnd('Entry.Data');
        this.dataStart = reader.at;
        reader.at = this.dataEnd;
      } else reader.skip(tag);
    }
  }
}
