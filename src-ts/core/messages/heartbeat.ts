import type { Raft } from '../raft.ts';
import { MessageType, type Message } from '../types.ts';

/** MsgHeartbeat at a follower. The context goes back: it confirms reads. */
export function handleHeartbeat(raft: Raft, message: Message): void {
  raft.log.commitTo(message.commit);
  raft.send({ type: MessageType.HeartbeatResp, to: message.from, context: message.context });
}
