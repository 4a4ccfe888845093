import { entryRuns, RUN_ENTRIES_MIN } from './entry-runs.ts';

/** raftpb.EntryType. */
export const EntryType = { Normal: 0, ConfChange: 1, ConfChangeV2: 2 } as const;
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

const EMPTY = new Uint8Array(0);

/**
 * A run of consecutive log entries of one term, held as one buffer of protobuf-encoded `raftpb.Entry` messages laid
 * end to end. The same bytes go to the WAL, to the network and (the payload part) to the host, so an entry is encoded
 * once. A batch is immutable; slices share the buffer.
 *
 * Entry i (0 <= i < count) has index `firstIndex + i`, encoded bytes `bytes[start(i), end(i))` and payload
 * `bytes[dataStart(i), end(i))` (raftpb.Entry's Data is its last field; an absent Data gives an empty payload).
 */
export class EntryBatch {
  readonly firstIndex: number;
  readonly term: number;
  readonly count: number;
  readonly bytes: Uint8Array;
  /** Offsets into `bytes`, one an entry, from `offset` on: where each encoded entry ends. */
  readonly ends: Uint32Array;
  /** Offsets into `bytes`, one an entry, from `offset` on: where each payload starts. */
  readonly dataStarts: Uint32Array;
  /** One EntryType an entry, from `offset` on; null when all are Normal. */
  readonly types: Uint8Array | null;
  /** First used element of `ends`, `dataStarts` and `types`. */
  readonly offset: number;
  /** Where the first entry's encoding starts in `bytes`. */
  readonly startByte: number;

  constructor(
    firstIndex: number,
    term: number,
    count: number,
    bytes: Uint8Array,
    ends: Uint32Array,
    dataStarts: Uint32Array,
    types: Uint8Array | null,
    offset = 0,
    startByte = 0,
  ) {
    this.firstIndex = firstIndex;
    this.term = term;
    this.count = count;
    this.bytes = bytes;
    this.ends = ends;
    this.dataStarts = dataStarts;
    this.types = types;
    this.offset = offset;
    this.startByte = startByte;
  }

  get lastIndex(): number {
    return this.firstIndex + this.count - 1;
  }

  /** Sum of the encoded sizes, bytes (etcd's Entry.Size(), which its size limits count). */
  get encodedSize(): number {
    return this.count === 0 ? 0 : this.end(this.count - 1) - this.startByte;
  }

  start(i: number): number {
    return i === 0 ? this.startByte : this.ends[this.offset + i - 1]!;
  }

  end(i: number): number {
    return this.ends[this.offset + i]!;
  }

  dataStart(i: number): number {
    return this.dataStarts[this.offset + i]!;
  }

  dataSize(i: number): number {
    return this.end(i) - this.dataStart(i);
  }

  /** Sum of payload sizes, bytes. */
  get payloadSize(): number {
    let sum = 0;
    for (let i = 0; i < this.count; i++) sum += this.dataSize(i);
    return sum;
  }

  type(i: number): EntryType {
    return this.types === null ? EntryType.Normal : (this.types[this.offset + i]! as EntryType);
  }

  /** The payload as a view of the shared buffer; allocates a view, so not for hot loops. */
  data(i: number): Uint8Array {
    return this.bytes.subarray(this.dataStart(i), this.end(i));
  }

  /** True when `next` is this batch's continuation in the log and in memory, so that both are one batch of the buffer. */
  isContinuedBy(next: EntryBatch): boolean {
    return (
      next.bytes === this.bytes &&
      next.startByte === this.end(this.count - 1) &&
      next.offset === this.offset + this.count &&
      next.firstIndex === this.firstIndex + this.count &&
      next.term === this.term &&
      next.ends === this.ends &&
      next.dataStarts === this.dataStarts &&
      next.types === this.types
    );
  }

