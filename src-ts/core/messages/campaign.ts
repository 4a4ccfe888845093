import type { Raft } from '../raft.ts';
import { jointIds } from '../quorum/joint.ts';
import { MessageType } from '../types.ts';

export type CampaignKind = 'pre-election' | 'election' | 'transfer';

/** Context of votes asked for by a transfer: it overrides the leader lease. */
export const TRANSFER_CONTEXT = Uint8Array.from('CampaignTransfer', (character) => character.charCodeAt(0));

export function isTransfer(context: Uint8Array | null): boolean {
  return (
    context !== null &&
    context.length === TRANSFER_CONTEXT.length &&
    context.every((byte, i) => byte === TRANSFER_CONTEXT[i])
  );
}

/** Becomes a (pre-)candidate and asks all voters. Raft, section 5.2; pre-vote: thesis, section 9.6. */
export function campaign(raft: Raft, kind: CampaignKind): void {
  const isPreVote = kind === 'pre-election';
  if (isPreVote) raft.becomePreCandidate();
  else raft.becomeCandidate();
  // A pre-vote names the next term without entering it.
  const term = isPreVote ? raft.term + 1 : raft.term;
  const request = isPreVote ? MessageType.PreVote : MessageType.Vote;
  const answer = isPreVote ? MessageType.PreVoteResp : MessageType.VoteResp;
  const { index, term: logTerm } = raft.log.lastEntryId();
  const context = kind === 'transfer' ? TRANSFER_CONTEXT : null;
  raft.logger.info(`${raft.name} campaigns for term ${term} with the log at (${index}, term ${logTerm})`);
  for (const id of jointIds(raft.tracker.voters)) {
    // The own vote counts when it is durable: it comes back as an answer after the append.
    if (id === raft.id) raft.send({ type: answer, to: id, term });
    else raft.send({ type: request, to: id, term, index, logTerm, context });
  }
}
