import type { Raft } from '../raft.ts';
import type { Progress } from '../tracker/progress.ts';
import { MessageType, type Message } from '../types.ts';
import { answerRead } from './read-index.ts';

/** MsgHeartbeat at a follower. */
export function handleHeartbeat(raft: Raft, message: Message): void {
  raft.log.commitTo(message.commit);
  raft.send({ type: MessageType.HeartbeatResp, to: message.from, context: message.context });
}

/** MsgHeartbeatResp at the leader. */
export function handleHeartbeatResponse(raft: Raft, message: Message, progress: Progress): void {
  progress.recentActive = true;
  progress.flowPaused = false;
  if (progress.match < raft.log.lastIndex() || progress.state === 'probe') raft.sendAppend(message.from);
  if (
    raft.config.readOnlyOption === 'lease-based' ||
    message.context === null ||
    message.context.length === 0
  )
    return;
  raft.readOnly.acknowledge(message.from, message.context);
  for (const { request, index } of raft.readOnly.advance(raft.tracker.voters))
    answerRead(raft, request, index);
}