  /** This batch with `count` entries, of which those beyond its own follow in the same buffer (`isContinuedBy`). */
  extendedTo(count: number): EntryBatch {
    if (count === this.count) return this;
    const { firstIndex, term, bytes, ends, dataStarts, types, offset, startByte } = this;
    return new EntryBatch(firstIndex, term, count, bytes, ends, dataStarts, types, offset, startByte);
  }

  /** Entries with index in [lo, hi), sharing this batch's buffer. Both bounds must lie within the batch. */
  slice(lo: number, hi: number): EntryBatch {
    if (lo === this.firstIndex && hi === this.firstIndex + this.count) return this;
    if (lo < this.firstIndex || hi > this.firstIndex + this.count || lo > hi) {
      throw new RangeError(
        `slice [${lo}, ${hi}) outside batch [${this.firstIndex}, ${this.firstIndex + this.count})`,
      );
    }
    const skip = lo - this.firstIndex;
    return new EntryBatch(
      lo,
      this.term,
      hi - lo,
      this.bytes,
      this.ends,
      this.dataStarts,
      this.types,
      this.offset + skip,
      this.start(skip),
    );
  }
}

function varintSize(value: number): number {
  let size = 1;
  while (value >= 128) {
    value = Math.floor(value / 128);
    size++;
  }
  return size;
}

function putVarint(target: Uint8Array, at: number, value: number): number {
  while (value > 0x7fff_ffff) {
    target[at++] = (value % 128) | 128;
    value = Math.floor(value / 128);
  }
  while (value >= 128) {
    target[at++] = (value & 127) | 128;
    value >>>= 7;
  }
  target[at++] = value;
  return at;
}

/** Payloads waiting for index and term: what a proposer hands to the core. Payload i is `bytes[starts[i], ends[i])`. */
export interface Proposals {
  readonly count: number;
  readonly bytes: Uint8Array;
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly types: Uint8Array | null;
}

export function proposalsOf(payloads: readonly Uint8Array[], types: Uint8Array | null = null): Proposals {
  const starts = new Uint32Array(payloads.length);
  const ends = new Uint32Array(payloads.length);
  let size = 0;
  for (const payload of payloads) size += payload.length;
  const bytes = new Uint8Array(size);
  let at = 0;
  payloads.forEach((payload, i) => {
    starts[i] = at;
    bytes.set(payload, at);
    at += payload.length;
    ends[i] = at;
  });
  return { count: payloads.length, bytes, starts, ends, types };
}

/** Encodings up to this size share a slab; larger ones get a buffer of their own. */
const SLAB_SHARE_BYTES = 8_192;
const SLAB_BYTES = 65_536;
const SLAB_ENTRIES = 4_096;

/**
 * Small batches are laid one behind the other into shared buffers: an entry proposed alone then costs one object, and
 * neighbours can be joined again. A slab lives as long as any batch in it, so a log holds at most one slab too much at
 * each end.
 */
class Slab {
  bytes = new Uint8Array(0);
  byteAt = 0;
  ends = new Uint32Array(0);
  dataStarts = new Uint32Array(0);
  entryAt = 0;

  reserve(size: number, count: number): void {
    if (this.byteAt + size > this.bytes.length || this.entryAt + count > this.ends.length) {
      this.bytes = new Uint8Array(SLAB_BYTES);
      this.byteAt = 0;
      this.ends = new Uint32Array(SLAB_ENTRIES);
      this.dataStarts = new Uint32Array(SLAB_ENTRIES);
      this.entryAt = 0;
    }
  }
}

const slab = new Slab();

function encodedSizeOf(firstIndex: number, term: number, { count, starts, ends }: Proposals): number {
  const termSize = varintSize(term);
  let size = 0;
  for (let i = 0; i < count; i++) {
    const length = ends[i]! - starts[i]!;
    size += 4 + termSize + varintSize(firstIndex + i);
    if (length > 0) size += 1 + varintSize(length) + length;
  }
  return size;
}

/**
 * Stamps index and term on proposals and encodes them as raftpb.Entry: the one copy between proposer and log.
 * An empty payload is encoded without Data (as etcd encodes the leader's empty entry).
 */
