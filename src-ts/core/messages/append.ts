import { NONE } from '../node-id.ts';
import type { Raft } from '../raft.ts';
import { MessageType, type Message } from '../types.ts';
import type { Progress } from '../tracker/progress.ts';
import { releasePendingReads } from './read-index.ts';

/** MsgApp at a follower. Raft, section 5.3. */
export function handleAppend(raft: Raft, message: Message): void {
  const { log } = raft;
  if (message.index < log.committed) {
    raft.send({ type: MessageType.AppResp, to: message.from, index: log.committed });
    return;
  }
  const last = log.maybeAppend(message.index, message.logTerm, message.entries, message.commit);
  if (last >= 0) {
    raft.send({ type: MessageType.AppResp, to: message.from, index: last });
    return;
  }
  raft.logger.debug(
    `${raft.name} rejects an append after ${message.index} of term ${message.logTerm}: its term there is ${log.termOrZero(message.index)}`,
  );
  // The hint is the last entry that may match: the leader skips a whole term at a time.
  const hint = log.findConflictByTerm(Math.min(message.index, log.lastIndex()), message.logTerm);
  raft.send({
    type: MessageType.AppResp,
    to: message.from,
    index: message.index,
    reject: true,
    rejectHint: hint.index,
    logTerm: hint.term,
  });
}

/** MsgAppResp at the leader. */
export function handleAppendResponse(raft: Raft, message: Message, progress: Progress): void {
  progress.recentActive = true;
  if (message.reject) handleRejection(raft, message, progress);
  else handleAcknowledgement(raft, message, progress);
}

function handleRejection(raft: Raft, message: Message, progress: Progress): void {
  let next = message.rejectHint;
  if (message.logTerm > 0) next = raft.log.findConflictByTerm(message.rejectHint, message.logTerm).index;
  if (!progress.maybeDecrement(message.index, next)) return;
  if (progress.state === 'replicate') progress.becomeProbe();
  raft.sendAppend(message.from);
}

function handleAcknowledgement(raft: Raft, message: Message, progress: Progress): void {
  // A probe is answered also by what was known: it ends the probing.
  if (
    !progress.maybeUpdate(message.index) &&
    !(progress.match === message.index && progress.state === 'probe')
  )
    return;
  if (progress.state === 'probe') progress.becomeReplicate();
  else if (progress.state === 'snapshot') {
    // Caught up with the log by whatever snapshot it got.
    if (progress.match + 1 >= raft.log.firstIndex()) {
      progress.becomeProbe();
      progress.becomeReplicate();
    }
  } else progress.inflights.freeUpTo(message.index);

  const own = message.from === raft.id;
  if (raft.maybeCommit()) {
    releasePendingReads(raft);
    raft.broadcastAppend();
  } else if (!own && progress.canBumpCommit(raft.log.committed)) {
    raft.sendAppend(message.from);
  }
  if (own) return;
  // The window has room again: fill it, one message of the size limit at a time.
  while (raft.maybeSendAppend(message.from, false));
  if (
    raft.leadTransferee !== NONE &&
    message.from === raft.leadTransferee &&
    progress.match === raft.log.lastIndex()
  ) {
    raft.sendTimeoutNow(message.from);
  }
}
