import type { Raft } from '../raft.ts';
import { sendAppend } from '../replication.ts';
import type { Progress } from '../tracker/progress.ts';
import type { Message } from '../types.ts';
import { confirmReads } from './read-index.ts';

/** MsgHeartbeatResp at the leader. */
export function handleHeartbeatResponse(raft: Raft, message: Message, progress: Progress): void {
  progress.recentActive = true;
  progress.flowPaused = false;
  // An append, empty if the window is full, brings an answer that empties the window or ends a probe.
  if (progress.match < raft.log.lastIndex() || progress.state === 'probe') sendAppend(raft, message.from);
  confirmReads(raft, message);
}
