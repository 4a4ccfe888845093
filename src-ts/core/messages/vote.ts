import { messageName } from '../message-kinds.ts';
import { NONE, nodeIdToHex } from '../node-id.ts';
import type { Raft } from '../raft.ts';
import { MessageType, type Message } from '../types.ts';
import { isTransfer } from './campaign.ts';

/**
 * A vote asked for at a higher term is not even looked at while this node hears from a leader (thesis, section 4.2.3),
 * unless that leader hands over itself.
 */
export function isRefusedByLease(raft: Raft, message: Message): boolean {
  const { checkQuorum, electionTick } = raft.config;
  const inLease = checkQuorum === true && raft.lead !== NONE && raft.electionElapsed < electionTick;
  return inLease && !isTransfer(message.context);
}

/** MsgVote and MsgPreVote, in any state. Learners vote, too: they may have been promoted without knowing it yet. */
export function handleVote(raft: Raft, message: Message): void {
  const isPreVote = message.type === MessageType.PreVote;
  const type = isPreVote ? MessageType.PreVoteResp : MessageType.VoteResp;
  // A repeated vote, a first one while no leader is known, or a pre-vote, which promises nothing.
  const mayVote =
    raft.vote === message.from ||
    (raft.vote === NONE && raft.lead === NONE) ||
    (isPreVote && message.term > raft.term);
  const grants = mayVote && raft.log.isUpToDate({ term: message.logTerm, index: message.index });
  raft.logger.info(
    `${raft.name} ${grants ? 'grants' : 'refuses'} ${messageName(message.type)} of ${nodeIdToHex(message.from)} ` +
      `for term ${message.term} with the log at (${message.index}, term ${message.logTerm})`,
  );
  if (!grants) {
    raft.send({ type, to: message.from, term: raft.term, reject: true });
    return;
  }
  // The term asked for, not the own one: a pre-candidate ignores answers of lower terms.
  raft.send({ type, to: message.from, term: message.term });
  if (isPreVote) return;
  raft.electionElapsed = 0;
  raft.vote = message.from;
}
