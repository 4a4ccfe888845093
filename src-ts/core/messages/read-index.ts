import { MAX_WAITING_READS } from '../read-only.ts';
import { NONE } from '../node-id.ts';
import type { Raft } from '../raft.ts';
import { broadcastHeartbeat } from '../replication.ts';
import { MessageType, type Message } from '../types.ts';

/** What the asker gave to tell its requests apart. */
export function requestContextOf(message: Message): Uint8Array | null {
  const batch = message.entries[0];
  return batch === undefined || batch.count === 0 ? null : batch.data(0);
}

/** MsgReadIndex at the leader. Thesis, section 6.4. Requests beyond the bound are dropped, as if lost on the way. */
export function handleReadIndex(raft: Raft, message: Message): void {
  if (requestContextOf(message) === null) {
    raft.logger.warning(`${raft.name} drops a read request without a context`);
    return;
  }
  // Before its first commit in its term a leader does not know what has been committed. That holds for a single voter,
  // too (where etcd's raft answers at once): after a restart, or after the others were removed, its commit index may
  // lag behind what was committed before.
  if (raft.committedInCurrentTerm()) startConfirmation(raft, message);
  else if (raft.pendingReads.length < MAX_WAITING_READS) raft.pendingReads.push(message);
}

function startConfirmation(raft: Raft, message: Message): void {
  if (raft.tracker.isSingleton || raft.config.readOnlyOption === 'lease-based') {
    answer(raft, message, raft.log.committed);
    return;
  }
  if (!raft.readOnly.addRequest(raft.log.committed, message)) return;
  raft.readOnly.acknowledge(raft.id, raft.readOnly.heartbeatContext());
  broadcastHeartbeat(raft);
}

/** The leader has committed: what waited for its first commit goes on. */
export function releasePendingReads(raft: Raft): void {
  if (raft.pendingReads.length === 0 || !raft.committedInCurrentTerm()) return;
  const waiting = raft.pendingReads;
  raft.pendingReads = [];
  for (const message of waiting) startConfirmation(raft, message);
}

/** A heartbeat's answer confirms the reads that were asked for before it was sent. */
export function confirmReads(raft: Raft, { from, context }: Message): void {
  if (raft.config.readOnlyOption === 'lease-based' || context === null || context.length === 0) return;
  raft.readOnly.acknowledge(from, context);
  answerConfirmed(raft);
}

/** Also when the configuration has changed: fewer voters may be enough now. */
export function answerConfirmed(raft: Raft): void {
  for (const { request, index } of raft.readOnly.advance(raft.tracker.voters)) answer(raft, request, index);
}

/** Hands the answer out here, or sends it to the follower that asked. */
function answer(raft: Raft, request: Message, index: number): void {
  if (request.from === NONE || request.from === raft.id) {
    raft.readStates.push({ index, requestContext: requestContextOf(request)! });
  } else {
    raft.send({ type: MessageType.ReadIndexResp, to: request.from, index, entries: request.entries });
  }
}

/** MsgReadIndex at a follower: goes to the leader with its origin. */
export function forwardReadIndex(raft: Raft, message: Message): void {
  if (raft.lead === NONE) {
    raft.logger.info(`${raft.name} drops a read request: no leader is known at term ${raft.term}`);
    return;
  }
  const { type, from, entries, context } = message;
  raft.send({ type, to: raft.lead, from, entries, context });
}
