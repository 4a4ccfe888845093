/** One sample a second of one server, kept for some minutes: a page that is opened late shows what has been. */
import type { Clock, Timer } from '../server/api.ts';
import type { ServerFigures } from '../server/server-figures.ts';
import { quantilesBetween, type Quantiles } from './quantiles.ts';

export const SAMPLE_INTERVAL_MS = 1_000;
/** Ten minutes. */
export const SAMPLES_KEPT = 600;

export interface Sample {
  /** Counts up from 1 since the server's start. */
  readonly sequence: number;
  /** Milliseconds since 1970 by the server's wall clock. */
  readonly time_ms: number;
  readonly role: string;
  readonly term: number;
  readonly leader: string;
  readonly commit_index: number;
  readonly applied_index: number;
  /** Of the time since the sample before. */
  readonly commits_per_second: number;
  readonly applied_per_second: number;
  /** Append to commit; on a leader with load only. */
  readonly commit: Quantiles | null;
  readonly wal_sync: Quantiles | null;
  readonly loop_delay: Quantiles | null;
}

interface Look {
  readonly atMs: number;
  readonly figures: ServerFigures;
}

export class Sampler {
  private readonly clock: Clock;
  private readonly take: () => ServerFigures;
  /** Called with each look, for those who compute rates of their own. */
  private readonly seen: (figures: ServerFigures, atMs: number) => void;
  private readonly kept: Sample[] = [];
  private last: Look | null = null;
  private sequence = 0;
  private timer: Timer | null = null;

  constructor(clock: Clock, take: () => ServerFigures, seen: (figures: ServerFigures, atMs: number) => void) {
    this.clock = clock;
    this.take = take;
    this.seen = seen;
  }

  start(): void {
    this.timer = this.clock.setTimer(SAMPLE_INTERVAL_MS, () => {
      this.sample();
      this.start();
    });
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = null;
  }

  /** Those after `sequence`, the newest last. */
  after(sequence: number): readonly Sample[] {
    const first = this.kept[0]?.sequence ?? 0;
    return this.kept.slice(Math.max(0, sequence + 1 - first));
  }

  get newest(): Sample | null {
    return this.kept[this.kept.length - 1] ?? null;
  }

  sample(): void {
    const { last } = this;
    const look: Look = { atMs: this.clock.now(), figures: this.take() };
    this.last = look;
    this.seen(look.figures, look.atMs);
    if (last === null || look.atMs <= last.atMs) return;
    const { figures } = look;
    const seconds = (look.atMs - last.atMs) / 1000;
    const rate = (now: number, before: number): number => Math.max(0, Math.round((now - before) / seconds));
    this.sequence++;
    this.kept.push({
      sequence: this.sequence,
      time_ms: Date.now(),
      role: figures.role,
      term: figures.term,
      leader: figures.leader.toString(),
      commit_index: figures.commitIndex,
      applied_index: figures.appliedIndex,
      commits_per_second: rate(figures.commitIndex, last.figures.commitIndex),
      applied_per_second: rate(figures.appliedIndex, last.figures.appliedIndex),
      commit: quantilesBetween(last.figures.commitTimes, figures.commitTimes),
      wal_sync: quantilesBetween(last.figures.walSyncs, figures.walSyncs),
      loop_delay: quantilesBetween(last.figures.loopDelay, figures.loopDelay),
    });
    if (this.kept.length > SAMPLES_KEPT) this.kept.shift();
  }
}
