/**
 * How long entries take to be committed, on a leader: one entry at a time is followed, the last one that is there when
 * the one before is committed. So measuring costs two comparisons a turn, however many entries there are.
 */
import type { TimeHistogram } from './time-histogram.ts';

export class CommitTimer {
  private readonly now: () => number;
  private readonly times: TimeHistogram;
  /** 0: none is followed. */
  private index = 0;
  private term = 0;
  private sinceMs = 0;

  constructor(now: () => number, times: TimeHistogram) {
    this.now = now;
    this.times = times;
  }

  /** `lastIndex` is that of the log; term 0 when this server does not lead. */
  look(term: number, committed: number, lastIndex: number): void {
    if (this.index !== 0) {
      if (term === this.term && committed < this.index) return;
      if (term === this.term) this.times.observe(this.now() - this.sinceMs);
      this.index = 0;
    }
    if (term === 0 || lastIndex <= committed) return;
    this.index = lastIndex;
    this.term = term;
    this.sinceMs = this.now();
  }
}
