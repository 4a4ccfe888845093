import type { EntryBatch } from '../../core/entry-batch.ts';
import type { Message, Snapshot } from '../../core/types.ts';

/** What the program was told to store and has not acknowledged. */
export interface PendingWrite {
  /** Last index as handed out; the snapshot's for one. */
  readonly lastIndex: number;
  readonly firstIndex: number;
  readonly entries: readonly EntryBatch[];
  readonly snapshot: Snapshot | null;
  /** For the core and for others, once it is durable. */
  readonly responses: Message[];
}

/**
 * Writes in the order they were handed out, which is the order they become durable in. An acknowledgement names only an
 * index; where entries were replaced the same index may stand for several writes: the oldest is meant.
 */
export class PendingWrites {
  private queue: PendingWrite[] = [];

  get isEmpty(): boolean {
    return this.queue.length === 0;
  }

  get newest(): PendingWrite | undefined {
    return this.queue[this.queue.length - 1];
  }

  push(write: PendingWrite): void {
    this.queue.push(write);
  }

  /** Takes out what is durable with `index`; null when nothing that far was handed out. */
  acknowledge(index: number): PendingWrite[] | null {
    const exact = this.queue.findIndex((write) => write.snapshot === null && write.lastIndex === index);
    if (exact >= 0) return this.queue.splice(0, exact + 1);
    // Part of a write, or of what has been replaced meanwhile: what ended before it and was not overtaken is done.
    if (!this.queue.some((write) => write.lastIndex >= index)) return null;
    let done = 0;
    while (done < this.queue.length && this.isDoneBefore(done, index)) done++;
    return this.queue.splice(0, done);
  }

  private isDoneBefore(at: number, index: number): boolean {
    const { lastIndex, snapshot } = this.queue[at]!;
    const next = this.queue[at + 1];
    return snapshot === null && lastIndex < index && next?.firstIndex === lastIndex + 1;
  }

  acknowledgeSnapshot(index: number): PendingWrite[] | null {
    const at = this.queue.findIndex((write) => write.snapshot !== null && write.lastIndex === index);
    return at < 0 ? null : this.queue.splice(0, at + 1);
  }
}
