import { ErrorCode } from '../core/codes.generated.ts';
import type { NodeId } from '../core/node-id.ts';
import type { ForwardedOutcome } from '../transport/types.ts';

/** Proposals sent to the leader in one MsgProp, whose outcome is open. */
interface Forward {
  readonly leader: NodeId;
  readonly firstSequence: number;
  readonly count: number;
  /** Whether the leader answers, as far as is known. */
  readonly answers: boolean;
  readonly bytes: number;
  /** Entries decided, from the front. */
  decided: number;
  /** Numbers of the local proposals; null when nobody waits for an outcome. */
  readonly sequences: Float64Array | null;
  deadline: number;
}

export type LocalRun = (
  sequences: Float64Array,
  from: number,
  count: number,
  index: number,
  term: number,
  code: ErrorCode,
) => void;

/**
 * Proposals that this node forwarded. A leader of our kind answers each message with one or more outcomes, in order;
 * each decides everything up to its sequence. Without an answer they end as unknown at their deadline.
 */
export class ForwardTable {
  private readonly forwards: Forward[] = [];
  private nextSequence: number;
  private readonly decided: LocalRun;
  /** Messages and bytes of payload on their way to leaders that answer. */
  openMessages = 0;
  openBytes = 0;

  /** Numbers begin at a random one, so that an answer to an earlier life of this node matches nothing. */
  constructor(firstSequence: number, decided: LocalRun) {
    this.nextSequence = firstSequence;
    this.decided = decided;
  }

  get size(): number {
    return this.forwards.length;
  }

  /** The number that goes into the context of the next message. */
  get sequence(): number {
    return this.nextSequence;
  }

  /** Notes a message of `count` proposals that carried `sequence`. */
  add(
    leader: NodeId,
    answers: boolean,
    count: number,
    bytes: number,
    sequences: Float64Array | null,
    deadline: number,
  ): void {
    const firstSequence = this.nextSequence;
    this.nextSequence += count;
    if (answers) {
      this.openMessages++;
      this.openBytes += bytes;
    } else if (sequences === null) return;
    this.forwards.push({ leader, firstSequence, count, answers, bytes, decided: 0, sequences, deadline });
  }

  /** Takes outcomes that a leader reports. Unknown ones (too late, or not ours) are ignored. */
  take(outcomes: readonly ForwardedOutcome[]): void {
    for (const outcome of outcomes) {
      const at = this.find(outcome.sequence);
      if (at < 0) continue;
      const forward = this.forwards[at]!;
      const upTo = outcome.sequence - forward.firstSequence + 1;
      const count = upTo - forward.decided;
      if (count > 0) {
        const firstIndex = outcome.index === 0 ? 0 : outcome.index - count + 1;
        this.decide(forward, count, firstIndex, outcome.term, outcome.code as ErrorCode);
      }
      if (forward.decided === forward.count) this.remove(at);
    }
  }

  private find(sequence: number): number {
    for (let i = 0; i < this.forwards.length; i++) {
      const forward = this.forwards[i]!;
      if (sequence < forward.firstSequence) return -1;
      if (sequence < forward.firstSequence + forward.count) return i;
    }
    return -1;
  }

  private decide(forward: Forward, count: number, index: number, term: number, code: ErrorCode): void {
    const from = forward.decided;
    forward.decided += count;
    if (forward.sequences !== null) this.decided(forward.sequences, from, count, index, term, code);
  }

  private remove(at: number): void {
    const forward = this.forwards[at]!;
    if (forward.answers) {
      this.openMessages--;
      this.openBytes -= forward.bytes;
    }
    if (at === 0) this.forwards.shift();
    else this.forwards.splice(at, 1);
  }

  /** Forwards to a leader of the past get at most until `deadline`. */
  leaderChanged(leader: NodeId, deadline: number): void {
    for (const forward of this.forwards) {
      if (forward.leader !== leader) forward.deadline = Math.min(forward.deadline, deadline);
    }
  }

  expire(now: number): void {
    for (let i = 0; i < this.forwards.length;) {
      const forward = this.forwards[i]!;
      if (forward.deadline > now) {
        i++;
        continue;
      }
      this.decide(forward, forward.count - forward.decided, 0, 0, ErrorCode.UNKNOWN_OUTCOME);
      this.remove(i);
    }
  }

  /** Ends everything with `code`. */
  endAll(code: ErrorCode): void {
    for (const forward of this.forwards) this.decide(forward, forward.count - forward.decided, 0, 0, code);
    this.forwards.length = 0;
    this.openMessages = 0;
    this.openBytes = 0;
  }
}
