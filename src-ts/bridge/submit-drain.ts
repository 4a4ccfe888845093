import type { Proposals } from '../core/entry-batch.ts';
import {
  ARENA_AT,
  ARENA_TICKETS_BYTES,
  RecordFlag,
  RecordType,
  TICKET_INDEX_BITS,
} from './protocol.generated.ts';
import type { Region } from './region.ts';
import type { RingReader } from './ring-reader.ts';

/** Proposals handed over at a time. */
const MAX_COUNT = 16_384;
/** Bytes in the arena handed over at a time, after which it is asked again whether more is taken. */
const MAX_SHARED_BYTES = 2 * 1024 * 1024;
const TICKETS = 2 ** TICKET_INDEX_BITS;

/** The clock that host and engine have in common. */
function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

export interface ProposalTarget {
  readonly acceptsProposals: boolean;
  propose(proposals: Proposals, sequences: Float64Array): void;
}

/** Commands that the core encoded from the host's own memory; a barrier, which has no bytes, is none. */
export interface SharedCounts {
  proposals: number;
  bytes: number;
}

/**
 * Takes proposals out of the submit ring: all that are there become one batch that still lies in the ring, so that the
 * only copy is the one that the core makes when it encodes the entries. Proposals in the arena lie there until then.
 */
export class SubmitDrain {
  private readonly region: Region;
  private readonly reader: RingReader;
  private readonly maxProposalBytes: number;
  private readonly starts = new Uint32Array(MAX_COUNT);
  private readonly ends = new Uint32Array(MAX_COUNT);
  private readonly sequences = new Float64Array(MAX_COUNT);
  private count = 0;
  private sharedBytes = 0;
  readonly shared: SharedCounts = { proposals: 0, bytes: 0 };
  /** A proposal that comes in chunks. */
  private large: Uint8Array | null = null;
  private largeUsed = 0;
  private readonly onLate: (sequence: number) => void;
  /** The host's clock when this turn first needed it. */
  private nowUs = 0;

  /** `onLate`: a proposal that came after its deadline, and does not count. */
  constructor(
    region: Region,
    reader: RingReader,
    maxProposalBytes: number,
    onLate: (sequence: number) => void,
  ) {
    this.region = region;
    this.reader = reader;
    this.maxProposalBytes = maxProposalBytes;
    this.onLate = onLate;
  }

  get isEmpty(): boolean {
    return this.reader.isEmpty;
  }

  get waitingBytes(): number {
    return this.reader.waitingBytes;
  }

  /** Returns whether anything was taken. */
  drain(target: ProposalTarget): boolean {
    let worked = false;
    this.nowUs = 0;
    while (target.acceptsProposals && this.reader.next()) {
      worked = true;
      const { reader } = this;
      if (reader.type === RecordType.PROPOSE_SHARED) {
        this.addShared(target);
        continue;
      }
      if (reader.type !== RecordType.PROPOSE) throw reader.broken(`record type ${reader.type}`);
      if (reader.continues || reader.hasMore) this.addChunk(target);
      else {
        this.large = null;
        this.starts[this.count] = reader.dataAt;
        this.ends[this.count] = reader.dataAt + reader.length;
        this.sequences[this.count++] = this.wanted();
        if (this.count === MAX_COUNT) this.hand(target);
      }
    }
    this.hand(target);
    return worked;
  }

  private addShared(target: ProposalTarget): void {
    const { reader, region } = this;
    if (reader.length !== 24 || reader.hasMore || reader.continues)
      throw reader.broken(`a proposal in the arena, told in ${reader.length} bytes`);
    const start = ARENA_AT + region.u64(reader.dataAt);
    const length = region.u64(reader.dataAt + 8);
    if (start < ARENA_AT + ARENA_TICKETS_BYTES || start + length > region.bytes.length)
      throw reader.broken(`a proposal of ${length} bytes outside of the arena`);
    if (!this.isStillWanted()) return;
    if (length > 0) this.shared.proposals++;
    this.shared.bytes += length;
    this.sharedBytes += length;
    this.starts[this.count] = start;
    this.ends[this.count] = start + length;
    this.sequences[this.count++] = this.wanted();
    if (this.count === MAX_COUNT || this.sharedBytes >= MAX_SHARED_BYTES) this.hand(target);
  }

  /** The host has not taken it back: from here on it cannot. */
  private isStillWanted(): boolean {
    const { flags, id } = this.reader;
    if ((flags & RecordFlag.TIMED) === 0) return true;
    const generation = Math.floor(id / TICKETS);
    const word = (ARENA_AT >>> 2) + (id % TICKETS);
    if (Atomics.compareExchange(this.region.words, word, generation, 0) !== generation) return false;
    // The host looks at the time only while somebody waits there.
    this.nowUs ||= monotonicUs();
    if (this.nowUs <= this.region.u64(this.reader.dataAt + 16)) return true;
    this.onLate(id);
    return false;
  }

  private wanted(): number {
    return (this.reader.flags & RecordFlag.WANT_COMPLETION) !== 0 ? this.reader.id : -1;
  }

  private hand(target: ProposalTarget): void {
    const { count } = this;
    if (count > 0) {
      this.count = 0;
      this.sharedBytes = 0;
      target.propose(
        {
          count,
          bytes: this.region.bytes,
          starts: this.starts.subarray(0, count),
          ends: this.ends.subarray(0, count),
          types: null,
        },
        this.sequences.subarray(0, count),
      );
    }
    this.reader.release();
  }

  private addChunk(target: ProposalTarget): void {
    const { reader } = this;
    // What came before it goes first.
    if (this.count > 0) this.hand(target);
    if (!reader.continues) {
      if (reader.total > this.maxProposalBytes) throw reader.broken(`a proposal of ${reader.total} bytes`);
      this.large = new Uint8Array(reader.total);
      this.largeUsed = 0;
    }
    const { large } = this;
    if (large === null || reader.total !== large.length || this.largeUsed + reader.length > large.length) {
      throw reader.broken('chunks of a proposal do not fit together');
    }
    large.set(this.region.bytes.subarray(reader.dataAt, reader.dataAt + reader.length), this.largeUsed);
    this.largeUsed += reader.length;
    const sequence = this.wanted();
    const last = !reader.hasMore;
    reader.release();
    if (!last) return;
    if (this.largeUsed !== large.length) throw reader.broken('a proposal ended early');
    this.large = null;
    target.propose(
      { count: 1, bytes: large, starts: Uint32Array.of(0), ends: Uint32Array.of(large.length), types: null },
      Float64Array.of(sequence),
    );
  }
}
