import type { Clock, Timer } from '../../src-ts/server/api.ts';

/** Time that moves only when the test says so. Timers of one moment run in the order in which they were set. */
export class VirtualClock implements Clock {
  private time = 0;
  private order = 0;
  private timers: {
    readonly at: number;
    readonly order: number;
    readonly callback: () => void;
    live: boolean;
  }[] = [];

  now(): number {
    return this.time;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { at: this.time + Math.max(0, delayMs), order: this.order++, callback, live: true };
    this.timers.push(timer);
    return {
      cancel: () => {
        timer.live = false;
      },
    };
  }

  /** Moves on by `ms` (a pause: everything due in between runs at its end). */
  advance(ms: number): void {
    this.time += ms;
    const due = this.timers.filter((timer) => timer.at <= this.time);
    this.timers = this.timers.filter((timer) => timer.at > this.time);
    due.sort((a, b) => a.at - b.at || a.order - b.order);
    for (const timer of due) if (timer.live) timer.callback();
  }
}

/** Uniform integers from a seed (xorshift32 with a mixed seed). */
export function seeded(seed: number): (bound: number) => number {
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x85ebca6b) >>> 0 || 1;
  const next = (): number => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
  return (bound) => (bound <= 2 ** 32 ? Math.floor((next() / 2 ** 32) * bound) : next() % bound);
}
