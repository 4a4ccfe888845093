import { RecordFlag } from './protocol.generated.ts';
import { BridgeError, type Region } from './region.ts';
import type { RingWriter } from './ring-writer.ts';

/** Bytes of records that may wait for a host that does not read its ring; beyond it the host counts as broken. */
const MAX_WAITING_BYTES = 256 * 1024 * 1024;

interface Waiting {
  readonly type: number;
  readonly id: number;
  readonly payload: Uint8Array;
  /** Bytes that have gone out. */
  done: number;
}

/** Records to the host that are never refused: what finds no room waits here, in order. */
export class EventWriter {
  private readonly region: Region;
  private readonly ring: RingWriter;
  private readonly waiting: Waiting[] = [];
  private waitingBytes = 0;

  constructor(region: Region, ring: RingWriter) {
    this.region = region;
    this.ring = ring;
  }

  get isIdle(): boolean {
    return this.waiting.length === 0;
  }

  /** The most payload of a record that travels whole. */
  get recordBytes(): number {
    return this.ring.chunkBytes;
  }

  /** Takes the payload; it must not change afterwards. */
  write(type: number, id: number, payload: Uint8Array): void {
    const record: Waiting = { type, id, payload, done: 0 };
    if (this.waiting.length === 0 && this.send(record)) return;
    if (this.waitingBytes + payload.length > MAX_WAITING_BYTES) {
      throw new BridgeError('the host has not read its events for too long');
    }
    this.waiting.push(record);
    this.waitingBytes += payload.length;
  }

  /** Sends what waits, as far as there is room. */
  flush(): void {
    while (this.waiting.length > 0) {
      const record = this.waiting[0]!;
      if (!this.send(record)) return;
      this.waiting.shift();
      this.waitingBytes -= record.payload.length;
    }
  }

  /** Sends at once or not at all; for what may be lost. */
  tryWrite(type: number, id: number, payload: Uint8Array): boolean {
    if (this.waiting.length > 0) return false;
    const at = this.ring.reserve(payload.length);
    if (at < 0) return false;
    this.region.bytes.set(payload, at);
    this.ring.publish(type, 0, id, payload.length);
    return true;
  }

  private send(record: Waiting): boolean {
    const { payload } = record;
    do {
      const length = Math.min(payload.length - record.done, this.ring.chunkBytes);
      let at = this.ring.reserve(length);
      if (at < 0) {
        if (!this.ring.awaitRoom(length)) return false;
        at = this.ring.reserve(length);
        if (at < 0) return false;
      }
      this.region.bytes.set(payload.subarray(record.done, record.done + length), at);
      let flags = 0;
      if (record.done > 0) flags |= RecordFlag.CONTINUATION;
      if (record.done + length < payload.length) flags |= RecordFlag.MORE;
      this.ring.publish(record.type, flags, record.id, payload.length);
      record.done += length;
    } while (record.done < payload.length);
    return true;
  }
}
