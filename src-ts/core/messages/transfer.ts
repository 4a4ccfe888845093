import { NONE } from '../node-id.ts';
import type { Raft } from '../raft.ts';
import type { Progress } from '../tracker/progress.ts';
import type { Message } from '../types.ts';

/** MsgTransferLeader at the leader; `from` is the transferee. Thesis, section 3.10. */
export function handleTransfer(raft: Raft, message: Message, progress: Progress): void {
  if (progress.isLearner) return;
  const transferee = message.from;
  if (raft.leadTransferee !== NONE) {
    if (raft.leadTransferee === transferee) return;
    raft.leadTransferee = NONE;
  }
  if (transferee === raft.id) return;
  // It should end within one election timeout.
  raft.electionElapsed = 0;
  raft.leadTransferee = transferee;
  if (progress.match === raft.log.lastIndex()) raft.sendTimeoutNow(transferee);
  else raft.sendAppend(transferee);
}

/** MsgTransferLeader at a follower: forwarded. */
export function forwardTransfer(raft: Raft, message: Message): void {
  if (raft.lead === NONE) {
    raft.logger.info(`${raft.name} has no leader at term ${raft.term}; dropping leader transfer msg`);
    return;
  }
  raft.send({ ...message, to: raft.lead, term: 0 });
}
