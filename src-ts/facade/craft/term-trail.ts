/**
 * A log of which only indexes and terms are kept: the entries' bytes stay with the program. To the core every entry is
 * one byte long, so that its limits of bytes count entries.
 */
import type { LogStorage } from '../../core/api.ts';
import { EntryBatch } from '../../core/entry-batch.ts';
import { LogError } from '../../core/errors.ts';
import {
  EMPTY_CONF_STATE,
  type ConfState,
  type HardState,
  type Snapshot,
  type SnapshotMetadata,
} from '../../core/types.ts';

const NO_CHANGES: readonly { readonly index: number }[] = [];
const NO_BYTES = new Uint8Array(0);
/** Entry type of a configuration in a batch. */
export const CHANGE = 1;

let starts = new Uint32Array(0);
let ends = new Uint32Array(0);

/** Shared by all batches: entry i begins at i and ends at i + 1. Grows to the longest batch. */
function reserve(count: number): void {
  if (count <= ends.length) return;
  const length = Math.max(count, 2 * ends.length, 1024);
  starts = Uint32Array.from({ length }, (_, i) => i);
  ends = Uint32Array.from({ length }, (_, i) => i + 1);
}

export function trailBatch(
  firstIndex: number,
  term: number,
  count: number,
  types: Uint8Array | null,
): EntryBatch {
  reserve(count);
  return new EntryBatch(firstIndex, term, count, NO_BYTES, ends, starts, types);
}

/** Terms by run: the core's stable log. Memory grows with changes of term, not with entries. */
export class TermTrail implements LogStorage {
  private first = 1;
  private last = 0;
  private termBefore = 0;
  /** First index of each run, ascending, and its term. */
  private runFirsts: number[] = [];
  private runTerms: number[] = [];
  private metadata: SnapshotMetadata = { confState: EMPTY_CONF_STATE, index: 0, term: 0 };
  private readonly hardState: HardState;
  private readonly confState: ConfState;
  private changes: readonly { readonly index: number }[];

  /** `changes` are the configurations among the entries; which these are matters only until the core has read them. */
  constructor(
    hardState: HardState,
    confState: ConfState,
    changes: readonly { readonly index: number }[] = NO_CHANGES,
  ) {
    this.hardState = hardState;
    this.confState = confState;
    this.changes = changes;
  }

  forgetChanges(): void {
    this.changes = NO_CHANGES;
  }

  initialState(): { hardState: HardState; confState: ConfState } {
    return { hardState: this.hardState, confState: this.confState };
  }

  firstIndex(): number {
    return this.first;
  }

  lastIndex(): number {
    return this.last;
  }

  private runOf(index: number): number {
    const { runFirsts } = this;
    let low = 0;
    let high = runFirsts.length - 1;
    if (high >= 0 && runFirsts[high]! <= index) return high;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (runFirsts[middle]! <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  term(index: number): number {
    if (index < this.first) {
      if (index === this.first - 1) return this.termBefore;
      throw new LogError('compacted');
    }
    if (index > this.last) throw new LogError('unavailable');
    return this.runTerms[this.runOf(index)]!;
  }

  entries(lo: number, hi: number, maxBytes: number): EntryBatch[] {
    if (lo < this.first) throw new LogError('compacted');
    if (hi > this.last + 1) throw new LogError('unavailable');
    const end = Math.min(hi, lo + Math.max(1, maxBytes));
    const found: EntryBatch[] = [];
    for (let run = this.runOf(lo); lo < end; run++) {
      const runEnd = Math.min(end, this.runFirsts[run + 1] ?? end);
      found.push(trailBatch(lo, this.runTerms[run]!, runEnd - lo, this.typesOf(lo, runEnd)));
      lo = runEnd;
    }
    return found;
  }

  private typesOf(lo: number, hi: number): Uint8Array | null {
    let types: Uint8Array | null = null;
    for (const { index } of this.changes) {
      if (index < lo || index >= hi) continue;
      types ??= new Uint8Array(hi - lo);
      types[index - lo] = CHANGE;
    }
    return types;
  }

  snapshot(): Snapshot {
    return { data: NO_BYTES, metadata: this.metadata };
  }

  /** The program has a snapshot; the log stays until `compact`. */
  setSnapshot(metadata: SnapshotMetadata): void {
    this.metadata = metadata;
  }

  /** A snapshot replaces everything. */
  restore(metadata: SnapshotMetadata): void {
    this.metadata = metadata;
    this.first = metadata.index + 1;
    this.last = metadata.index;
    this.termBefore = metadata.term;
    this.runFirsts = [];
    this.runTerms = [];
  }

  /** Drops entries up to and including `index`. */
  compact(index: number): void {
    if (index < this.first) return;
    this.termBefore = this.term(index);
    const run = this.runOf(index);
    this.runFirsts.splice(0, run);
    this.runTerms.splice(0, run);
    this.first = index + 1;
    if (this.first > this.last) {
      this.runFirsts = [];
      this.runTerms = [];
    } else if ((this.runFirsts[1] ?? Infinity) <= this.first) {
      this.runFirsts.shift();
      this.runTerms.shift();
    }
  }

  /** Appends entries of one term, replacing what stands from their first index on. */
  appendRun(firstIndex: number, term: number, count: number): void {
    const from = Math.max(firstIndex, this.first);
    const last = firstIndex + count - 1;
    if (last < from) return;
    if (from <= this.last) this.truncate(from);
    if (this.runTerms[this.runTerms.length - 1] !== term) {
      this.runFirsts.push(from);
      this.runTerms.push(term);
    }
    this.last = last;
  }

  /**
   * What was stored before the start: pairs (term, count), and a snapshot or null. False when the snapshot replaces the
   * entries, because they do not go through its last one.
   */
  load(firstIndex: number, runs: readonly number[], snapshot: SnapshotMetadata | null): boolean {
    if (snapshot !== null && firstIndex > snapshot.index) {
      this.restore(snapshot);
      this.appendRuns(firstIndex, runs);
      return true;
    }
    if (firstIndex > 1 && runs.length > 0) {
      // What was before is not known: the first entry stands for the last one dropped.
      this.first = firstIndex + 1;
      this.last = firstIndex;
      this.termBefore = runs[0]!;
    }
    this.appendRuns(firstIndex, runs);
    if (snapshot === null) return true;
    if (this.termOrZero(snapshot.index) !== snapshot.term) {
      this.restore(snapshot);
      return false;
    }
    this.metadata = snapshot;
    return true;
  }

  private appendRuns(firstIndex: number, runs: readonly number[]): void {
    for (let i = 0; i < runs.length; i += 2) {
      this.appendRun(firstIndex, runs[i]!, runs[i + 1]!);
      firstIndex += runs[i + 1]!;
    }
  }

  /** 0 when it is not known. */
  termOrZero(index: number): number {
    return index >= this.first - 1 && index <= this.last ? this.term(index) : 0;
  }

  /** Appends those with an index up to `through`. */
  append(batches: readonly EntryBatch[], through: number): void {
    for (const { firstIndex, term, count } of batches) {
      this.appendRun(firstIndex, term, Math.min(count, through - firstIndex + 1));
    }
  }

  private truncate(index: number): void {
    while (this.runFirsts.length > 0 && this.runFirsts[this.runFirsts.length - 1]! >= index) {
      this.runFirsts.pop();
      this.runTerms.pop();
    }
    this.last = index - 1;
  }
}
