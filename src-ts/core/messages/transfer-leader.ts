import { NONE, nodeIdToHex, type NodeId } from '../node-id.ts';
import type { Raft } from '../raft.ts';
import { sendAppend } from '../replication.ts';
import type { Progress } from '../tracker/progress.ts';
import { MessageType, type Message } from '../types.ts';

/** MsgTransferLeader at the leader; `from` is the transferee, `progress` its. Thesis, section 3.10. */
export function handleTransferLeader(raft: Raft, message: Message, progress: Progress): void {
  const transferee = message.from;
  if (progress.isLearner || raft.leadTransferee === transferee) return;
  // Another transfer that is under way is given up.
  raft.leadTransferee = NONE;
  if (transferee === raft.id) return;
  raft.logger.info(`${raft.name} transfers leadership to ${nodeIdToHex(transferee)}`);
  // It should end within one election timeout.
  raft.electionElapsed = 0;
  raft.leadTransferee = transferee;
  if (progress.match === raft.log.lastIndex()) sendTimeoutNow(raft, transferee);
  else sendAppend(raft, transferee);
}

/** Its log is complete: it may campaign at once. */
export function sendTimeoutNow(raft: Raft, to: NodeId): void {
  raft.send({ type: MessageType.TimeoutNow, to });
}

/** MsgTransferLeader at a follower: goes to the leader. */
export function forwardTransferLeader(raft: Raft, message: Message): void {
  if (raft.lead === NONE) {
    raft.logger.info(`${raft.name} drops a leadership transfer: no leader is known at term ${raft.term}`);
    return;
  }
  raft.send({ type: message.type, to: raft.lead, from: message.from });
}
