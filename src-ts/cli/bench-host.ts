/** A host without a state: it takes every entry at once, and hands on the outcomes of its proposals. */
import type { EntryBatch } from '../core/entry-batch.ts';
import type { HostSnapshot, Outcome, SnapshotChunks, StateMachinePort } from '../server/api.ts';

export class BenchHost implements StateMachinePort {
  private applied = 0;
  private sequence = 0;
  private waiting: Outcome[] = [];
  private wake: (() => void) | null = null;

  nextSequence(): number {
    return this.sequence++;
  }

  /** The outcomes that have come since; waits for one. Rejects after `limitMs` without any. */
  async decided(limitMs: number): Promise<readonly Outcome[]> {
    if (this.waiting.length === 0) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve, reject) => {
        this.wake = resolve;
        timer = setTimeout(() => {
          reject(new Error(`no proposal was decided within ${limitMs / 1000} s`));
        }, limitMs);
      }).finally(() => {
        clearTimeout(timer);
        this.wake = null;
      });
    }
    return this.waiting.splice(0);
  }

  outcomes(outcomes: readonly Outcome[]): void {
    for (const outcome of outcomes) this.waiting.push(outcome);
    this.wake?.();
  }

  apply(batch: EntryBatch): number {
    this.applied = batch.firstIndex + batch.count - 1;
    return batch.count;
  }

  appliedIndex(): number {
    return this.applied;
  }

  async restore(index: number, _term: number, _bytes: number, source: SnapshotChunks): Promise<void> {
    await source(() => undefined);
    this.applied = index;
  }

  takeSnapshot(): Promise<HostSnapshot> {
    return Promise.resolve({ dataBytes: 0, read: () => Promise.resolve() });
  }

  message(): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array(0));
  }

  stateChanged(): void {
    // The benchmark looks for the leader itself.
  }

  event(): void {
    // Failures end the proposals, and are seen there.
  }
}
