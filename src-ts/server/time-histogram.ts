/** Durations counted by size: two plain additions an observation, read as a whole when somebody asks. */
export interface HistogramFacts {
  /** Upper bounds in seconds, rising; the last bucket, without a bound, is not in it. */
  readonly boundsSeconds: readonly number[];
  /** One count a bound and one more: how many fell into each bucket alone. */
  readonly counts: readonly number[];
  readonly sumSeconds: number;
}

export class TimeHistogram {
  private readonly boundsMs: Float64Array;
  private readonly counts: Float64Array;
  private sumMs = 0;

  constructor(boundsMs: readonly number[]) {
    this.boundsMs = Float64Array.from(boundsMs);
    this.counts = new Float64Array(boundsMs.length + 1);
  }

  observe(durationMs: number): void {
    const { boundsMs } = this;
    let bucket = 0;
    while (bucket < boundsMs.length && durationMs > boundsMs[bucket]!) bucket++;
    this.counts[bucket]! += 1;
    this.sumMs += durationMs;
  }

  facts(): HistogramFacts {
    return {
      boundsSeconds: Array.from(this.boundsMs, (bound) => bound / 1000),
      counts: Array.from(this.counts),
      sumSeconds: this.sumMs / 1000,
    };
  }
}
