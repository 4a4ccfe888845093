import type { EntryBatch } from '../core/entry-batch.ts';
import { EntryType } from '../core/entry-batch.ts';
import { RUN_ENTRIES_MIN } from '../core/entry-runs.ts';
import type { SnapshotChunks } from '../server/api.ts';
import type { OwnSequences } from '../server/own-proposals.ts';
import { type ApplyJob, LargeEntryJob, RequestJob, RestoreJob } from './apply-jobs.ts';
import { RecordType } from './protocol.generated.ts';
import type { Region } from './region.ts';
import { align } from './ring-reader.ts';
import type { RingWriter } from './ring-writer.ts';

const BATCH_HEADER_BYTES = 24;
const ENTRY_HEADER_BYTES = 8;
const SEQUENCE_BYTES = 8;
/** Bits of an entry's kind. */
const NOT_FOR_HOST = 1;
const HAS_SEQUENCE = 2;
/** Up to this size a loop copies quicker than a call that needs a view. */
const LOOP_COPY_BYTES = 32;

/**
 * Committed entries, snapshots and requests into the apply ring, in the order in which they are given. What does not fit
 * into one record, or has to wait, is a job; while there is one, no entry is taken.
 */
export class ApplyWriter {
  private readonly region: Region;
  private readonly ring: RingWriter;
  private readonly onFinished: () => void;
  /** Bound: one large entry, one restore (the server has one at a time), one snapshot request a server. */
  private readonly jobs: ApplyJob[] = [];
  /** Payload bytes that the refused entry needs; 0 when nothing was refused. */
  private refusedBytes = 0;
  private closed: Error | null = null;

  /** `onFinished`: a job has ended outside of `poll`, so a poll may have something to tell. */
  constructor(region: Region, ring: RingWriter, onFinished: () => void) {
    this.region = region;
    this.ring = ring;
    this.onFinished = onFinished;
  }

  /** Returns how many entries were taken, from the front; fewer than there are when there is no room. */
  apply(batch: EntryBatch, own: OwnSequences | null = null): number {
    if (this.closed !== null) return 0;
    this.pump();
    let taken = 0;
    while (taken < batch.count) {
      const sequence = own?.sequenceOf(batch.firstIndex + taken, batch.term) ?? -1;
      const needed = BATCH_HEADER_BYTES + entryBytes(batch.dataSize(taken), sequence);
      if (this.jobs.length > 0) {
        this.refusedBytes = Math.min(needed, this.ring.chunkBytes);
        break;
      }
      if (needed > this.ring.chunkBytes) {
        this.jobs.push(
          new LargeEntryJob(
            this.region,
            this.ring,
            Math.max(sequence, 0),
            batch.firstIndex + taken,
            batch.term,
            batch.data(taken),
          ),
        );
        taken++;
        this.pump();
        continue;
      }
      const count = this.writeRecord(batch, taken, own);
      taken += count;
      if (count === 0 && !this.ring.awaitRoom(needed)) {
        this.refusedBytes = needed;
        break;
      }
    }
    return taken;
  }

  /** As many entries from `from` on as one record holds now. */
  private writeRecord(batch: EntryBatch, from: number, own: OwnSequences | null): number {
    const room = this.ring.available();
    let length = BATCH_HEADER_BYTES;
    let count = 0;
    while (from + count < batch.count) {
      const sequence = own === null ? -1 : own.sequenceOf(batch.firstIndex + from + count, batch.term);
      const needed = entryBytes(batch.dataSize(from + count), sequence);
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
    const source = batch.bytes;
    let at = start + BATCH_HEADER_BYTES;
    if (own === null && batch.types === null && count >= RUN_ENTRIES_MIN) {
      const first = batch.offset + from;
      this.region.binding.writePayloads(at, source, batch.dataStarts, batch.ends, first, count);
      this.ring.publish(RecordType.COMMIT_BATCH, 0, 0, length);
      return count;
    }
    for (let i = from; i < from + count; i++) {
      const dataStart = batch.dataStart(i);
      const dataEnd = batch.end(i);
      const size = dataEnd - dataStart;
      words[at >>> 2] = size;
      const sequence = own === null ? -1 : own.sequenceOf(batch.firstIndex + i, batch.term);
      words[(at + 4) >>> 2] =
        (size === 0 || batch.type(i) !== EntryType.Normal ? NOT_FOR_HOST : 0) |
        (sequence < 0 ? 0 : HAS_SEQUENCE);
      at += ENTRY_HEADER_BYTES;
      if (sequence >= 0) {
        this.region.setU64(at, sequence);
        at += SEQUENCE_BYTES;
      }
      if (size <= LOOP_COPY_BYTES) for (let j = 0; j < size; j++) bytes[at + j] = source[dataStart + j]!;
      else bytes.set(source.subarray(dataStart, dataEnd), at);
      at += align(size);
    }
    this.ring.publish(RecordType.COMMIT_BATCH, 0, 0, length);
    return count;
  }

  /** Goes on with what waits. True when entries were refused and there is room for them now. */
  poll(): boolean {
    this.pump();
    if (this.jobs.length > 0 || this.refusedBytes === 0) return false;
    if (!this.ring.awaitRoom(this.refusedBytes)) return false;
    this.refusedBytes = 0;
    return true;
  }

  private pump(): void {
    while (this.jobs.length > 0 && this.jobs[0]!.advance()) this.jobs.shift();
  }

  private add(job: ApplyJob): void {
    this.jobs.push(job);
    this.pump();
  }

  /** A record without data of its own, in order with the entries. Resolves once it is in the ring. */
  request(type: number, id: number, payload: Uint8Array): Promise<void> {
    if (this.closed !== null) return Promise.reject(this.closed);
    return new Promise((resolve, reject) => {
      this.add(new RequestJob(this.region, this.ring, type, id, payload, { resolve, reject }));
    });
  }

  /** Streams a snapshot of `dataBytes` bytes to the host; resolves when all of it is in the ring. */
  async restore(index: number, term: number, dataBytes: number, read: SnapshotChunks): Promise<void> {
    if (this.closed !== null) throw this.closed;
    const job = new RestoreJob(this.region, this.ring, index, term, dataBytes, () => {
      this.pump();
    });
    this.add(job);
    try {
      if (dataBytes > 0) await read((bytes) => job.send(bytes));
      await job.finish();
    } catch (error) {
      job.fail();
      throw error;
    } finally {
      this.pump();
      this.onFinished();
    }
  }

  /** The server has ended: what waits is given up with this error, and nothing is taken any more. */
  close(error: Error): void {
    if (this.closed !== null) return;
    this.closed = error;
    this.refusedBytes = 0;
    for (const job of this.jobs.splice(0)) job.abandon(error);
  }
}

function entryBytes(dataBytes: number, sequence: number): number {
  return ENTRY_HEADER_BYTES + (sequence < 0 ? 0 : SEQUENCE_BYTES) + align(dataBytes);
}
