/** The core's messages as C-Raft's, and the other way round. */
import type { RaftNode } from '../../core/api.ts';
import type { EntryBatch } from '../../core/entry-batch.ts';
import { countEntries } from '../../core/log/batch-list.ts';
import { isTransfer, TRANSFER_CONTEXT } from '../../core/messages/campaign.ts';
import { makeMessage, MessageType, type Message } from '../../core/types.ts';
import { MESSAGE_WORDS, MessageCode } from './layout.ts';

/** Writes the message behind `at`; false when C-Raft has nothing of the kind. */
export function putMessage(words: Float64Array, at: number, message: Message, node: RaftNode): boolean {
  const { type, to, term } = message;
  const put = (code: number, a: number, b: number, c: number, d: number): boolean => {
    words[at] = code;
    words[at + 1] = to;
    words[at + 2] = term;
    words[at + 3] = a;
    words[at + 4] = b;
    words[at + 5] = c;
    words[at + 6] = d;
    words[at + MESSAGE_WORDS - 1] = 0;
    return true;
  };
  switch (type) {
    case MessageType.App:
      return put(
        MessageCode.appendEntries,
        message.index,
        message.logTerm,
        message.commit,
        countEntries(message.entries),
      );
    case MessageType.Heartbeat:
      return putHeartbeat(put, message, node);
    case MessageType.AppResp: {
      const hint = Math.min(message.rejectHint, message.index - 1);
      return message.reject
        ? put(MessageCode.appendEntriesResult, message.index, Math.max(hint, 0), 0, 0)
        : put(MessageCode.appendEntriesResult, 0, message.index, 0, 0);
    }
    case MessageType.Vote:
    case MessageType.PreVote: {
      const disrupts = isTransfer(message.context) ? 1 : 0;
      const isPreVote = type === MessageType.PreVote ? 1 : 0;
      return put(MessageCode.requestVote, message.index, message.logTerm, disrupts, isPreVote);
    }
    case MessageType.VoteResp:
    case MessageType.PreVoteResp: {
      const isPreVote = type === MessageType.PreVoteResp ? 1 : 0;
      const namesOwnTerm = message.reject ? isPreVote : 0;
      return put(MessageCode.requestVoteResult, message.reject ? 0 : 1, isPreVote, namesOwnTerm, 0);
    }
    case MessageType.Snap: {
      const { index, term: lastTerm } = message.snapshot!.metadata;
      return put(MessageCode.installSnapshot, index, lastTerm, 0, 0);
    }
    case MessageType.TimeoutNow:
      return put(MessageCode.timeoutNow, node.lastIndex, node.logTerm(node.lastIndex), 0, 0);
    default:
      return false;
  }
}

/**
 * C-Raft's heartbeat is an append without entries. It is anchored where the member is known to match, or, when that
 * has been compacted, before the first entry, which matches always; and it commits nothing beyond that.
 */
function putHeartbeat(
  put: (code: number, a: number, b: number, c: number, d: number) => boolean,
  message: Message,
  node: RaftNode,
): boolean {
  const match = node.progressOf(message.to)?.match ?? 0;
  const term = match > 0 ? node.logTerm(match) : 0;
  if (term <= 0) return put(MessageCode.appendEntries, 0, 0, 0, 0);
  return put(MessageCode.appendEntries, match, term, Math.min(match, message.commit), 0);
}

const NO_ENTRIES: readonly EntryBatch[] = [];
const NO_RESPONSES: readonly Message[] = [];

/** This and the next are what a busy cluster receives: written out, because `makeMessage` costs more. */
export function appendMessage(
  to: number,
  from: number,
  term: number,
  index: number,
  logTerm: number,
  commit: number,
  entries: readonly EntryBatch[],
): Message {
  return {
    type: MessageType.App,
    to,
    from,
    term,
    logTerm,
    index,
    entries,
    commit,
    vote: 0,
    snapshot: null,
    reject: false,
    rejectHint: 0,
    context: null,
    responses: NO_RESPONSES,
  };
}

export function appendResult(
  to: number,
  from: number,
  term: number,
  rejected: number,
  lastIndex: number,
): Message {
  const isRejection = rejected > 0;
  return {
    type: MessageType.AppResp,
    to,
    from,
    term,
    logTerm: 0,
    index: isRejection ? rejected : lastIndex,
    entries: NO_ENTRIES,
    commit: 0,
    vote: 0,
    snapshot: null,
    reject: isRejection,
    rejectHint: isRejection ? lastIndex : 0,
    context: null,
    responses: NO_RESPONSES,
  };
}

export function voteRequest(
  to: number,
  from: number,
  term: number,
  index: number,
  logTerm: number,
  disrupts: boolean,
  isPreVote: boolean,
): Message {
  return makeMessage({
    type: isPreVote ? MessageType.PreVote : MessageType.Vote,
    to,
    from,
    term,
    index,
    logTerm,
    context: disrupts ? TRANSFER_CONTEXT : null,
  });
}

/**
 * C-Raft refuses a pre-vote with the term that was asked for, which is nobody's term yet. Ours says that the term is its
 * own: a candidate that would not learn it would ask for that same term for ever.
 */
export function voteResult(
  node: RaftNode,
  from: number,
  term: number,
  granted: boolean,
  isPreVote: boolean,
  namesOwnTerm: boolean,
): Message {
  const isOwnFuture = isPreVote && !granted && !namesOwnTerm && term === node.term + 1;
  return makeMessage({
    type: isPreVote ? MessageType.PreVoteResp : MessageType.VoteResp,
    to: node.id,
    from,
    term: isOwnFuture ? node.term : term,
    reject: !granted,
  });
}
