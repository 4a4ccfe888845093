import type { ProgressStatus, Status } from './api.ts';
import type { NodeId } from './node-id.ts';
import type { Raft } from './raft.ts';
import { toConfState } from './tracker/configuration.ts';
import type { Progress } from './tracker/progress.ts';
import { StateType } from './types.ts';

export function progressStatus(id: NodeId, progress: Progress): ProgressStatus {
  return {
    id,
    match: progress.match,
    next: progress.next,
    state: progress.stateName,
    isLearner: progress.isLearner,
    recentActive: progress.recentActive,
    pendingSnapshot: progress.pendingSnapshot,
    inflight: progress.inflights.count,
    inflightFull: progress.inflights.full,
    paused: progress.paused,
  };
}

export function statusOf(raft: Raft): Status {
  const { log, tracker } = raft;
  const leads = raft.state === StateType.Leader;
  return {
    id: raft.id,
    hardState: raft.hardState,
    softState: raft.softState,
    applied: log.applied,
    lastIndex: log.lastIndex(),
    firstIndex: log.firstIndex(),
    leadTransferee: raft.leadTransferee,
    confState: toConfState(tracker.configuration),
    progress: leads ? tracker.ids.map((id) => progressStatus(id, tracker.get(id)!)) : [],
  };
}