export function encodeEntries(firstIndex: number, term: number, proposals: Proposals): EntryBatch {
  const { count, starts, ends: payloadEnds, types } = proposals;
  const size = encodedSizeOf(firstIndex, term, proposals);
  // Entries with types of their own are rare; they would need a third shared array.
  const shares = types === null && size <= SLAB_SHARE_BYTES;
  if (shares) slab.reserve(size, count);
  const bytes = shares ? slab.bytes : new Uint8Array(size);
  const ends = shares ? slab.ends : new Uint32Array(count);
  const dataStarts = shares ? slab.dataStarts : new Uint32Array(count);
  const startByte = shares ? slab.byteAt : 0;
  const offset = shares ? slab.entryAt : 0;
  const runs = types === null && count >= RUN_ENTRIES_MIN ? entryRuns() : null;
  if (runs !== null) {
    const source = proposals.bytes;
    const end = runs.encodeEntries(
      bytes,
      startByte,
      source,
      starts,
      payloadEnds,
      count,
      firstIndex,
      term,
      ends,
      dataStarts,
      offset,
    );
    if (end !== startByte + size)
      throw new RangeError(`${size} bytes of entries ended at ${end - startByte}`);
    if (shares) {
      slab.byteAt = end;
      slab.entryAt += count;
    }
    return new EntryBatch(firstIndex, term, count, bytes, ends, dataStarts, types, offset, startByte);
  }
  const byWords = count >= WORD_COPY_ENTRIES && size <= count * WORD_COPY_BYTES;
  const sourceView = byWords ? viewOf(proposals.bytes) : NO_VIEW;
  const view = byWords ? viewOf(bytes) : NO_VIEW;
  let at = startByte;
  for (let i = 0; i < count; i++) {
    const from = starts[i]!;
    const length = payloadEnds[i]! - from;
    bytes[at++] = 0x08;
    bytes[at++] = types === null ? 0 : types[i]!;
    bytes[at++] = 0x10;
    at = putVarint(bytes, at, term);
    bytes[at++] = 0x18;
    at = putVarint(bytes, at, firstIndex + i);
    if (length > 0) {
      bytes[at++] = 0x22;
      at = putVarint(bytes, at, length);
    }
    dataStarts[offset + i] = at;
    if (byWords) copyWords(sourceView, from, length, view, at);
    else if (length > 0) bytes.set(proposals.bytes.subarray(from, from + length), at);
    at += length;
    ends[offset + i] = at;
  }
  if (shares) {
    slab.byteAt = at;
    slab.entryAt += count;
  }
  return new EntryBatch(firstIndex, term, count, bytes, ends, dataStarts, types, offset, startByte);
}

/**
 * Up to this average length payloads are copied word by word: the call that copies memory needs a view of the source,
 * which costs an object an entry (measured for 16, 64, 128 B: 10, 34, 85 ns by words, 80 ns by call, garbage apart).
 */
const WORD_COPY_BYTES = 160;
/** The words need two views of their own; they pay off from this many entries on. */
const WORD_COPY_ENTRIES = 4;
const NO_VIEW = new DataView(new ArrayBuffer(0));

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function copyWords(source: DataView, from: number, length: number, target: DataView, at: number): void {
  const end = from + length;
  const wordsEnd = from + (length & ~3);
  for (; from < wordsEnd; from += 4, at += 4) target.setUint32(at, source.getUint32(from, true), true);
  for (; from < end; from++, at++) target.setUint8(at, source.getUint8(from));
}

/** A batch of one entry; for tests, configuration changes and rare paths. */
export function singleEntry(
  index: number,
  term: number,
  data: Uint8Array = EMPTY,
  type: EntryType = EntryType.Normal,
): EntryBatch {
  const types = type === EntryType.Normal ? null : Uint8Array.of(type);
  return encodeEntries(index, term, proposalsOf([data], types));
}
