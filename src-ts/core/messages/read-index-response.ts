import { countEntries } from '../log/batch-list.ts';
import { nodeIdToHex } from '../node-id.ts';
import type { Raft } from '../raft.ts';
import type { Message } from '../types.ts';
import { requestContextOf } from './read-index.ts';

/** MsgReadIndexResp at the follower that asked. */
export function handleReadIndexResponse(raft: Raft, message: Message): void {
  const requestContext = requestContextOf(message);
  if (requestContext === null || countEntries(message.entries) !== 1) {
    raft.logger.error(`${raft.name} has a read index without its request from ${nodeIdToHex(message.from)}`);
    return;
  }
  raft.readStates.push({ index: message.index, requestContext });
}
