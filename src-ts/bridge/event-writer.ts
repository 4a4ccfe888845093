import { RECORD_HEADER_BYTES, RecordFlag } from './protocol.generated.ts';
import { BridgeError, type Region } from './region.ts';
import type { RingWriter } from './ring-writer.ts';

/** Bytes of records that may wait for a host that does not read its ring; beyond it the host counts as broken. */
const MAX_BACKLOG_BYTES = 512 * 1024 * 1024;
/** Sent records are let go of when so many lie in front. */
const COMPACT_RECORDS = 1024;

interface Waiting {
  readonly type: number;
  readonly id: number;
  readonly payload: Uint8Array;
}

/**
 * Records to the host that are never refused: what finds no room waits here, in order. Replies and completions answer
 * what the host asked, and messages have a bound of their own, so that a host that reads its ring never gets to the bound.
 */
export class EventWriter {
  private readonly region: Region;
  private readonly ring: RingWriter;
  private readonly onBroken: (error: BridgeError) => void;
  private readonly waiting: Waiting[] = [];
  private first = 0;
  /** Payload bytes of the first waiting record that have gone out. */
  private done = 0;
  backlogBytes = 0;

  /** `onBroken` is told once when the bound is reached; what is written from then on is dropped. */
  constructor(region: Region, ring: RingWriter, onBroken: (error: BridgeError) => void) {
    this.region = region;
    this.ring = ring;
    this.onBroken = onBroken;
  }

  get isIdle(): boolean {
    return this.first === this.waiting.length;
  }

  /** The most payload of a record that travels whole. */
  get recordBytes(): number {
    return this.ring.chunkBytes;
  }

  /** Takes the payload; it must not change afterwards. */
  write(type: number, id: number, payload: Uint8Array): void {
    if (this.backlogBytes > MAX_BACKLOG_BYTES) return;
    this.waiting.push({ type, id, payload });
    this.backlogBytes += RECORD_HEADER_BYTES + payload.length;
    if (this.waiting.length - this.first === 1) this.flush();
    if (this.backlogBytes > MAX_BACKLOG_BYTES)
      this.onBroken(new BridgeError('the host has not read its events for too long'));
  }

  /** Sends what waits, as far as there is room; where there is none, the host has been asked to tell. */
  flush(): void {
    while (!this.isIdle) {
      const record = this.waiting[this.first]!;
      if (!this.send(record)) return;
      this.done = 0;
      this.first++;
      this.backlogBytes -= RECORD_HEADER_BYTES + record.payload.length;
      if (this.first === this.waiting.length || this.first >= COMPACT_RECORDS) {
        this.waiting.splice(0, this.first);
        this.first = 0;
      }
    }
  }

  /** Sends at once or not at all; for what may be lost. */
  tryWrite(type: number, id: number, payload: Uint8Array): boolean {
    if (!this.isIdle) return false;
    const at = this.ring.reserve(payload.length);
    if (at < 0) return false;
    this.region.bytes.set(payload, at);
    this.ring.publish(type, 0, id, payload.length);
    return true;
  }

  private send(record: Waiting): boolean {
    const { payload } = record;
    do {
      const length = Math.min(payload.length - this.done, this.ring.chunkBytes);
      let at = this.ring.reserve(length);
      if (at < 0) {
        if (!this.ring.awaitRoom(length)) return false;
        at = this.ring.reserve(length);
        if (at < 0) return false;
      }
      this.region.bytes.set(payload.subarray(this.done, this.done + length), at);
      let flags = 0;
      if (this.done > 0) flags |= RecordFlag.CONTINUATION;
      if (this.done + length < payload.length) flags |= RecordFlag.MORE;
      this.ring.publish(record.type, flags, record.id, payload.length);
      this.done += length;
    } while (this.done < payload.length);
    return true;
  }
}
