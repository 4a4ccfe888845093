/** Who waits until the state machine has applied an index. */
import type { RaftError } from './errors.ts';

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: RaftError) => void;
}

export class AppliedIndex {
  private current: number;
  private ended: RaftError | null = null;
  private readonly waiters = new Map<number, Waiter[]>();

  constructor(index: number) {
    this.current = index;
  }

  get index(): number {
    return this.current;
  }

  /** Entries came one by one, a snapshot's index at once. */
  advance(index: number): void {
    const isNext = index === this.current + 1;
    this.current = index;
    if (this.waiters.size === 0) return;
    const reached = isNext ? [index] : [...this.waiters.keys()].filter((at) => at <= index);
    for (const at of reached) {
      const waiters = this.waiters.get(at);
      this.waiters.delete(at);
      for (const { resolve } of waiters ?? []) resolve();
    }
  }

  reaches(index: number): Promise<void> {
    if (index <= this.current) return Promise.resolve();
    if (this.ended !== null) return Promise.reject(this.ended);
    return new Promise((resolve, reject) => {
      const waiters = this.waiters.get(index);
      if (waiters === undefined) this.waiters.set(index, [{ resolve, reject }]);
      else waiters.push({ resolve, reject });
    });
  }

  /** It advances no more. */
  end(error: RaftError): void {
    this.ended ??= error;
    for (const waiter of [...this.waiters.values()].flat()) waiter.reject(this.ended);
    this.waiters.clear();
  }
}
