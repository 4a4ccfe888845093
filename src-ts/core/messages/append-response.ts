import { NONE, nodeIdToHex } from '../node-id.ts';
import type { Raft } from '../raft.ts';
import { broadcastAppend, maybeSendAppend, sendAppend } from '../replication.ts';
import type { Progress } from '../tracker/progress.ts';
import type { Message } from '../types.ts';
import { releasePendingReads } from './read-index.ts';
import { sendTimeoutNow } from './transfer-leader.ts';

/** MsgAppResp at the leader, from a follower or, once its own append is durable, from itself. */
export function handleAppendResponse(raft: Raft, message: Message, progress: Progress): void {
  progress.recentActive = true;
  if (message.reject) handleRejection(raft, message, progress);
  else if (advance(raft, message.index, progress)) handleProgress(raft, message, progress);
}

/**
 * The follower's hint names the last entry that may match. If the leader's own log has a larger term there, no entry of
 * that term can match either, so probing goes on below it: at most one probe a term.
 */
function handleRejection(raft: Raft, message: Message, progress: Progress): void {
  let next = message.rejectHint;
  if (message.logTerm > 0) next = raft.log.findConflictByTerm(next, message.logTerm).index;
  if (!progress.maybeDecrement(message.index, next)) return;
  raft.logger.debug(
    `${raft.name} goes back to entry ${progress.next} for ${nodeIdToHex(message.from)}, which rejected ${message.index}`,
  );
  if (progress.state === 'replicate') progress.becomeProbe();
  sendAppend(raft, message.from);
}

/** Takes in what the member has. False when it is no news; a probe is answered also by what was known. */
function advance(raft: Raft, index: number, progress: Progress): boolean {
  const isNews = progress.maybeUpdate(index);
  if (!isNews && !(progress.match === index && progress.state === 'probe')) return false;
  switch (progress.state) {
    case 'probe':
      progress.becomeReplicate();
      break;
    case 'replicate':
      progress.inflights.freeUpTo(index);
      break;
    case 'snapshot':
      // Whatever snapshot it got: the log goes on from there.
      if (progress.match + 1 >= raft.log.firstIndex()) {
        progress.becomeProbe();
        progress.becomeReplicate();
      }
      break;
  }
  return true;
}

function handleProgress(raft: Raft, message: Message, progress: Progress): void {
  const { from } = message;
  const isOwn = from === raft.id;
  if (raft.maybeCommit()) {
    releasePendingReads(raft);
    broadcastAppend(raft);
  } else if (!isOwn && progress.canBumpCommit(raft.log.committed)) {
    sendAppend(raft, from);
  }
  if (isOwn) return;
  // The window has room again: fill it, one message of the size limit at a time. Bounded by the window.
  while (maybeSendAppend(raft, from, false));
  if (raft.leadTransferee !== NONE && from === raft.leadTransferee) {
    if (progress.match === raft.log.lastIndex()) sendTimeoutNow(raft, from);
  }
}
