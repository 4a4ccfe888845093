/** How fast each node's log grows: observations of the last seconds, and the slope through their ends. */

/** How far back a rate looks. */
const WINDOW_MS = 10_000;
const OBSERVATIONS_MAX = 32;
/** Below this a slope says nothing. */
const LEAST_MS = 500;

interface Observation {
  readonly atMs: number;
  readonly index: number;
}

export class ProgressRates {
  private readonly nodes = new Map<string, Observation[]>();

  observe(id: string, atMs: number, index: number): void {
    const seen = this.nodes.get(id) ?? [];
    const newest = seen[seen.length - 1];
    // A log that has been cut begins anew.
    if (newest !== undefined && index < newest.index) seen.length = 0;
    if (newest === undefined || atMs - newest.atMs >= LEAST_MS / 2) seen.push({ atMs, index });
    while (seen.length > OBSERVATIONS_MAX || (seen[0] !== undefined && atMs - seen[0].atMs > WINDOW_MS))
      seen.shift();
    this.nodes.set(id, seen);
  }

  /** Only these nodes are remembered from now on. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.nodes.keys()) if (!ids.has(id)) this.nodes.delete(id);
  }

  /** Entries a second; null while too little has been seen. */
  rate(id: string): number | null {
    const seen = this.nodes.get(id) ?? [];
    const [oldest] = seen;
    const newest = seen[seen.length - 1];
    if (oldest === undefined || newest === undefined || newest.atMs - oldest.atMs < LEAST_MS) return null;
    return Math.round(((newest.index - oldest.index) * 1000) / (newest.atMs - oldest.atMs));
  }
}
