import { NONE } from '../node-id.ts';
import type { Raft } from '../raft.ts';

/** MsgCheckQuorum at the leader, once an election timeout (or quorumTick): without a quorum it steps down. Thesis, section 6.2. */
export function handleCheckQuorum(raft: Raft): void {
  if (!raft.tracker.quorumActive()) {
    raft.logger.warning(`${raft.name} steps down: it has not heard from a quorum in time`);
    raft.becomeFollower(raft.term, NONE);
  }
  for (const [id, progress] of raft.tracker.progress) if (id !== raft.id) progress.recentActive = false;
}
