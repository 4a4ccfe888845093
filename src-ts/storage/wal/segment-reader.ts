/** Reads the records of one WAL segment in large chunks, and decides what the end of it is. */
import { DecodeError, Reader } from '../../core/raftpb/varint.ts';
import type { Crc32c } from '../crc32c.ts';
import type { DiskFile } from '../disk.ts';
import { LENGTH_BYTES, RecordType, SECTOR_BYTES } from './wal-record.ts';

/**
 * 'record': the fields of the reader describe one. 'more': call `fill` and try again. 'end': end of file or
 * preallocated space. 'torn': an unfinished write (allowed at the end of the last segment only). 'corrupt': damage;
 * both with `problem` set and `offset` at the first byte that is not a whole record.
 */
export type ReadResult = 'record' | 'more' | 'end' | 'torn' | 'corrupt';

export const READ_CHUNK_BYTES = 1 << 20;

export class SegmentReader {
  /** File offset behind the last whole record. */
  offset = 0;
  problem = '';
  /** Fields of the current record; its data is buffer[dataStart, dataEnd), both 0 when it has none. */
  type = 0;
  crc = 0;
  dataStart = 0;
  dataEnd = 0;
  hasData = false;
  /** File offset of the current record's frame. */
  recordOffset = 0;
  /** Bytes of the file, replaced (never overwritten) by `fill`: whoever holds the old one may keep it. */
  buffer: Uint8Array = new Uint8Array(0);
  /** Rolling checksum up to here; carried from segment to segment by the caller. */
  chain: number;

  private readonly file: DiskFile;
  private readonly fileBytes: number;
  private readonly isLast: boolean;
  private readonly crc32c: Crc32c;
  private readonly chunkBytes: number;
  private bufferOffset = 0;
  private filled = 0;
  private cursor = 0;
  private wanted = 0;

  constructor(
    file: DiskFile,
    fileBytes: number,
    isLast: boolean,
    chain: number,
    crc32c: Crc32c,
    chunkBytes = READ_CHUNK_BYTES,
  ) {
    this.file = file;
    this.fileBytes = fileBytes;
    this.isLast = isLast;
    this.chain = chain;
    this.crc32c = crc32c;
    this.chunkBytes = chunkBytes;
  }

  /** Reads on, so that at least what `next` asked for is in the buffer. Bounded by the file's size. */
  async fill(): Promise<void> {
    const rest = this.filled - this.cursor;
    const from = this.bufferOffset + this.cursor;
    const size = Math.min(Math.max(this.wanted, this.chunkBytes), this.fileBytes - from);
    const next = new Uint8Array(size);
    next.set(this.buffer.subarray(this.cursor, this.filled));
    this.buffer = next;
    this.bufferOffset = from;
    this.cursor = 0;
    this.filled = rest + (await this.file.read(next, rest, size - rest, from + rest));
    if (this.filled < size) throw new DecodeError(`${this.file.path} shrank while it was read`);
  }

  next(): ReadResult {
    const { buffer, cursor } = this;
    const available = this.filled - cursor;
    const remaining = this.fileBytes - this.offset;
    if (remaining === 0) return 'end';
    if (remaining < LENGTH_BYTES) return this.torn('the file ends within a length word');
    if (available < LENGTH_BYTES) return this.more(LENGTH_BYTES);
    const low =
      buffer[cursor]! +
      buffer[cursor + 1]! * 0x100 +
      buffer[cursor + 2]! * 0x1_0000 +
      buffer[cursor + 3]! * 0x100_0000;
    const high = buffer[cursor + 4]! + buffer[cursor + 5]! * 0x100 + buffer[cursor + 6]! * 0x1_0000;
    const top = buffer[cursor + 7]!;
    if (low === 0 && high === 0 && top === 0) return 'end';
    const padding = top >= 0x80 ? top & 7 : 0;
    const recordBytes = high * 0x1_0000_0000 + low;
    if (recordBytes + padding > remaining - LENGTH_BYTES) {
      return this.torn(`a record of ${recordBytes} bytes runs past the end of the file`);
    }
    const frameBytes = LENGTH_BYTES + recordBytes + padding;
    if (available < frameBytes) return this.more(frameBytes);
    const start = cursor + LENGTH_BYTES;
    const end = start + recordBytes;
    const malformed = this.parse(start, end);
    if (malformed !== null) return this.damaged(start, end + padding, malformed);
    if (this.type !== RecordType.Crc) {
      const crc = this.hasData ? this.crc32c(this.chain, buffer, this.dataStart, this.dataEnd) : this.chain;
      if (crc !== this.crc) {
        return this.damaged(
          start,
          end + padding,
          `checksum ${hex(this.crc)} in the record, ${hex(crc)} computed`,
        );
      }
      this.chain = crc;
    }
    this.recordOffset = this.offset;
    this.cursor += frameBytes;
    this.offset += frameBytes;
    return 'record';
  }

