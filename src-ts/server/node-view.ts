/** What a server tells of itself to its peers and to pages: JSON, ids as text because they have 64 bits. */
import type { ServerFigures } from './server-figures.ts';

export interface NodeView {
  readonly id: string;
  readonly role: ServerFigures['role'];
  readonly learner: boolean;
  readonly term: number;
  /** "0": none. */
  readonly leader: string;
  readonly commit_index: number;
  readonly applied_index: number;
  readonly first_index: number;
  readonly last_index: number;
  readonly snapshot_index: number;
  readonly log_bytes: number;
  readonly version: string;
  readonly runtime: string;
  /** Why the server has stopped for good. */
  readonly failure: string | null;
  /** Of a leader: what it knows of the others' logs. */
  readonly progress: readonly ProgressView[];
}

export interface ProgressView {
  readonly id: string;
  readonly match_index: number;
  /** probe, replicate or snapshot. */
  readonly state: string;
}

export function nodeView(figures: ServerFigures): NodeView {
  const progress: ProgressView[] = [];
  for (const { id, matchIndex, replication } of figures.peers) {
    if (figures.role !== 'leader' || matchIndex < 0) continue;
    progress.push({ id: id.toString(), match_index: matchIndex, state: replication });
  }
  return {
    id: figures.id.toString(),
    role: figures.role,
    learner: figures.memberList.some((member) => member.id === figures.id && member.learner),
    term: figures.term,
    leader: figures.leader.toString(),
    commit_index: figures.commitIndex,
    applied_index: figures.appliedIndex,
    first_index: figures.firstIndex,
    last_index: figures.lastIndex,
    snapshot_index: figures.snapshotIndex,
    log_bytes: figures.logBytes,
    version: figures.version,
    runtime: figures.runtime,
    failure: figures.failure,
    progress,
  };
}
