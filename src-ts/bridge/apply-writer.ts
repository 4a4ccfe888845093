import type { EntryBatch } from '../core/entry-batch.ts';
import { EntryType } from '../core/entry-batch.ts';
import { RecordFlag, RecordType } from './protocol.generated.ts';
import type { Region } from './region.ts';
import { align } from './ring-reader.ts';
import type { RingWriter } from './ring-writer.ts';

const BATCH_HEADER_BYTES = 24;
const ENTRY_HEADER_BYTES = 8;
const LARGE_HEADER_BYTES = 16;

/** One entry that is larger than a record: its chunks go out as there is room. */
interface LargeEntry {
  readonly index: number;
  readonly term: number;
  readonly data: Uint8Array;
  done: number;
}

/** Committed entries and snapshots into the apply ring, straight from the log's buffers. */
export class ApplyWriter {
  private readonly region: Region;
  private readonly ring: RingWriter;
  private large: LargeEntry | null = null;
  /** A restore is under way: its chunks may not be interrupted. */
  private restoring = false;
  private roomWaiters: (() => void)[] = [];
  /** Something was refused for want of room. */
  private short = false;

  constructor(region: Region, ring: RingWriter) {
    this.region = region;
    this.ring = ring;
  }

  /** Returns how many entries were taken. */
  apply(batch: EntryBatch): number {
    let taken = 0;
    if (this.large !== null || this.restoring) {
      this.short = true;
      return 0;
    }
    while (taken < batch.count) {
      const size = batch.dataSize(taken);
      if (size + BATCH_HEADER_BYTES + ENTRY_HEADER_BYTES > this.ring.chunkBytes) {
        const { firstIndex, term } = batch;
        this.large = { index: firstIndex + taken, term, data: batch.data(taken), done: 0 };
        taken++;
        if (!this.pumpLarge()) break;
        continue;
      }
      const count = this.writeRecord(batch, taken);
      if (count === 0) {
        if (this.ring.awaitRoom(BATCH_HEADER_BYTES + ENTRY_HEADER_BYTES + align(size))) continue;
        break;
      }
      taken += count;
    }
    if (taken < batch.count) this.short = true;
    return taken;
  }

  /** As many entries from `from` on as one record holds now. */
  private writeRecord(batch: EntryBatch, from: number): number {
    const room = this.ring.available();
    let length = BATCH_HEADER_BYTES;
    let count = 0;
    while (from + count < batch.count) {
      const needed = ENTRY_HEADER_BYTES + align(batch.dataSize(from + count));
      if (length + needed > room) break;
      length += needed;
      count++;
    }
    if (count === 0) return 0;
    const start = this.ring.reserve(length);
    if (start < 0) return 0;
    const { bytes, words } = this.region;
    this.region.setU64(start, batch.firstIndex + from);
    this.region.setU64(start + 8, batch.term);
    words[(start + 16) >>> 2] = count;
    words[(start + 20) >>> 2] = 0;
    let at = start + BATCH_HEADER_BYTES;
    for (let i = from; i < from + count; i++) {
      const dataStart = batch.dataStart(i);
      const dataEnd = batch.end(i);
      const size = dataEnd - dataStart;
      words[at >>> 2] = size;
      words[(at + 4) >>> 2] = size === 0 || batch.type(i) !== EntryType.Normal ? 1 : 0;
      at += ENTRY_HEADER_BYTES;
      if (size > 0) bytes.set(batch.bytes.subarray(dataStart, dataEnd), at);
      at += align(size);
    }
    this.ring.publish(RecordType.COMMIT_BATCH, 0, 0, length);
    return count;
  }

  /** True when the large entry has gone out whole. */
  private pumpLarge(): boolean {
    const { large } = this;
    if (large === null) return true;
    const total = LARGE_HEADER_BYTES + large.data.length;
    while (large.done < total) {
      const first = large.done === 0;
      const length = Math.min(total - large.done, this.ring.chunkBytes);
      const at = this.ring.reserve(length);
      if (at < 0) {
        if (this.ring.awaitRoom(length)) continue;
        return false;
      }
      let target = at;
      let from = large.done - LARGE_HEADER_BYTES;
      if (first) {
        this.region.setU64(at, large.index);
        this.region.setU64(at + 8, large.term);
        target += LARGE_HEADER_BYTES;
        from = 0;
      }
      const to = large.done + length - LARGE_HEADER_BYTES;
      this.region.bytes.set(large.data.subarray(from, to), target);
      this.ring.publish(RecordType.COMMIT_LARGE, chunkFlags(large.done, length, total), 0, total);
      large.done += length;
    }
    this.large = null;
    return true;
  }

  /** Called when the host may have freed room. Returns true when `apply` should be tried again. */
  poll(): boolean {
    if (!this.pumpLarge()) return false;
    const waiters = this.roomWaiters;
    if (waiters.length > 0) {
      this.roomWaiters = [];
      for (const wake of waiters) wake();
    }
    if (!this.short || this.restoring) return false;
    this.short = false;
    return true;
  }

  /** A record without data of its own, in order with the entries. Resolves once it is in the ring. */
  async request(type: number, id: number, payload: Uint8Array): Promise<void> {
    const at = await this.reserve(payload.length);
    this.region.bytes.set(payload, at);
    this.ring.publish(type, 0, id, payload.length);
  }

  private async reserve(length: number): Promise<number> {
    for (;;) {
      if (this.large === null) {
        const at = this.ring.reserve(length);
        if (at >= 0) return at;
        if (this.ring.awaitRoom(length)) continue;
      }
      await new Promise<void>((resolve) => this.roomWaiters.push(resolve));
    }
  }

  /** Streams a snapshot of `dataBytes` bytes to the host; resolves when all of it is in the ring. */
  async restore(
    index: number,
    term: number,
    dataBytes: number,
    read: (chunk: (bytes: Uint8Array) => Promise<void> | void) => Promise<void>,
  ): Promise<void> {
    this.restoring = true;
    try {
      const total = LARGE_HEADER_BYTES + dataBytes;
      let done = 0;
      const send = async (bytes: Uint8Array): Promise<void> => {
        let from = 0;
        do {
          const header = done === 0 ? LARGE_HEADER_BYTES : 0;
          const length = Math.min(bytes.length - from + header, this.ring.chunkBytes);
          let at = await this.reserve(length);
          const start = done;
          if (header > 0) {
            this.region.setU64(at, index);
            this.region.setU64(at + 8, term);
            at += header;
          }
          const to = from + length - header;
          this.region.bytes.set(bytes.subarray(from, to), at);
          done += length;
          from = to;
          this.ring.publish(RecordType.RESTORE_SNAPSHOT, chunkFlags(start, length, total), 0, total);
        } while (from < bytes.length);
      };
      if (dataBytes === 0) await send(new Uint8Array(0));
      else await read(send);
    } finally {
      this.restoring = false;
      this.short = true;
    }
  }
}

function chunkFlags(done: number, length: number, total: number): number {
  return (done > 0 ? RecordFlag.CONTINUATION : 0) | (done + length < total ? RecordFlag.MORE : 0);
}
