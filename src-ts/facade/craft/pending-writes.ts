import type { EntryBatch } from '../../core/entry-batch.ts';
import type { Message, Snapshot } from '../../core/types.ts';

/** What the program was told to store and has not acknowledged. */
export interface PendingWrite {
  readonly firstIndex: number;
  /** Last index of it that is still in the log: later writes replace from their first one on. */
  lastKept: number;
  readonly entries: readonly EntryBatch[];
  readonly snapshot: Snapshot | null;
  /** For the core and for others, once it is durable. */
  readonly responses: Message[];
}

const NONE: readonly PendingWrite[] = [];

/**
 * Writes in the order they were handed out, which is the order they become durable in. An acknowledgement names an index
 * of the log as it is now: of a write that has been replaced in part, only the rest is waited for.
 */
export class PendingWrites {
  private queue: PendingWrite[] = [];

  get newest(): PendingWrite | undefined {
    const { length } = this.queue;
    // An index of -1 would be looked up by its name.
    return length === 0 ? undefined : this.queue[length - 1];
  }

  push(write: PendingWrite): void {
    const { queue } = this;
    // A snapshot replaces everything.
    const kept = write.snapshot === null ? write.firstIndex - 1 : 0;
    for (let i = queue.length - 1; i >= 0 && queue[i]!.lastKept > kept; i--) queue[i]!.lastKept = kept;
    queue.push(write);
  }

  /** Takes out what is durable when all entries up to `index` are. */
  acknowledge(index: number): readonly PendingWrite[] {
    const { queue } = this;
    let done = 0;
    while (done < queue.length && queue[done]!.snapshot === null && queue[done]!.lastKept <= index) done++;
    return this.take(done);
  }

  /** Null when this snapshot was not handed out, or is acknowledged already. */
  acknowledgeSnapshot(index: number): readonly PendingWrite[] | null {
    const at = this.queue.findIndex(({ snapshot }) => snapshot?.metadata.index === index);
    return at < 0 ? null : this.take(at + 1);
  }

  private take(count: number): readonly PendingWrite[] {
    if (count === 0) return NONE;
    if (count < this.queue.length) return this.queue.splice(0, count);
    const all = this.queue;
    this.queue = [];
    return all;
  }
}
