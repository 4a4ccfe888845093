import { EntryType } from '../entry-batch.ts';
import { NONE, nodeIdToHex, type NodeId } from '../node-id.ts';
import { jointIds } from '../quorum/joint.ts';
import type { VoteResult } from '../quorum/majority.ts';
import type { Raft } from '../raft.ts';
import { MessageType, StateType, type Message } from '../types.ts';

export type CampaignKind = 'pre-election' | 'election' | 'transfer';

/** Context of votes asked for by a transfer: it overrides the leader lease. */
const TRANSFER_CONTEXT = Uint8Array.from('CampaignTransfer', (character) => character.charCodeAt(0));

function isTransfer(context: Uint8Array | null): boolean {
  return (
    context !== null &&
    context.length === TRANSFER_CONTEXT.length &&
    context.every((byte, i) => byte === TRANSFER_CONTEXT[i])
  );
}

/** MsgHup, MsgTimeoutNow: starts a campaign if this node may. */
export function startCampaign(raft: Raft, kind: CampaignKind): void {
  if (raft.state === StateType.Leader) return;
  if (!raft.promotable()) {
    raft.logger.warning(`${raft.name} is unpromotable and can not campaign`);
    return;
  }
  const changeWaits = raft.log.someUnapplied(
    (batch) => batch.types?.some((_, i) => i < batch.count && batch.type(i) !== EntryType.Normal) ?? false,
  );
  if (changeWaits) {
    raft.logger.warning(
      `${raft.name} cannot campaign at term ${raft.term}: a committed membership change is not applied yet`,
    );
    return;
  }
  campaign(raft, kind);
}

function campaign(raft: Raft, kind: CampaignKind): void {
  const pre = kind === 'pre-election';
  if (pre) raft.becomePreCandidate();
  else raft.becomeCandidate();
  const term = pre ? raft.term + 1 : raft.term;
  const last = raft.log.lastEntryId();
  for (const id of jointIds(raft.tracker.voters)) {
    if (id === raft.id) {
      // The own vote counts when it is durable: it comes back as an answer after the append.
      raft.send({ type: pre ? MessageType.PreVoteResp : MessageType.VoteResp, to: id, term });
      continue;
    }
    raft.send({
      type: pre ? MessageType.PreVote : MessageType.Vote,
      to: id,
      term,
      index: last.index,
      logTerm: last.term,
      context: kind === 'transfer' ? TRANSFER_CONTEXT : null,
    });
  }
}

/** A vote asked for at a higher term is not even looked at while this node hears from a leader. Thesis, 4.2.3. */
export function ignoredByLease(raft: Raft, message: Message): boolean {
  const inLease =
    raft.config.checkQuorum === true && raft.lead !== NONE && raft.electionElapsed < raft.config.electionTick;
  return inLease && !isTransfer(message.context);
}

/** MsgVote, MsgPreVote. Raft, sections 5.2 and 5.4.1. */
export function handleVoteRequest(raft: Raft, message: Message): void {
  const pre = message.type === MessageType.PreVote;
  const canVote =
    raft.vote === message.from ||
    (raft.vote === NONE && raft.lead === NONE) ||
    (pre && message.term > raft.term);
  const type = pre ? MessageType.PreVoteResp : MessageType.VoteResp;
  if (canVote && raft.log.isUpToDate({ term: message.logTerm, index: message.index })) {
    // A pre-vote is answered with the term asked for: a candidate ignores answers of lower terms.
    raft.send({ type, to: message.from, term: message.term });
    if (!pre) {
      raft.electionElapsed = 0;
      raft.vote = message.from;
    }
  } else {
    raft.send({ type, to: message.from, term: raft.term, reject: true });
  }
}

function poll(raft: Raft, id: NodeId, granted: boolean): VoteResult {
  raft.logger.info(
    `${raft.name} received ${granted ? 'a vote' : 'a rejection'} from ${nodeIdToHex(id)} at term ${raft.term}`,
  );
  raft.tracker.recordVote(id, granted);
  return raft.tracker.voteResult();
}

/** MsgVoteResp, MsgPreVoteResp, at a candidate of that kind. */
export function handleVoteResponse(raft: Raft, message: Message): void {
  const result = poll(raft, message.from, !message.reject);
  if (result === 'won') {
    if (raft.state === StateType.PreCandidate) campaign(raft, 'election');
    else {
      raft.becomeLeader();
      raft.broadcastAppend();
    }
  } else if (result === 'lost') {
    raft.becomeFollower(raft.term, NONE);
  }
}
