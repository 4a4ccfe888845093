import type { NodeId } from '../node-id.ts';

export type VoteResult = 'pending' | 'lost' | 'won';

/** The highest index that a node has acknowledged; undefined when it has said nothing. */
export type AckedIndex = (id: NodeId) => number | undefined;

/** Reused from call to call: `acked` must not come back here. */
const sorted: number[] = [];

/** Largest index acknowledged by a majority; infinite for the empty configuration, so that it never holds one back. */
export function majorityCommittedIndex(voters: ReadonlySet<NodeId>, acked: AckedIndex): number {
  const size = voters.size;
  if (size === 0) return Number.POSITIVE_INFINITY;
  const indexes = sorted;
  indexes.length = 0;
  for (const id of voters) {
    // Insertion sort: voters are few.
    const index = acked(id) ?? 0;
    let at = indexes.length;
    indexes.push(index);
    while (at > 0 && indexes[at - 1]! > index) {
      indexes[at] = indexes[at - 1]!;
      at--;
    }
    indexes[at] = index;
  }
  return indexes[size - (Math.floor(size / 2) + 1)]!;
}

/** An empty configuration wins, so that a joint quorum with it is the other half's. */
export function majorityVoteResult(
  voters: ReadonlySet<NodeId>,
  votes: ReadonlyMap<NodeId, boolean>,
): VoteResult {
  if (voters.size === 0) return 'won';
  let granted = 0;
  let missing = 0;
  for (const id of voters) {
    const vote = votes.get(id);
    if (vote === undefined) missing++;
    else if (vote) granted++;
  }
  const quorum = Math.floor(voters.size / 2) + 1;
  if (granted >= quorum) return 'won';
  return granted + missing >= quorum ? 'pending' : 'lost';
}
