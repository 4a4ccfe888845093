import type { LogStorage } from '../api.ts';
import type { EntryBatch } from '../entry-batch.ts';
import { LogError, violated } from '../errors.ts';
import type { Snapshot } from '../types.ts';
import { countEntries, encodedSizeOf, NO_LIMIT } from './batch-list.ts';
import { Unstable } from './unstable.ts';

/** Answers of `term` that are not terms. */
export const COMPACTED = -1;
const UNAVAILABLE = -2;

export interface EntryId {
  readonly term: number;
  readonly index: number;
}

/** The part of consecutive batches that begins at `index`. */
function from(batches: readonly EntryBatch[], index: number): readonly EntryBatch[] {
  if (batches[0]!.firstIndex === index) return batches;
  const rest: EntryBatch[] = [];
  for (const batch of batches) {
    if (batch.lastIndex < index) continue;
    rest.push(batch.slice(Math.max(index, batch.firstIndex), batch.lastIndex + 1));
  }
  return rest;
}

/** The whole log as consensus sees it: the stable part in `storage`, the rest in `unstable`. */
export class RaftLog {
  readonly storage: LogStorage;
  readonly unstable: Unstable;
  /** Highest index known to be on stable storage on a quorum. */
  committed: number;
  /** Highest index handed out for applying; applied <= applying <= committed. */
  applying: number;
  applied: number;
  /** Told of everything that enters the log, after it has. */
  onAppend: ((batches: readonly EntryBatch[]) => void) | null = null;
  private readonly maxApplyingSize: number;
  private applyingSize = 0;
  private applyingPaused = false;

  constructor(storage: LogStorage, maxApplyingSize: number) {
    this.storage = storage;
    const first = storage.firstIndex();
    this.unstable = new Unstable(storage.lastIndex() + 1);
    this.committed = first - 1;
    this.applying = first - 1;
    this.applied = first - 1;
    this.maxApplyingSize = maxApplyingSize;
  }

  firstIndex(): number {
    const { snapshot } = this.unstable;
    return snapshot === null ? this.storage.firstIndex() : snapshot.metadata.index + 1;
  }

  lastIndex(): number {
    return this.unstable.lastIndex || this.storage.lastIndex();
  }

  /** Term of entry `index`, COMPACTED or UNAVAILABLE. */
  term(index: number): number {
    const unstableTerm = this.unstable.term(index);
    if (unstableTerm >= 0) return unstableTerm;
    if (index + 1 < this.firstIndex()) return COMPACTED;
    if (index > this.lastIndex()) return UNAVAILABLE;
    try {
      return this.storage.term(index);
    } catch (error) {
      if (error instanceof LogError) return error.code === 'compacted' ? COMPACTED : UNAVAILABLE;
      throw error;
    }
  }

  /** Term of entry `index`, 0 when it is not there. */
  termOrZero(index: number): number {
    return Math.max(this.term(index), 0);
  }

  lastEntryId(): EntryId {
    const index = this.lastIndex();
    const term = this.term(index);
    if (term < 0) violated(`no term for the last index ${index}`);
    return { term, index };
  }

  matchTerm(index: number, term: number): boolean {
    return this.term(index) === term;
  }

  /** Raft, section 5.4.1. */
  isUpToDate(their: EntryId): boolean {
    const our = this.lastEntryId();
    return their.term > our.term || (their.term === our.term && their.index >= our.index);
  }

  /**
   * Appends what a leader sent after entry (prevIndex, prevTerm). Returns the last new index, or -1 when that entry
   * does not match.
   */
  maybeAppend(
    prevIndex: number,
    prevTerm: number,
    batches: readonly EntryBatch[],
    committed: number,
  ): number {
    if (!this.matchTerm(prevIndex, prevTerm)) return -1;
    const lastNew = prevIndex + countEntries(batches);
    const conflict = this.findConflict(batches);
    if (conflict !== 0) {
      if (conflict <= this.committed) this.conflicts(conflict);
      this.append(from(batches, conflict));
    }
    this.commitTo(Math.min(committed, lastNew));
    return lastNew;
  }

  /**
   * A leader has every committed entry. One that sends another entry in the place of one, or after another one, was
   * elected by a node that has forgotten what it had acknowledged.
   */
  checkCommitted(prevIndex: number, prevTerm: number, batches: readonly EntryBatch[]): void {
    this.checkCommittedTerm(prevIndex, prevTerm);
    for (const { firstIndex, lastIndex, term } of batches) {
      if (firstIndex > this.committed) return;
      this.checkCommittedTerm(firstIndex, term);
      this.checkCommittedTerm(Math.min(lastIndex, this.committed), term);
    }
  }

  private checkCommittedTerm(index: number, term: number): void {
    const ours = this.term(index);
    if (ours >= 0 && ours !== term) this.conflicts(index);
  }

  private conflicts(index: number): never {
    violated(
      `entry ${index} conflicts with a committed entry (committed ${this.committed}): another node has lost entries ` +
        'that it had acknowledged; was one started from an old copy of its directories, or from empty ones?',
    );
  }

  /** Appends, truncating what conflicts. Returns the new last index. */
  append(batches: readonly EntryBatch[]): number {
    const first = batches[0];
    if (first === undefined) return this.lastIndex();
    if (first.firstIndex <= this.committed)
      violated(`append at ${first.firstIndex} below committed ${this.committed}`);
    this.unstable.truncateAndAppend(batches);
    this.onAppend?.(batches);
    return this.lastIndex();
  }

