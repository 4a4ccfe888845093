/** Numbers of the host's own proposals that travel with their entries to the host, which takes that as their outcome. */
import { ErrorCode } from '../core/codes.generated.ts';

/** What hands entries to the host asks of them; entries are asked for in log order. */
export interface OwnSequences {
  /** The proposer's number of this entry; -1 when it has none, or is not this node's. */
  sequenceOf(index: number, term: number): number;
}

interface Range {
  readonly term: number;
  readonly first: number;
  readonly sequences: Float64Array;
}

/**
 * Proposals that this node appended as leader and that the host has not been handed. They end as handed over, or, when
 * this node ceases to lead before they are committed, as LEADERSHIP_LOST. Bounded like the log behind them: a leader takes
 * no proposals while too much is not committed or not applied.
 */
export class OwnProposals implements OwnSequences {
  private readonly ended: (sequence: number, code: ErrorCode) => void;
  private readonly ranges: Range[] = [];
  private head = 0;
  /** Where the last look-up ended: the next one goes on there. */
  private cursor = 0;
  /** Up to here the host has them, and ends them itself. */
  private handedIndex = 0;

  constructor(ended: (sequence: number, code: ErrorCode) => void) {
    this.ended = ended;
  }

  track(first: number, term: number, sequences: Float64Array): void {
    this.ranges.push({ term, first, sequences });
  }

  sequenceOf(index: number, term: number): number {
    const { ranges } = this;
    if (this.cursor < this.head || this.cursor >= ranges.length || ranges[this.cursor]!.first > index)
      this.cursor = this.head;
    for (; this.cursor < ranges.length; this.cursor++) {
      const { first, sequences, term: rangeTerm } = ranges[this.cursor]!;
      if (index < first) return -1;
      if (index < first + sequences.length) return rangeTerm === term ? sequences[index - first]! : -1;
    }
    return -1;
  }

  /** The host has been handed the entries up to `index`. */
  handed(index: number): void {
    this.handedIndex = index;
    while (this.head < this.ranges.length) {
      const { first, sequences } = this.ranges[this.head]!;
      if (first + sequences.length - 1 > index) break;
      this.dropFront();
    }
  }

  /** A snapshot up to `index` goes to the host instead of the entries: what they were answered is not known. */
  superseded(index: number): void {
    this.endWhere((at) => at <= index, ErrorCode.LEADERSHIP_LOST);
    this.handed(index);
  }

  /** This node has ceased to lead; up to `committed` its entries stay. Behind that others may come to lie. */
  leadershipLost(committed: number): void {
    const { ranges } = this;
    this.endWhere((at) => at > committed, ErrorCode.LEADERSHIP_LOST);
    while (ranges.length > this.head && ranges[ranges.length - 1]!.first > committed) ranges.pop();
    if (ranges.length === this.head) return;
    const { first, term, sequences } = ranges[ranges.length - 1]!;
    ranges[ranges.length - 1] = { first, term, sequences: sequences.subarray(0, committed + 1 - first) };
  }

  endAll(code: ErrorCode): void {
    this.endWhere(() => true, code);
    this.ranges.length = 0;
    this.head = 0;
  }

  private endWhere(matches: (index: number) => boolean, code: ErrorCode): void {
    for (let i = this.head; i < this.ranges.length; i++) {
      const { first, sequences } = this.ranges[i]!;
      for (let j = 0; j < sequences.length; j++) {
        const sequence = sequences[j]!;
        if (sequence < 0 || first + j <= this.handedIndex || !matches(first + j)) continue;
        sequences[j] = -1;
        this.ended(sequence, code);
      }
    }
  }

  private dropFront(): void {
    this.head++;
    if (this.head > 256 && this.head * 2 > this.ranges.length) {
      this.ranges.splice(0, this.head);
      this.cursor = 0;
      this.head = 0;
    }
  }
}
