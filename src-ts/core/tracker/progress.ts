import type { ProgressStateName } from '../api.ts';
import { violated } from '../errors.ts';
import { Inflights } from './inflights.ts';

/**
 * Probe: one message at a time, until the follower's position is known. Replicate: optimistic, a window of messages.
 * Snapshot: paused until the snapshot has been reported or the follower has caught up.
 */
export type ProgressState = 'probe' | 'replicate' | 'snapshot';

const STATE_NAMES: Readonly<Record<ProgressState, ProgressStateName>> = {
  probe: 'StateProbe',
  replicate: 'StateReplicate',
  snapshot: 'StateSnapshot',
};

/** What the leader knows of one member's log. Invariant: match < next. */
export class Progress {
  /** Highest index known to be durable on the member. */
  match: number;
  /** Index of the next entry to send. */
  next: number;
  /** Highest commit index that it has been sent; lower than real after a message was lost. */
  sentCommit = 0;
  state: ProgressState = 'probe';
  /** Index of the snapshot under way; 0 when none is. */
  pendingSnapshot = 0;
  /** Heard from since the last quorum check. */
  recentActive = false;
  /** Nothing more is sent until the member answers. */
  flowPaused = false;
  readonly inflights: Inflights;
  isLearner: boolean;

  constructor(match: number, next: number, inflights: Inflights, isLearner: boolean) {
    this.match = match;
    this.next = next;
    this.inflights = inflights;
    this.isLearner = isLearner;
  }

  /** A copy for a tentative configuration; the window is shared. */
  clone(): Progress {
    const copy = new Progress(this.match, this.next, this.inflights, this.isLearner);
    copy.sentCommit = this.sentCommit;
    copy.state = this.state;
    copy.pendingSnapshot = this.pendingSnapshot;
    copy.recentActive = this.recentActive;
    copy.flowPaused = this.flowPaused;
    return copy;
  }

  get stateName(): ProgressStateName {
    return STATE_NAMES[this.state];
  }

  private resetState(state: ProgressState): void {
    this.flowPaused = false;
    this.pendingSnapshot = 0;
    this.state = state;
    this.inflights.reset();
  }

  becomeProbe(): void {
    // After a snapshot was sent, probing goes on behind it: it may have arrived.
    const next =
      this.state === 'snapshot' ? Math.max(this.match + 1, this.pendingSnapshot + 1) : this.match + 1;
    this.resetState('probe');
    this.next = next;
    this.sentCommit = Math.min(this.sentCommit, next - 1);
  }

  becomeReplicate(): void {
    this.resetState('replicate');
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    this.resetState('snapshot');
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.sentCommit = index;
  }

  get paused(): boolean {
    return this.state === 'snapshot' || this.flowPaused;
  }

  sentEntries(count: number, bytes: number): void {
    if (this.state === 'replicate') {
      if (count > 0) {
        this.next += count;
        this.inflights.add(this.next - 1, bytes);
      }
      this.flowPaused = this.inflights.full;
    } else {
      if (this.state !== 'probe') violated('entries were sent to a member that waits for a snapshot');
      if (count > 0) this.flowPaused = true;
    }
  }

  /** Sending `committed` would tell the member something new about entries that it has or will have. */
  canBumpCommit(committed: number): boolean {
    return committed > this.sentCommit && this.sentCommit < this.next - 1;
  }

  /** The member has acknowledged up to `index`. False when that is not news. */
  maybeUpdate(index: number): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.flowPaused = false;
    return true;
  }

  /** The member rejected the append after entry `rejected`. False when that answer is out of date. */
  maybeDecrement(rejected: number, matchHint: number): boolean {
    if (this.state === 'replicate') {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
      this.sentCommit = Math.min(this.sentCommit, this.next - 1);
      return true;
    }
    if (this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, matchHint + 1), this.match + 1);
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
    this.flowPaused = false;
    return true;
  }
}
