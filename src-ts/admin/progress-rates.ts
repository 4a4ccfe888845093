/** How fast each node's log grows: observations of the last seconds, and the slope through their ends. */

/** How far back a rate looks. */
const WINDOW_MS = 5_000;
const OBSERVATIONS_MAX = 32;
/** Below this a slope says nothing. */
const LEAST_MS = 500;
/** A log that has not grown for so long stands still; when it grows again, its rate is that of the time since. */
const STILL_MS = 1_500;

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
    const newest = seen[seen.length - 1];
    const oldest = sinceStandstill(seen);
    if (oldest === undefined || newest === undefined) return null;
    if (oldest === newest) return seen.length > 1 ? 0 : null;
    if (newest.atMs - oldest.atMs < LEAST_MS) return null;
    return Math.round(((newest.index - oldest.index) * 1000) / (newest.atMs - oldest.atMs));
  }
}

/** The last observation of the newest standstill; without one, the oldest observation. */
function sinceStandstill(seen: readonly Observation[]): Observation | undefined {
  for (let end = seen.length - 1; end > 0; end--) {
    let start = end;
    while (start > 0 && seen[start - 1]?.index === seen[end]?.index) start--;
    if ((seen[end]?.atMs ?? 0) - (seen[start]?.atMs ?? 0) >= STILL_MS) return seen[end];
    end = start;
  }
  return seen[0];
}
