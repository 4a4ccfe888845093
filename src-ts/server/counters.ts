/** What a server counts while it works. Plain fields, so that counting costs an addition; `figures.ts` hands them out. */
import { TimeHistogram } from './time-histogram.ts';

/** A sync takes 0.1 ms on a good disk and up to seconds on a bad one. */
const SYNC_BOUNDS_MS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000];
const COMMIT_BOUNDS_MS = [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000];
const DELAY_BOUNDS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000];

export class Counters {
  /** Given by the own host. */
  proposals = 0;
  /** Proposals of other nodes that this one appended as their leader. */
  forwardedTaken = 0;
  /** Own proposals whose outcome was told, by how it was. */
  committed = 0;
  rejected = 0;
  unknown = 0;
  /** Changes to another known leader, and how often there was none any more. */
  leaderChanges = 0;
  leaderLosses = 0;
  snapshotsSaved = 0;
  snapshotsFailed = 0;
  /** Linearizable reads that were asked for. */
  reads = 0;
  readonly commitTimes = new TimeHistogram(COMMIT_BOUNDS_MS);
  readonly walSyncs = new TimeHistogram(SYNC_BOUNDS_MS);
  /** How late the timer of the ticks fires: the time for which the event loop was busy with something else. */
  readonly loopDelay = new TimeHistogram(DELAY_BOUNDS_MS);
}
