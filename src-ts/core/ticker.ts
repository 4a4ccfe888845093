/** Time: the driver's ticks become campaigns, heartbeats and quorum checks. */
import { handleBeat } from './messages/beat.ts';
import { handleCheckQuorum } from './messages/check-quorum.ts';
import { handleHup } from './messages/hup.ts';
import { NONE } from './node-id.ts';
import type { Raft } from './raft.ts';
import { StateType } from './types.ts';

export function tick(raft: Raft): void {
  if (raft.state === StateType.Leader) tickLeader(raft);
  else tickElection(raft);
}

function tickElection(raft: Raft): void {
  raft.electionElapsed++;
  if (raft.electionElapsed < raft.randomizedElectionTimeout || !raft.promotable()) return;
  raft.electionElapsed = 0;
  handleHup(raft);
}

function tickLeader(raft: Raft): void {
  raft.heartbeatElapsed++;
  raft.electionElapsed++;
  const { quorumTick } = raft.config;
  if (quorumTick !== undefined && ++raft.quorumElapsed >= quorumTick) {
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
