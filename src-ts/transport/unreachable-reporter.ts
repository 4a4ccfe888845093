import type { TransportClock, TransportTimer } from './types.ts';

/** Passes reports on at most once in an interval; one that comes too early follows at its end. Never synchronously. */
export class UnreachableReporter {
  private readonly clock: TransportClock;
  private readonly intervalMs: number;
  private readonly report: () => void;
  private lastAt = Number.NEGATIVE_INFINITY;
  private timer: TransportTimer | null = null;
  private stopped = false;

  constructor(clock: TransportClock, intervalMs: number, report: () => void) {
    this.clock = clock;
    this.intervalMs = intervalMs;
    this.report = report;
  }

  note(): void {
    if (this.stopped || this.timer !== null) return;
    const waitMs = Math.max(0, this.lastAt + this.intervalMs - this.clock.now());
    this.timer = this.clock.setTimer(waitMs, () => {
      this.timer = null;
      this.lastAt = this.clock.now();
      this.report();
    });
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
    this.timer = null;
  }
}