  /** The record's data as a view of the buffer. */
  data(): Uint8Array {
    return this.buffer.subarray(this.dataStart, this.dataEnd);
  }

  /** True when a crc record does not continue the chain; a reader at its first record has nothing to compare. */
  adoptCrc(): boolean {
    const continues = this.chain === 0 || this.chain === this.crc;
    this.chain = this.crc;
    return continues;
  }

  private more(bytes: number): 'more' {
    this.wanted = bytes;
    return 'more';
  }

  private torn(problem: string): ReadResult {
    this.problem = problem;
    return this.isLast ? 'torn' : 'corrupt';
  }

  /**
   * A write was torn if a whole sector's share of the record is zeros: space is zero before it is written, and a disk
   * writes sectors whole. Anything else is damage, as is everything in a segment that has a successor.
   */
  private damaged(start: number, end: number, problem: string): ReadResult {
    this.problem = problem;
    if (!this.isLast) return 'corrupt';
    let fileOffset = this.offset + LENGTH_BYTES;
    for (let at = start; at < end;) {
      const stop = Math.min(end, at + SECTOR_BYTES - (fileOffset % SECTOR_BYTES));
      let zeros = true;
      for (let i = at; zeros && i < stop; i++) zeros = this.buffer[i] === 0;
      if (zeros) return 'torn';
      fileOffset += stop - at;
      at = stop;
    }
    return 'corrupt';
  }

  /** The order and the fields that every encoder writes; false for anything else. */
  private parseUsual(start: number, end: number): boolean {
    const { buffer } = this;
    if (end - start < 4 || buffer[start] !== 0x08 || buffer[start + 1]! > 127 || buffer[start + 2] !== 0x10) {
      return false;
    }
    let at = start + 3;
    let crc = 0;
    for (let shift = 0; ; shift += 7) {
      if (at >= end || shift > 28) return false;
      const byte = buffer[at++]!;
      crc |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    this.type = buffer[start + 1]!;
    this.crc = crc >>> 0;
    this.hasData = at < end;
    this.dataStart = 0;
    this.dataEnd = 0;
    if (at === end) return true;
    if (buffer[at++] !== 0x1a) return false;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      if (at >= end || shift > 21) return false;
      const byte = buffer[at++]!;
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    this.dataStart = at;
    this.dataEnd = end;
    return at + length === end;
  }

  /** walpb.Record in buffer[start, end): what is wrong with it, or null. */
  private parse(start: number, end: number): string | null {
    if (this.parseUsual(start, end)) return null;
    this.type = 0;
    this.crc = 0;
    this.hasData = false;
    this.dataStart = 0;
    this.dataEnd = 0;
    const reader = new Reader(this.buffer, start, end);
    try {
      while (!reader.done) {
        const tag = reader.varint('Record tag');
        if (tag === 0x08) this.type = reader.varint('Record.type');
        else if (tag === 0x10) this.crc = reader.uint32();
        else if (tag === 0x1a) {
          const dataEnd = reader.lengthEnd('Record.data');
          this.hasData = true;
          this.dataStart = reader.at;
          this.dataEnd = dataEnd;
          reader.at = dataEnd;
        } else if (tag >>> 3 === 0) return 'field number 0';
        else reader.skip(tag);
      }
    } catch (error) {
      if (error instanceof DecodeError) return error.message;
      throw error;
    }
    return null;
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}