  /** First index whose entry is new or differs; 0 when all are there. */
  private findConflict(batches: readonly EntryBatch[]): number {
    const last = this.lastIndex();
    for (const batch of batches) {
      // The usual case: everything is new.
      if (batch.firstIndex > last) return batch.firstIndex;
      const end = Math.min(batch.lastIndex, last);
      // Terms never fall along a log: equal ones at both ends are equal in between.
      if (this.matchTerm(batch.firstIndex, batch.term) && this.matchTerm(end, batch.term)) {
        if (end < batch.lastIndex) return end + 1;
        continue;
      }
      let index = batch.firstIndex;
      while (this.matchTerm(index, batch.term)) index++;
      return index;
    }
    return 0;
  }

  /** Largest index <= `index` whose term is <= `term`, and its term (0 when it has been compacted). */
  findConflictByTerm(index: number, term: number): EntryId {
    for (; index > 0; index--) {
      const ours = this.term(index);
      if (ours < 0) return { index, term: 0 };
      if (ours <= term) return { index, term: ours };
    }
    return { index: 0, term: 0 };
  }

  get hasNextOrInProgressSnapshot(): boolean {
    return this.unstable.snapshot !== null;
  }

  private maxAppliableIndex(allowUnstable: boolean): number {
    return allowUnstable ? this.committed : Math.min(this.committed, this.unstable.offset - 1);
  }

  hasNextCommitted(allowUnstable: boolean): boolean {
    if (this.applyingPaused || this.hasNextOrInProgressSnapshot) return false;
    return this.applying < this.maxAppliableIndex(allowUnstable);
  }

  nextCommitted(allowUnstable: boolean): EntryBatch[] {
    if (!this.hasNextCommitted(allowUnstable)) return [];
    const room = this.maxApplyingSize - this.applyingSize;
    return this.slice(this.applying + 1, this.maxAppliableIndex(allowUnstable) + 1, room);
  }

  acceptApplying(index: number, size: number, allowUnstable: boolean): void {
    if (index > this.committed) violated(`applying ${index} beyond committed ${this.committed}`);
    this.applying = index;
    this.applyingSize += size;
    // Paused also when the limit cut this batch: the rest waits until these have been applied.
    this.applyingPaused =
      this.applyingSize >= this.maxApplyingSize || index < this.maxAppliableIndex(allowUnstable);
  }

  appliedTo(index: number, size: number): void {
    if (index > this.committed || index < this.applied)
      violated(`applied ${index} outside [${this.applied}, ${this.committed}]`);
    this.applied = index;
    this.applying = Math.max(this.applying, index);
    this.applyingSize = Math.max(0, this.applyingSize - size);
    this.applyingPaused = this.applyingSize >= this.maxApplyingSize;
  }

  commitTo(index: number): void {
    if (index <= this.committed) return;
    if (index > this.lastIndex())
      violated(
        `commit ${index} is beyond the last index ${this.lastIndex()}: this node has lost entries that it had ` +
          'acknowledged; was it started from an old copy of its directories, or from empty ones? Replace it by a node with another id',
      );
    this.committed = index;
  }

  /** Raft, section 5.4.2: only an entry of the current term is committed by counting. */
  maybeCommit(index: number, term: number): boolean {
    if (term === 0 || index <= this.committed || !this.matchTerm(index, term)) return false;
    this.commitTo(index);
    return true;
  }

  snapshot(): Snapshot {
    return this.unstable.snapshot ?? this.storage.snapshot();
  }

  restore(snapshot: Snapshot): void {
    this.committed = snapshot.metadata.index;
    this.unstable.restore(snapshot);
  }

  /** Entries from `index` on, at least one if there is one, of at most `maxBytes`; COMPACTED when they are gone. */
  entriesFrom(index: number, maxBytes: number): EntryBatch[] | typeof COMPACTED {
    const last = this.lastIndex();
    if (index > last) return [];
    if (index < this.firstIndex()) return COMPACTED;
    try {
      return this.slice(index, last + 1, maxBytes);
    } catch (error) {
      // Only when the driver's storage compacts behind our back.
      if (error instanceof LogError && error.code === 'compacted') return COMPACTED;
      throw error;
    }
  }

  /** Entries [lo, hi) of at most `maxBytes` encoded, but at least one; LogError 'compacted' when lo is gone. */
  slice(lo: number, hi: number, maxBytes: number): EntryBatch[] {
    if (lo < this.firstIndex()) throw new LogError('compacted');
    if (lo > hi || hi > this.lastIndex() + 1)
      violated(`slice [${lo}, ${hi}) beyond the last index ${this.lastIndex()}`);
    if (lo === hi) return [];
    const { unstable } = this;
    if (lo >= unstable.offset) return unstable.entries.slice(lo, hi, maxBytes);
    const cut = Math.min(hi, unstable.offset);
    const stable = this.storage.entries(lo, cut, maxBytes);
    if (hi <= unstable.offset || countEntries(stable) < cut - lo) return stable;
    const size = encodedSizeOf(stable);
    if (size >= maxBytes) return stable;
    const rest = unstable.entries.slice(unstable.offset, hi, maxBytes - size);
    if (countEntries(rest) === 1 && size + encodedSizeOf(rest) > maxBytes) return stable;
    return stable.concat(rest);
  }

  /** Visits committed entries that have not been applied, until `visit` returns true. */
  someUnapplied(visit: (batch: EntryBatch) => boolean): boolean {
    if (this.applied >= this.committed) return false;
    return this.slice(this.applied + 1, this.committed + 1, NO_LIMIT).some(visit);
  }
}
