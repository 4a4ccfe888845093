import type { Clock, Timer } from './api.ts';

/**
 * Calls back every `tickMs`. After a pause (a stopped process, a blocked loop) it goes on with one tick, not with all
 * that were missed (it is told by how much it is late): messages that arrived during the pause are to be read before an election timeout runs out.
 */
export class Ticker {
  private readonly clock: Clock;
  private readonly tickMs: number;
  private readonly tick: (lateMs: number) => void;
  private due: number;
  private timer: Timer | null = null;

  constructor(clock: Clock, tickMs: number, tick: (lateMs: number) => void) {
    this.clock = clock;
    this.tickMs = tickMs;
    this.tick = tick;
    this.due = clock.now();
  }

  start(): void {
    this.due = this.clock.now();
    this.arm();
  }

  private arm(): void {
    const now = this.clock.now();
    this.due += this.tickMs;
    // At most one tick late is caught up.
    if (this.due < now) this.due = now;
    this.timer = this.clock.setTimer(Math.max(0, this.due - now), () => {
      const lateMs = Math.max(0, this.clock.now() - this.due);
      this.arm();
      this.tick(lateMs);
    });
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = null;
  }
}
