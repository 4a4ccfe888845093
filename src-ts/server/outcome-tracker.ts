import { ErrorCode } from '../core/codes.generated.ts';
import type { NodeId } from '../core/node-id.ts';

/** What the tracker asks of the log. */
export interface CommittedLog {
  /** This node leads in this term; 0 when it does not lead. Entries that a leader appended in it never change. */
  readonly leadingTerm: number;
  readonly committed: number;
  /** Bounds of `term`: the stable log, whose entry before the first still has a term. */
  readonly stableFirst: number;
  readonly stableLast: number;
  term(index: number): number;
}

/** Proposals that this node appended as leader, at consecutive indexes of one term, and whose outcome is open. */
interface Range {
  readonly term: number;
  readonly last: number;
  /** First index that is undecided. */
  next: number;
  /** Numbers of local proposals from `at` on; null when another node proposed them. */
  readonly sequences: Float64Array | null;
  at: number;
  readonly origin: NodeId;
  /** Forwarding number of the entry at `next` (when `origin` is another node). */
  forwardSequence: number;
  /** When it ends as unknown; 0 while this node leads in the range's term. */
  deadline: number;
}

export interface DecidedRuns {
  /** sequences[from, from + count) got the indexes `index`, `index + 1`, ... of `term` (or would have). */
  local(
    sequences: Float64Array,
    from: number,
    count: number,
    index: number,
    term: number,
    code: ErrorCode,
  ): void;
  /** The forwarded proposals up to and including `lastSequence`, which had `lastIndex`. */
  forwarded(origin: NodeId, lastSequence: number, lastIndex: number, term: number, code: ErrorCode): void;
}

/**
 * Decides proposals by (index, term) alone: an entry of term T at index i is committed if and only if the committed log
 * holds term T at i. Terms never fall along a log, and a leader's entries of one term are consecutive, so a few term
 * look-ups decide a whole range:
 * - the committed log has term T at c >= i, and (i, T) was appended: all of T's entries up to c are in it: committed;
 * - the committed log has a term above T at c: an entry of T beyond the last index with a term <= T can never be in it.
 * Ranges are kept in order of append, hence of term, so only the front one can be decided next.
 */
export class OutcomeTracker {
  private readonly ranges: Range[] = [];
  private head = 0;
  private readonly decided: DecidedRuns;

  constructor(decided: DecidedRuns) {
    this.decided = decided;
  }

  get size(): number {
    return this.ranges.length - this.head;
  }

  trackLocal(firstIndex: number, term: number, sequences: Float64Array): void {
    this.push(firstIndex, term, sequences.length, sequences, 0, 0);
  }

  trackForwarded(firstIndex: number, term: number, count: number, origin: NodeId, sequence: number): void {
    this.push(firstIndex, term, count, null, origin, sequence);
  }

  private push(
    firstIndex: number,
    term: number,
    count: number,
    sequences: Float64Array | null,
    origin: NodeId,
    forwardSequence: number,
  ): void {
    this.ranges.push({
      term,
      last: firstIndex + count - 1,
      next: firstIndex,
      sequences,
      at: 0,
      origin,
      forwardSequence,
      deadline: 0,
    });
  }

  /** Decides all that the log decides by now. */
  settle(log: CommittedLog): void {
    while (this.head < this.ranges.length) {
      const range = this.ranges[this.head]!;
      if (log.leadingTerm === range.term) this.settleAsLeader(range, log);
      else this.settleByLog(range, log);
      if (range.next <= range.last) break;
      this.dropFront();
    }
  }

  private settleAsLeader(range: Range, log: CommittedLog): void {
    this.decideUpTo(range, log.committed, ErrorCode.OK);
  }

  private settleByLog(range: Range, log: CommittedLog): void {
    const top = Math.min(log.committed, log.stableLast);
    const bottom = log.stableFirst - 1;
    if (top < bottom) return;
    const topTerm = log.term(top);
    if (topTerm < range.term) return;
    if (topTerm === range.term) {
      this.decideUpTo(range, top, ErrorCode.OK);
      return;
    }
    if (log.term(bottom) > range.term) {
      // What happened at and below the compacted end cannot be told; above it the range's term is over.
      this.decideUpTo(range, bottom, ErrorCode.UNKNOWN_OUTCOME);
    } else {
      let low = bottom;
      let high = top;
      while (high - low > 1) {
        const middle = Math.floor((low + high) / 2);
        if (log.term(middle) <= range.term) low = middle;
        else high = middle;
      }
      if (log.term(low) === range.term) this.decideUpTo(range, low, ErrorCode.OK);
    }
    this.decideUpTo(range, range.last, ErrorCode.REJECTED);
  }

  /** Ends ranges as unknown that stayed undecided for `waitMs` after this node ceased to lead in their term. */
  expire(leadingTerm: number, now: number, waitMs: number): void {
    for (let i = this.head; i < this.ranges.length; i++) {
      const range = this.ranges[i]!;
      if (range.term === leadingTerm) break;
      if (range.deadline === 0) range.deadline = now + waitMs;
    }
    while (this.head < this.ranges.length) {
      const range = this.ranges[this.head]!;
      if (range.term === leadingTerm || range.deadline > now) break;
      this.decideUpTo(range, range.last, ErrorCode.UNKNOWN_OUTCOME);
      this.dropFront();
    }
  }

  /** Ends everything with `code`. */
  endAll(code: ErrorCode): void {
    while (this.head < this.ranges.length) {
      const range = this.ranges[this.head]!;
      this.decideUpTo(range, range.last, code);
      this.dropFront();
    }
  }

  private decideUpTo(range: Range, index: number, code: ErrorCode): void {
    const last = Math.min(index, range.last);
    const count = last - range.next + 1;
    if (count <= 0) return;
    const first = range.next;
    range.next = last + 1;
    if (range.sequences !== null) {
      const from = range.at;
      range.at += count;
      this.decided.local(range.sequences, from, count, first, range.term, code);
    } else {
      range.forwardSequence += count;
      this.decided.forwarded(range.origin, range.forwardSequence - 1, last, range.term, code);
    }
  }

  private dropFront(): void {
    this.head++;
    if (this.head > 256 && this.head * 2 > this.ranges.length) {
      this.ranges.splice(0, this.head);
      this.head = 0;
    }
  }
}
