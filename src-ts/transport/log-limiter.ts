import type { Logger } from '../core/api.ts';

/** At most so many lines in a period; the rest are counted and told with the next line. */
export class LogLimiter {
  private readonly logger: Logger;
  private readonly now: () => number;
  private readonly linesMax: number;
  private readonly periodMs: number;
  private periodStart = Number.NEGATIVE_INFINITY;
  private lines = 0;
  private suppressed = 0;

  constructor(logger: Logger, now: () => number, linesMax = 10, periodMs = 1_000) {
    this.logger = logger;
    this.now = now;
    this.linesMax = linesMax;
    this.periodMs = periodMs;
  }

  warning(text: string): void {
    const now = this.now();
    if (now - this.periodStart >= this.periodMs) {
      this.periodStart = now;
      this.lines = 0;
    }
    if (this.lines >= this.linesMax) {
      this.suppressed++;
      return;
    }
    this.lines++;
    const more = this.suppressed === 0 ? '' : ` (and ${this.suppressed} similar lines)`;
    this.suppressed = 0;
    this.logger.warning(text + more);
  }
}
