import {
  PAD_HEADER_BYTES,
  RECORD_ALIGNMENT_BYTES,
  RECORD_FLAGS_AT,
  RECORD_HEADER_BYTES,
  RECORD_ID_AT,
  RECORD_LENGTH_AT,
  RECORD_TOTAL_AT,
  RECORD_TYPE_AT,
  RecordFlag,
  RecordType,
  RING_HEAD,
  RING_HEADER_BYTES,
  RING_PRODUCER_WAITING,
  RING_TAIL,
} from './protocol.generated.ts';
import { BridgeError, type Region } from './region.ts';

/**
 * The engine's end of a ring from the host. `next` steps through records without freeing them; `release` frees all that
 * have been stepped through. The fields describe the current record; its payload is `bytes[dataAt, dataAt + length)` of
 * the region and valid until `release`. The host may be dying: every record is checked.
 */
export class RingReader {
  type = 0;
  flags = 0;
  length = 0;
  id = 0;
  total = 0;
  dataAt = 0;
  private readonly region: Region;
  private readonly name: string;
  private readonly at: number;
  private readonly size: number;
  private cursor: number;
  private released: number;

  constructor(region: Region, at: number, size: number, name: string) {
    this.region = region;
    this.at = at;
    this.size = size;
    this.name = name;
    this.cursor = region.load(at + RING_HEAD);
    this.released = this.cursor;
  }

  get isEmpty(): boolean {
    return this.region.load(this.at + RING_TAIL) === this.cursor;
  }

  /** Bytes that wait to be read. */
  get waitingBytes(): number {
    return (this.region.load(this.at + RING_TAIL) - this.cursor) >>> 0;
  }

  get continues(): boolean {
    return (this.flags & RecordFlag.CONTINUATION) !== 0;
  }

  get hasMore(): boolean {
    return (this.flags & RecordFlag.MORE) !== 0;
  }

  /** Steps to the next record; false when there is none. */
  next(): boolean {
    const { region } = this;
    for (;;) {
      const tail = region.load(this.at + RING_TAIL);
      const available = (tail - this.cursor) >>> 0;
      if (available === 0) return false;
      if (available > this.size || available % RECORD_ALIGNMENT_BYTES !== 0)
        throw this.broken(`position ${tail}`);
      const offset = this.cursor & (this.size - 1);
      const contiguous = this.size - offset;
      const at = this.at + RING_HEADER_BYTES + offset;
      const length = region.words[(at + RECORD_LENGTH_AT) >>> 2]!;
      const type = region.view.getUint16(at + RECORD_TYPE_AT, true);
      if (type === RecordType.PAD) {
        if (length + PAD_HEADER_BYTES !== contiguous || contiguous > available) throw this.broken('a pad');
        this.cursor = (this.cursor + contiguous) >>> 0;
        continue;
      }
      // Before `align`, which counts in 32 bits.
      if (length > this.size / 4 - RECORD_HEADER_BYTES) throw this.broken(`length ${length}`);
      const size = align(length + RECORD_HEADER_BYTES);
      if (size > contiguous || size > available) throw this.broken(`length ${length}`);
      this.type = type;
      this.flags = region.view.getUint16(at + RECORD_FLAGS_AT, true);
      this.length = length;
      this.id = region.u64(at + RECORD_ID_AT);
      this.total = region.u64(at + RECORD_TOTAL_AT);
      this.dataAt = at + RECORD_HEADER_BYTES;
      if (this.continues || this.hasMore ? this.total < length : this.total !== length) {
        throw this.broken(`total ${this.total}`);
      }
      this.cursor = (this.cursor + size) >>> 0;
      return true;
    }
  }

  /** Frees everything stepped through, and wakes host threads that wait for room. */
  release(): void {
    if (this.cursor === this.released) return;
    this.released = this.cursor;
    const { region } = this;
    region.store(this.at + RING_HEAD, this.cursor);
    const waiting = this.at + RING_PRODUCER_WAITING;
    if (region.take(waiting)) region.binding.wakeHost(waiting);
  }

  /** The error to throw for a record that makes no sense. */
  broken(what: string): BridgeError {
    return new BridgeError(`the host's ${this.name} ring is broken: ${what}`);
  }

  /** Copies the current payload from `skip` on. */
  copy(skip = 0): Uint8Array {
    return this.region.bytes.slice(this.dataAt + skip, this.dataAt + this.length);
  }
}

/** Up to the next multiple of RECORD_ALIGNMENT_BYTES; below 2^31. */
export function align(bytes: number): number {
  return (bytes + (RECORD_ALIGNMENT_BYTES - 1)) & ~(RECORD_ALIGNMENT_BYTES - 1);
}
