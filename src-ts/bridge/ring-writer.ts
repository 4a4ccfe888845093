import {
  PAD_HEADER_BYTES,
  RECORD_FLAGS_AT,
  RECORD_HEADER_BYTES,
  RECORD_ID_AT,
  RECORD_LENGTH_AT,
  RECORD_TOTAL_AT,
  RECORD_TYPE_AT,
  RecordType,
  RING_CONSUMER_PARKED,
  RING_HEAD,
  RING_HEADER_BYTES,
  RING_PRODUCER_WAITING,
  RING_TAIL,
} from './protocol.generated.ts';
import type { Region } from './region.ts';
import { align } from './ring-reader.ts';

/**
 * The engine's end of a ring to the host: `reserve`, fill the payload in place, `publish`. When there is no room,
 * `awaitRoom` asks the host for its doorbell once some is free.
 */
export class RingWriter {
  /** The most payload of one record; larger payloads travel in chunks. */
  readonly chunkBytes: number;
  private readonly region: Region;
  private readonly at: number;
  private readonly size: number;
  private tail: number;
  private start = 0;
  private reserved = 0;

  constructor(region: Region, at: number, size: number) {
    this.region = region;
    this.at = at;
    this.size = size;
    this.chunkBytes = size / 4 - RECORD_HEADER_BYTES;
    this.tail = region.load(at + RING_TAIL);
  }

  private get free(): number {
    const used = (this.tail - this.region.load(this.at + RING_HEAD)) >>> 0;
    // A head out of range is a dying host's: no room then.
    return used > this.size ? 0 : this.size - used;
  }

  /** Bytes that the host has not read. */
  get waitingBytes(): number {
    return this.size - this.free;
  }

  /** Payload bytes that `reserve` would take now, at most `chunkBytes`; may be negative. */
  available(): number {
    const { free } = this;
    const contiguous = this.size - (this.tail & (this.size - 1));
    const room = Math.max(Math.min(contiguous, free), free - contiguous) - RECORD_HEADER_BYTES;
    return Math.min(room, this.chunkBytes);
  }

  /** Room for a record with this payload: the offset of the payload in the region, or -1. */
  reserve(length: number): number {
    const size = align(length + RECORD_HEADER_BYTES);
    const offset = this.tail & (this.size - 1);
    const contiguous = this.size - offset;
    const pad = contiguous < size ? contiguous : 0;
    if (pad + size > this.free) return -1;
    if (pad !== 0)
      this.writeHead(this.at + RING_HEADER_BYTES + offset, pad - PAD_HEADER_BYTES, RecordType.PAD, 0);
    this.start = (this.tail + pad) >>> 0;
    this.reserved = length;
    return this.at + RING_HEADER_BYTES + (this.start & (this.size - 1)) + RECORD_HEADER_BYTES;
  }

  /** Makes the reserved record visible, with its first `length` payload bytes, and wakes a host that sleeps. */
  publish(type: number, flags: number, id: number, total: number, length = this.reserved): void {
    const { region } = this;
    const at = this.at + RING_HEADER_BYTES + (this.start & (this.size - 1));
    this.writeHead(at, length, type, flags);
    region.setU64(at + RECORD_ID_AT, id);
    region.setU64(at + RECORD_TOTAL_AT, total);
    this.tail = (this.start + align(length + RECORD_HEADER_BYTES)) >>> 0;
    region.store(this.at + RING_TAIL, this.tail);
    const parked = this.at + RING_CONSUMER_PARKED;
    if (region.take(parked)) region.binding.wakeHost(parked);
  }

  private writeHead(at: number, length: number, type: number, flags: number): void {
    const { view } = this.region;
    view.setUint32(at + RECORD_LENGTH_AT, length, true);
    view.setUint16(at + RECORD_TYPE_AT, type, true);
    view.setUint16(at + RECORD_FLAGS_AT, flags, true);
  }

  /** Asks for the doorbell when the host frees room. True when there is room for `length` already. */
  awaitRoom(length: number): boolean {
    const waiting = this.at + RING_PRODUCER_WAITING;
    if (this.available() >= length) return true;
    this.region.store(waiting, 1);
    // Looked at once more: the host may have freed room before it could see the word.
    if (this.available() < length) return false;
    this.region.store(waiting, 0);
    return true;
  }
}
