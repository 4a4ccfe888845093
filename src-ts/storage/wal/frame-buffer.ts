/** Frames WAL records into a buffer that is written in one piece and then used again. */
import type { EntryBatch } from '../../core/entry-batch.ts';
import type { Crc32c } from '../crc32c.ts';
import type { StorageBinding } from '../native-binding.ts';
import { FRAME_OVERHEAD_BYTES, LENGTH_BYTES, RecordType } from './wal-record.ts';

/** The rolling checksum over all record data so far: one element, shared by all buffers of a WAL. */
export type CrcChain = Uint32Array;

const PADDING_FLAG = 0x80;

function putVarint(target: Uint8Array, at: number, value: number): number {
  while (value >= 128) {
    target[at++] = (value & 127) | 128;
    value >>>= 7;
  }
  target[at++] = value;
  return at;
}

/**
 * Writes one frame: length word, record, zero padding to eight bytes; returns its end. `source` null is a record
 * without data; the caller has made room. Updates the chain.
 */
export function frameRecord(
  target: Uint8Array,
  at: number,
  type: RecordType,
  source: Uint8Array | null,
  start: number,
  end: number,
  chain: CrcChain,
  crc32c: Crc32c,
): number {
  const record = at + LENGTH_BYTES;
  let p = record;
  target[p++] = 0x08;
  target[p++] = type;
  target[p++] = 0x10;
  if (source === null) p = putVarint(target, p, chain[0]!);
  else {
    const length = end - start;
    const crc = crc32c(chain[0]!, source, start, end);
    chain[0] = crc;
    p = putVarint(target, p, crc);
    target[p++] = 0x1a;
    p = putVarint(target, p, length);
    if (length < 32) for (let i = start; i < end; i++) target[p + i - start] = source[i]!;
    else target.set(start === 0 && end === source.length ? source : source.subarray(start, end), p);
    p += length;
  }
  const recordBytes = p - record;
  const padding = -recordBytes & 7;
  for (let i = 0; i < padding; i++) target[p++] = 0;
  target[at] = recordBytes & 255;
  target[at + 1] = (recordBytes >>> 8) & 255;
  target[at + 2] = (recordBytes >>> 16) & 255;
  target[at + 3] = recordBytes >>> 24;
  target[at + 4] = 0;
  target[at + 5] = 0;
  target[at + 6] = 0;
  target[at + 7] = padding === 0 ? 0 : PADDING_FLAG | padding;
  return p;
}

/** A buffer larger than this is not kept for reuse. */
const KEEP_BYTES_MAX = 4 << 20;
const FIRST_BYTES = 256 << 10;

export class FrameBuffer {
  bytes: Uint8Array;
  length = 0;
  private readonly binding: StorageBinding | null;
  private readonly crc32c: Crc32c;
  private starts: Uint32Array = new Uint32Array(256);

  constructor(binding: StorageBinding | null, crc32c: Crc32c) {
    this.bytes = new Uint8Array(FIRST_BYTES);
    this.binding = binding;
    this.crc32c = crc32c;
  }

  clear(): void {
    this.length = 0;
    if (this.bytes.length > KEEP_BYTES_MAX) this.bytes = new Uint8Array(FIRST_BYTES);
  }

  private reserve(size: number): void {
    const needed = this.length + size;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.bytes.length));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  addRecord(type: RecordType, data: Uint8Array | null, chain: CrcChain): void {
    const size = data === null ? 0 : data.length;
    this.reserve(size + FRAME_OVERHEAD_BYTES);
    this.length = frameRecord(this.bytes, this.length, type, data, 0, size, chain, this.crc32c);
  }

  addEntries(batch: EntryBatch, chain: CrcChain): void {
    const { count } = batch;
    if (count === 0) return;
    this.reserve(batch.encodedSize + count * FRAME_OVERHEAD_BYTES);
    if (this.binding === null) {
      for (let i = 0; i < count; i++) {
        this.length = frameRecord(
          this.bytes,
          this.length,
          RecordType.Entry,
          batch.bytes,
          batch.start(i),
          batch.end(i),
          chain,
          this.crc32c,
        );
      }
      return;
    }
    if (this.starts.length < count) this.starts = new Uint32Array(Math.max(count, 2 * this.starts.length));
    const { starts } = this;
    const ends = batch.ends.subarray(batch.offset, batch.offset + count);
    starts[0] = batch.startByte;
    for (let i = 1; i < count; i++) starts[i] = ends[i - 1]!;
    this.length = this.binding.frameRecords(
      this.bytes,
      this.length,
      RecordType.Entry,
      batch.bytes,
      starts,
      ends,
      count,
      chain,
    );
  }
}
