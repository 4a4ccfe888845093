/** The write side of asynchronous storage: StorageAppend messages become WAL writes; their responses wait for the disk. */
import type { EntryBatch } from '../core/entry-batch.ts';
import { EMPTY_HARD_STATE, type HardState, type Message, type Snapshot } from '../core/types.ts';
import type { WriteAheadLog } from '../storage/types.ts';

export interface AppendTarget {
  /** Entries, hard state and snapshot are durable: the log that the core reads takes them, in order. */
  durable(hardState: HardState | null, entries: readonly EntryBatch[], snapshot: Snapshot | null): void;
  /** Responses whose work is done; they go to this node's core or to peers. */
  deliver(responses: readonly Message[]): void;
  failed(error: unknown): void;
}

interface PendingAppend {
  readonly message: Message;
  readonly hardState: HardState | null;
  done: boolean;
}

/**
 * Writes are started at once and in order; the WAL shares one sync among those that overlap. Completions are taken in
 * order too, within `submit` when the write is small enough to be made on this thread. Bound: what is pending is at most
 * the core's unacknowledged entries (a leader's uncommitted bytes, a leader's window to this follower) and one item a
 * turn.
 *
 * A hard state that differs in its commit index only needs no write of its own (a commit is found again after a
 * restart): it goes with the next entries, or by `flushCommit` before a snapshot record and at the end.
 */
export class AppendQueue {
  private readonly wal: WriteAheadLog;
  private readonly target: AppendTarget;
  private readonly pending: PendingAppend[] = [];
  private head = 0;
  private latest: HardState;
  private written: HardState;
  private failure = false;

  constructor(wal: WriteAheadLog, hardState: HardState, target: AppendTarget) {
    this.wal = wal;
    this.target = target;
    this.latest = hardState;
    this.written = hardState;
  }

  get hardState(): HardState {
    return this.latest;
  }

  get size(): number {
    return this.pending.length - this.head;
  }

  /** First index that is being written; Infinity when none is. Entries of the stable log from there on may be stale. */
  get firstPendingIndex(): number {
    let first = Infinity;
    for (let i = this.head; i < this.pending.length; i++) {
      const { entries, snapshot } = this.pending[i]!.message;
      if (entries.length > 0) first = Math.min(first, entries[0]!.firstIndex);
      if (snapshot !== null) first = 0;
    }
    return first;
  }

  /** Takes a StorageAppend message. */
  submit(message: Message, mustSync: boolean): void {
    if (this.failure) return;
    const hardState = hardStateOf(message, this.latest);
    if (hardState !== null) this.latest = hardState;
    const item: PendingAppend = { message, hardState, done: false };
    this.pending.push(item);
    if (message.snapshot !== null) {
      // Its file and members are on disk already. Commit must not lie below a snapshot record, hence the sync of both.
      const { index, term, confState } = message.snapshot.metadata;
      const record = this.wal.saveSnapshot({ index, term, confState });
      const rest = this.wal.save(this.takeHardState(), message.entries, true);
      this.watch(Promise.all([record, rest]), item);
    } else if (message.entries.length > 0 || mustSync) {
      this.write(item, mustSync);
    } else {
      item.done = true;
      this.drain();
    }
  }

  /** A small write of an idle WAL is done here and now, and so is what waits for it. */
  private write(item: PendingAppend, mustSync: boolean): void {
    const { entries } = item.message;
    const hardState = this.takeHardState();
    if (this.size === 1) {
      try {
        item.done = this.wal.saveNow(hardState, entries, mustSync);
      } catch (error) {
        this.fail(error);
        return;
      }
    }
    if (item.done) this.drain();
    else this.watch(this.wal.save(hardState, entries, mustSync), item);
  }

  private watch(work: Promise<unknown>, item: PendingAppend): void {
    work
      .then(() => {
        item.done = true;
        this.drain();
      })
      .catch((error: unknown) => {
        this.fail(error);
      });
  }

  private fail(error: unknown): void {
    if (this.failure) return;
    this.failure = true;
    this.target.failed(error);
  }

  /** The hard state if the WAL does not have it yet. */
  private takeHardState(): HardState | null {
    const { latest, written } = this;
    if (latest.term === written.term && latest.vote === written.vote && latest.commit === written.commit)
      return null;
    this.written = latest;
    return latest;
  }

  /** Hands a commit index that no entry has taken along to the WAL, which writes it with what comes next. */
  flushCommit(): void {
    if (this.failure) return;
    const hardState = this.takeHardState();
    if (hardState === null) return;
    this.wal.save(hardState, [], false).catch((error: unknown) => {
      this.fail(error);
    });
  }

  private drain(): void {
    if (this.failure) return;
    while (this.head < this.pending.length && this.pending[this.head]!.done) {
      const item = this.pending[this.head]!;
      this.head++;
      this.target.durable(item.hardState, item.message.entries, item.message.snapshot);
      this.target.deliver(item.message.responses);
    }
    if (this.head === this.pending.length) {
      this.pending.length = 0;
      this.head = 0;
    } else if (this.head > 256 && this.head * 2 > this.pending.length) {
      this.pending.splice(0, this.head);
      this.head = 0;
    }
  }
}

/** A StorageAppend without hard state has all three fields at zero. */
function hardStateOf(message: Message, latest: HardState): HardState | null {
  const { term, vote, commit } = message;
  if (term === EMPTY_HARD_STATE.term && vote === EMPTY_HARD_STATE.vote && commit === EMPTY_HARD_STATE.commit)
    return null;
  if (term === latest.term && vote === latest.vote && commit === latest.commit) return null;
  return { term, vote, commit };
}
