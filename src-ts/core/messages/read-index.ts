import { NONE } from '../node-id.ts';
import type { Raft } from '../raft.ts';
import { MessageType, type Message } from '../types.ts';

const EMPTY = new Uint8Array(0);

/** Read requests that a leader keeps until its first commit in its term; more are dropped. */
const MAX_PENDING_READS = 65_536;

function contextOf(message: Message): Uint8Array {
  const batch = message.entries[0];
  return batch === undefined || batch.count === 0 ? EMPTY : batch.data(0);
}

/** MsgReadIndex at the leader. Thesis, section 6.4. */
export function handleReadIndex(raft: Raft, message: Message): void {
  if (raft.tracker.isSingleton) {
    answerRead(raft, message, raft.log.committed);
    return;
  }
  // Before its first commit a new leader does not know what has been committed.
  if (!raft.committedInCurrentTerm()) {
    if (raft.pendingReadIndexMessages.length < MAX_PENDING_READS) raft.pendingReadIndexMessages.push(message);
    return;
  }
  confirmRead(raft, message);
}

function confirmRead(raft: Raft, message: Message): void {
  if (raft.config.readOnlyOption === 'lease-based') {
    answerRead(raft, message, raft.log.committed);
    return;
  }
  raft.readOnly.addRequest(raft.log.committed, message);
  raft.readOnly.acknowledge(raft.id, raft.readOnly.heartbeatContext());
  raft.broadcastHeartbeat();
}

export function releasePendingReads(raft: Raft): void {
  if (raft.pendingReadIndexMessages.length === 0) return;
  if (!raft.committedInCurrentTerm()) return;
  const waiting = raft.pendingReadIndexMessages;
  raft.pendingReadIndexMessages = [];
  for (const message of waiting) confirmRead(raft, message);
}

/** Hands the answer out here, or sends it to the follower that asked. */
export function answerRead(raft: Raft, request: Message, index: number): void {
  if (request.from === NONE || request.from === raft.id) {
    raft.readStates.push({ index, requestContext: contextOf(request) });
  } else {
    raft.send({ type: MessageType.ReadIndexResp, to: request.from, index, entries: request.entries });
  }
}

/** MsgReadIndex at a follower: forwarded. */
export function forwardReadIndex(raft: Raft, message: Message): void {
  if (raft.lead === NONE) {
    raft.logger.info(`${raft.name} has no leader at term ${raft.term}; dropping index reading msg`);
    return;
  }
  raft.send({ ...message, to: raft.lead, term: 0 });
}

/** MsgReadIndexResp at the follower that asked. */
export function handleReadIndexResponse(raft: Raft, message: Message): void {
  if (message.entries.length !== 1 || message.entries[0]!.count !== 1) {
    raft.logger.error(`${raft.name} got a malformed read index answer`);
    return;
  }
  raft.readStates.push({ index: message.index, requestContext: contextOf(message) });
}
