/** Whether a server lives, and whether it can do its work: null is yes, a text says why not. */
import type { ServerFigures } from '../server/server-figures.ts';

/** Committed entries that the host may be behind with and still count as ready. */
const BACKLOG_ENTRIES_MAX = 10_000;

export function unhealthy({ failure }: ServerFigures): string | null {
  return failure === null ? null : `the server has stopped for good: ${failure}`;
}

export function unready(figures: ServerFigures): string | null {
  const dead = unhealthy(figures);
  if (dead !== null) return dead;
  if (figures.role === 'removed') return 'the server has been removed from its cluster';
  if (figures.leader === 0n) return 'no leader is known';
  const backlog = figures.commitIndex - figures.appliedIndex;
  if (backlog > BACKLOG_ENTRIES_MAX) return `the state machine is ${backlog} entries behind`;
  return null;
}
