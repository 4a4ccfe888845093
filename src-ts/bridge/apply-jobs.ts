/** What goes to the host through the apply ring, and does not fit into it at once. */
import { ErrorCode } from '../core/codes.generated.ts';
import { ServerError } from '../server/api.ts';
import { RecordFlag, RecordType } from './protocol.generated.ts';
import type { Region } from './region.ts';
import type { RingWriter } from './ring-writer.ts';

const LARGE_HEADER_BYTES = 16;

export interface ApplyJob {
  /** Writes what the ring has room for; true when the job is over. When not, a ring without room has been asked to tell. */
  advance(): boolean;
  abandon(error: Error): void;
}

interface Settle {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** The chunks of one payload that begins with index and term: never with another record in between. */
class ChunkedPayload {
  private readonly region: Region;
  private readonly ring: RingWriter;
  private readonly type: number;
  private readonly id: number;
  private readonly index: number;
  private readonly term: number;
  private readonly total: number;
  /** Payload bytes that are in the ring. */
  done = 0;

  constructor(
    region: Region,
    ring: RingWriter,
    type: number,
    id: number,
    index: number,
    term: number,
    dataBytes: number,
  ) {
    this.region = region;
    this.ring = ring;
    this.type = type;
    this.id = id;
    this.index = index;
    this.term = term;
    this.total = LARGE_HEADER_BYTES + dataBytes;
  }

  get isWhole(): boolean {
    return this.done === this.total;
  }

  /** Writes one chunk with data from `from` on; returns how many data bytes it took, -1 when there is no room. */
  write(data: Uint8Array, from: number): number {
    const header = this.done === 0 ? LARGE_HEADER_BYTES : 0;
    const length = Math.min(data.length - from + header, this.ring.chunkBytes);
    let at = this.ring.reserve(length);
    if (at < 0) {
      if (!this.ring.awaitRoom(length)) return -1;
      at = this.ring.reserve(length);
      if (at < 0) return -1;
    }
    if (header > 0) {
      this.region.setU64(at, this.index);
      this.region.setU64(at + 8, this.term);
    }
    const taken = length - header;
    this.region.bytes.set(data.subarray(from, from + taken), at + header);
    const flags =
      (this.done > 0 ? RecordFlag.CONTINUATION : 0) | (this.done + length < this.total ? RecordFlag.MORE : 0);
    this.ring.publish(this.type, flags, this.id, this.total);
    this.done += length;
    return taken;
  }
}

/** An entry that is larger than a record. */
export class LargeEntryJob implements ApplyJob {
  private readonly payload: ChunkedPayload;
  private readonly data: Uint8Array;
  private used = 0;

  /** Keeps `data`, which is the log's and does not change. `sequence`: the host's own proposal, 0 when it is not. */
  constructor(
    region: Region,
    ring: RingWriter,
    sequence: number,
    index: number,
    term: number,
    data: Uint8Array,
  ) {
    this.payload = new ChunkedPayload(
      region,
      ring,
      RecordType.COMMIT_LARGE,
      sequence,
      index,
      term,
      data.length,
    );
    this.data = data;
  }

  advance(): boolean {
    while (!this.payload.isWhole) {
      const taken = this.payload.write(this.data, this.used);
      if (taken < 0) return false;
      this.used += taken;
    }
    return true;
  }

  abandon(): void {
    // Nobody waits for it.
  }
}

/** One small record. */
export class RequestJob implements ApplyJob {
  private readonly region: Region;
  private readonly ring: RingWriter;
  private readonly type: number;
  private readonly id: number;
  private readonly payload: Uint8Array;
  private readonly settle: Settle;

  constructor(
    region: Region,
    ring: RingWriter,
    type: number,
    id: number,
    payload: Uint8Array,
    settle: Settle,
  ) {
    this.region = region;
    this.ring = ring;
    this.type = type;
    this.id = id;
    this.payload = payload;
    this.settle = settle;
  }

  advance(): boolean {
    const { length } = this.payload;
    let at = this.ring.reserve(length);
    if (at < 0) {
      if (!this.ring.awaitRoom(length)) return false;
      at = this.ring.reserve(length);
      if (at < 0) return false;
    }
    this.region.bytes.set(this.payload, at);
    this.ring.publish(this.type, 0, this.id, length);
    this.settle.resolve();
    return true;
  }

  abandon(error: Error): void {
    this.settle.reject(error);
  }
}

/** A snapshot, piece by piece as the disk gives it; the ring's room is what holds the disk back. */
export class RestoreJob implements ApplyJob {
  private readonly payload: ChunkedPayload;
  private readonly index: number;
  private readonly dataBytes: number;
  private readonly onPiece: () => void;
  private piece: Uint8Array = new Uint8Array(0);
  private used = 0;
  private given = 0;
  private waiting: Settle | null = null;
  private failed = false;
  private abandoned: Error | null = null;

  /** `onPiece`: there is something to write. */
  constructor(
    region: Region,
    ring: RingWriter,
    index: number,
    term: number,
    dataBytes: number,
    onPiece: () => void,
  ) {
    this.payload = new ChunkedPayload(region, ring, RecordType.RESTORE_SNAPSHOT, 0, index, term, dataBytes);
    this.index = index;
    this.dataBytes = dataBytes;
    this.onPiece = onPiece;
  }

  advance(): boolean {
    if (this.failed) return true;
    const begins = this.dataBytes === 0 && this.payload.done === 0;
    while (this.used < this.piece.length || begins) {
      const taken = this.payload.write(this.piece, this.used);
      if (taken < 0) return false;
      this.used += taken;
      if (begins) break;
    }
    const { waiting } = this;
    this.waiting = null;
    waiting?.resolve();
    return this.payload.isWhole;
  }

  /** Resolves when the bytes are in the ring. */
  send(bytes: Uint8Array): Promise<void> {
    if (this.abandoned !== null) return Promise.reject(this.abandoned);
    if (bytes.length === 0) return Promise.resolve();
    this.given += bytes.length;
    if (this.given > this.dataBytes) return Promise.reject(this.sizeError());
    this.piece = bytes;
    this.used = 0;
    return this.drained();
  }

  /** All pieces have been sent: resolves when the ring has the last. */
  async finish(): Promise<void> {
    if (this.given !== this.dataBytes) throw this.sizeError();
    if (!this.payload.isWhole) await this.drained();
  }

  private drained(): Promise<void> {
    if (this.abandoned !== null) return Promise.reject(this.abandoned);
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.onPiece();
    });
  }

  private sizeError(): ServerError {
    return new ServerError(
      ErrorCode.CORRUPT,
      `the snapshot at index ${this.index} does not have the ${this.dataBytes} bytes that its file says`,
    );
  }

  /** What is in the ring is half a snapshot: the host drops it when the next record comes. */
  fail(): void {
    this.failed = true;
  }

  abandon(error: Error): void {
    this.abandoned = error;
    this.failed = true;
    const { waiting } = this;
    this.waiting = null;
    waiting?.reject(error);
  }
}
