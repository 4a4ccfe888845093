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
/** Blocks of the file: memory whose place within a block is that of the file is written without another copy. */
const BLOCK_BYTES = 4096;

/** Frames of one write: `bytes` from `start` on. Whoever writes them may use what lies around them in `bytes`. */
export class FrameBuffer {
  bytes: Uint8Array;
  /** Where the frames start in `bytes`. */
  start: number;
  length = 0;
  private readonly binding: StorageBinding | null;
  private readonly crc32c: Crc32c;
  private starts: Uint32Array = new Uint32Array(256);
  /** Of the file position, within its block. */
  private lead = 0;

  constructor(binding: StorageBinding | null, crc32c: Crc32c) {
    this.binding = binding;
    this.bytes = new Uint8Array(FIRST_BYTES);
    this.start = this.startIn(this.bytes);
    this.crc32c = crc32c;
  }

  /** Begins anew, for frames that will be written at this position of a file. */
  clear(position: number): void {
    this.length = 0;
    this.lead = position % BLOCK_BYTES;
    if (this.bytes.length > KEEP_BYTES_MAX) this.bytes = new Uint8Array(FIRST_BYTES);
    this.start = this.startIn(this.bytes);
  }

  private startIn(bytes: Uint8Array): number {
    return (this.binding?.blockOffset(bytes) ?? 0) + this.lead;
  }

  private get end(): number {
    return this.start + this.length;
  }

  private reserve(size: number): void {
    const needed = this.end + size + BLOCK_BYTES;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed + BLOCK_BYTES, 2 * this.bytes.length));
    const start = this.startIn(grown);
    grown.set(this.bytes.subarray(this.start, this.end), start);
    this.bytes = grown;
    this.start = start;
  }

  addRecord(type: RecordType, data: Uint8Array | null, chain: CrcChain): void {
    const size = data === null ? 0 : data.length;
    this.reserve(size + FRAME_OVERHEAD_BYTES);
    const end = frameRecord(this.bytes, this.end, type, data, 0, size, chain, this.crc32c);
    this.length = end - this.start;
  }

  addEntries(batch: EntryBatch, chain: CrcChain): void {
    const { count } = batch;
    if (count === 0) return;
    this.reserve(batch.encodedSize + count * FRAME_OVERHEAD_BYTES);
    if (this.binding === null) {
      for (let i = 0; i < count; i++) {
        const end = frameRecord(
          this.bytes,
          this.end,
          RecordType.Entry,
          batch.bytes,
          batch.start(i),
          batch.end(i),
          chain,
          this.crc32c,
        );
        this.length = end - this.start;
      }
      return;
    }
    if (this.starts.length < count) this.starts = new Uint32Array(Math.max(count, 2 * this.starts.length));
    const { starts } = this;
    const ends = batch.ends.subarray(batch.offset, batch.offset + count);
    starts[0] = batch.startByte;
    for (let i = 1; i < count; i++) starts[i] = ends[i - 1]!;
    const end = this.binding.frameRecords(
      this.bytes,
      this.end,
      RecordType.Entry,
      batch.bytes,
      starts,
      ends,
      count,
      chain,
    );
    this.length = end - this.start;
  }
}
