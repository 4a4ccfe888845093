/** Time: the driver's ticks become campaigns, heartbeats and quorum checks. */
import { handleBeat } from './messages/beat.ts';
import { handleCheckQuorum } from './messages/check-quorum.ts';
import { handleHup } from './messages/hup.ts';
import { NONE } from './node-id.ts';
import type { Raft } from './raft.ts';
import { StateType } from './types.ts';

export function tick(raft: Raft): void {
  elapse(raft, 1, true);
}

export function elapse(raft: Raft, ticks: number, acts: boolean): void {
  raft.electionElapsed += ticks;
  if (raft.state === StateType.Leader) {
    raft.heartbeatElapsed += ticks;
    raft.quorumElapsed += ticks;
    if (acts) actAsLeader(raft);
  } else if (acts && raft.electionElapsed >= raft.randomizedElectionTimeout && raft.promotable()) {
    raft.electionElapsed = 0;
    handleHup(raft);
  }
}

export function ticksUntilDue(raft: Raft): number {
  const { electionTick, heartbeatTick, quorumTick } = raft.config;
  if (raft.state !== StateType.Leader) return raft.randomizedElectionTimeout - raft.electionElapsed;
  const due = Math.min(electionTick - raft.electionElapsed, heartbeatTick - raft.heartbeatElapsed);
  return quorumTick === undefined ? due : Math.min(due, quorumTick - raft.quorumElapsed);
}

function actAsLeader(raft: Raft): void {
  const { quorumTick } = raft.config;
  if (quorumTick !== undefined && raft.quorumElapsed >= quorumTick) {
    raft.quorumElapsed = 0;
    if (raft.config.checkQuorum === true) handleCheckQuorum(raft);
  }
  if (isLeader(raft) && raft.electionElapsed >= raft.config.electionTick) {
    raft.electionElapsed = 0;
    if (quorumTick === undefined && raft.config.checkQuorum === true) handleCheckQuorum(raft);
    // A transfer that has not ended within an election timeout is given up.
    if (isLeader(raft)) raft.leadTransferee = NONE;
  }
  if (!isLeader(raft)) return;
  if (raft.heartbeatElapsed < raft.config.heartbeatTick) return;
  raft.heartbeatElapsed = 0;
  handleBeat(raft);
}

function isLeader(raft: Raft): boolean {
  return raft.state === StateType.Leader;
}
