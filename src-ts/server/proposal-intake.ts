/** From the facade's proposals to the core: at once when there is a leader, else after a bounded wait for one. */
import { ErrorCode } from '../core/codes.generated.ts';
import type { Proposals } from '../core/entry-batch.ts';
import { WAITING_BYTES, WAITING_CHUNKS } from './limits.ts';

/** `done`: proposed, the outcome (if wanted) is tracked; `not-leader`: not here, with leaderOnly; the others: not now. */
export type ProposeResult = 'done' | 'not-leader' | 'no-leader' | 'no-room';

export interface ProposeTarget {
  /** Tries to propose; keeps `sequences` (when wanted) but nothing of `proposals`. */
  propose(proposals: Proposals, sequences: Float64Array | null, bytes: number): ProposeResult;
  /** Ends proposals that were never given to the core. */
  refuse(sequences: Float64Array, code: ErrorCode): void;
}

interface Chunk {
  readonly proposals: Proposals;
  readonly sequences: Float64Array | null;
  readonly bytes: number;
  readonly deadline: number;
}

/** Bound: WAITING_BYTES and WAITING_CHUNKS; what comes beyond ends as BUSY. */
export class ProposalIntake {
  private readonly target: ProposeTarget;
  private readonly maxProposalBytes: number;
  private readonly chunks: Chunk[] = [];
  private waitingBytes = 0;
  /** Proposals that had to wait, and were copied for that. */
  copied = 0;

  constructor(target: ProposeTarget, maxProposalBytes: number) {
    this.target = target;
    this.maxProposalBytes = maxProposalBytes;
  }

  get hasRoom(): boolean {
    return this.waitingBytes < WAITING_BYTES && this.chunks.length < WAITING_CHUNKS;
  }

  get isWaiting(): boolean {
    return this.chunks.length > 0;
  }

  submit(given: Proposals, givenSequences: Float64Array, deadline: number): void {
    if (given.count === 0) return;
    const sequences = wanted(givenSequences, given.count);
    const bytes = payloadBytes(given);
    if (bytes > this.maxProposalBytes && given.count > 1) {
      this.submitOneByOne(given, givenSequences, deadline);
      return;
    }
    if (bytes > this.maxProposalBytes) {
      this.refuse(sequences, ErrorCode.TOO_LARGE);
      return;
    }
    if (this.chunks.length === 0) {
      const result = this.target.propose(given, sequences, bytes);
      if (result === 'done') return;
      if (result === 'not-leader') {
        this.refuse(sequences, ErrorCode.NOT_LEADER);
        return;
      }
    }
    if (!this.hasRoom) {
      this.refuse(sequences, ErrorCode.BUSY);
      return;
    }
    this.copied += given.count;
    this.chunks.push({ proposals: copyOf(given, bytes), sequences, bytes, deadline });
    this.waitingBytes += bytes;
  }

  /** A batch that may hold one that is too large: rare, so it need not be quick. */
  private submitOneByOne(given: Proposals, sequences: Float64Array, deadline: number): void {
    for (let i = 0; i < given.count; i++) {
      const one: Proposals = {
        count: 1,
        bytes: given.bytes,
        starts: given.starts.subarray(i, i + 1),
        ends: given.ends.subarray(i, i + 1),
        types: given.types?.subarray(i, i + 1) ?? null,
      };
      this.submit(one, sequences.subarray(i, i + 1), deadline);
    }
  }

  /** Tries again what waits, in order; ends what has waited too long. */
  retry(now: number): void {
    let handled = 0;
    for (const chunk of this.chunks) {
      const result = this.target.propose(chunk.proposals, chunk.sequences, chunk.bytes);
      if (result !== 'done') {
        // Order is kept: what is behind a chunk that waits, waits, too. Waiting for room has an end of its own.
        if (result !== 'not-leader' && (chunk.deadline > now || result === 'no-room')) break;
        this.refuse(chunk.sequences, result === 'not-leader' ? ErrorCode.NOT_LEADER : ErrorCode.REJECTED);
      }
      this.waitingBytes -= chunk.bytes;
      handled++;
    }
    if (handled > 0) this.chunks.splice(0, handled);
  }

  endAll(code: ErrorCode): void {
    for (const chunk of this.chunks) this.refuse(chunk.sequences, code);
    this.chunks.length = 0;
    this.waitingBytes = 0;
  }

  private refuse(sequences: Float64Array | null, code: ErrorCode): void {
    if (sequences !== null) this.target.refuse(sequences, code);
  }
}

/** A copy of the sequences, or null when no proposal wants an outcome. */
export function wanted(sequences: Float64Array, count: number): Float64Array | null {
  for (let i = 0; i < count; i++) if (sequences[i]! >= 0) return sequences.slice(0, count);
  return null;
}

export function payloadBytes(proposals: Proposals): number {
  let sum = 0;
  for (let i = 0; i < proposals.count; i++) sum += proposals.ends[i]! - proposals.starts[i]!;
  return sum;
}

function copyOf(proposals: Proposals, size: number): Proposals {
  const { count } = proposals;
  const bytes = new Uint8Array(size);
  const starts = new Uint32Array(count);
  const ends = new Uint32Array(count);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const start = proposals.starts[i]!;
    const end = proposals.ends[i]!;
    bytes.set(proposals.bytes.subarray(start, end), at);
    starts[i] = at;
    at += end - start;
    ends[i] = at;
  }
  return { count, bytes, starts, ends, types: proposals.types?.slice(0, count) ?? null };
}
