import type { NodeId } from '../node-id.ts';

export type VoteResult = 'pending' | 'lost' | 'won';

/** The highest index that a node has acknowledged; undefined when it has said nothing. */
export type AckedIndex = (id: NodeId) => number | undefined;

/** Reused from call to call, so that an answer costs no object: `acked` must not come back here. */
const sorted: number[] = [];

/** Largest index acknowledged by a majority; infinite for the empty configuration, so that it never holds one back. */
export function majorityCommittedIndex(voters: readonly NodeId[], acked: AckedIndex): number {
  const size = voters.length;
  if (size === 0) return Number.POSITIVE_INFINITY;
  // Insertion sort: voters are few.
  for (let i = 0; i < size; i++) {
    const index = acked(voters[i]!) ?? 0;
    let at = i;
    while (at > 0 && sorted[at - 1]! > index) {
      sorted[at] = sorted[at - 1]!;
      at--;
    }
    sorted[at] = index;
  }
  return sorted[size - (Math.floor(size / 2) + 1)]!;
}

/** An empty configuration wins, so that a joint quorum with it is the other half's. */
export function majorityVoteResult(
  voters: readonly NodeId[],
  votes: ReadonlyMap<NodeId, boolean>,
): VoteResult {
  if (voters.length === 0) return 'won';
  let granted = 0;
  let missing = 0;
  for (const id of voters) {
    const vote = votes.get(id);
    if (vote === undefined) missing++;
    else if (vote) granted++;
  }
  const quorum = Math.floor(voters.length / 2) + 1;
  if (granted >= quorum) return 'won';
  return granted + missing >= quorum ? 'pending' : 'lost';
}
