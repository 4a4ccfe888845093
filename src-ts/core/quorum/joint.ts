import type { NodeId } from '../node-id.ts';
import { majorityCommittedIndex, majorityVoteResult, type AckedIndex, type VoteResult } from './majority.ts';

/** Incoming and outgoing voters; outgoing is empty unless the configuration is joint. Raft, section 6. */
export interface JointVoters {
  readonly incoming: readonly NodeId[];
  readonly outgoing: readonly NodeId[];
}

/** An index is committed when both majorities have it. */
export function jointCommittedIndex(voters: JointVoters, acked: AckedIndex): number {
  return Math.min(
    majorityCommittedIndex(voters.incoming, acked),
    majorityCommittedIndex(voters.outgoing, acked),
  );
}

export function jointVoteResult(voters: JointVoters, votes: ReadonlyMap<NodeId, boolean>): VoteResult {
  const incoming = majorityVoteResult(voters.incoming, votes);
  const outgoing = majorityVoteResult(voters.outgoing, votes);
  if (incoming === outgoing) return incoming;
  return incoming === 'lost' || outgoing === 'lost' ? 'lost' : 'pending';
}

/** All voters of both halves, ascending. */
export function jointIds(voters: JointVoters): NodeId[] {
  return [...new Set([...voters.incoming, ...voters.outgoing])].sort((a, b) => a - b);
}
