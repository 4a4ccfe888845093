import { nodeIdToHex } from '../node-id.ts';
import type { Raft } from '../raft.ts';
import { MessageType, type Message } from '../types.ts';

/** MsgApp at a follower. Raft, section 5.3. */
export function handleAppend(raft: Raft, message: Message): void {
  const { log } = raft;
  if (message.index <= log.committed) log.checkCommitted(message.index, message.logTerm, message.entries);
  if (message.index < log.committed) {
    raft.acknowledge(message.from, log.committed);
    return;
  }
  const last = log.maybeAppend(message.index, message.logTerm, message.entries, message.commit);
  if (last >= 0) raft.acknowledge(message.from, last);
  else reject(raft, message);
}

/**
 * The entry before the sent ones is not here. The hint is the last entry here that may match the leader's log: all
 * above it have a term larger than the leader's at the rejected index, so that whole terms are skipped at a time.
 */
function reject(raft: Raft, message: Message): void {
  const { log } = raft;
  raft.logger.debug(
    `${raft.name} rejects entries after (${message.index}, term ${message.logTerm}) from ` +
      `${nodeIdToHex(message.from)}: its own term there is ${log.termOrZero(message.index)}`,
  );
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
