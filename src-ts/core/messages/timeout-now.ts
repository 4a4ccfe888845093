import { nodeIdToHex } from '../node-id.ts';
import type { Raft } from '../raft.ts';
import type { Message } from '../types.ts';
import { startCampaign } from './hup.ts';

/** MsgTimeoutNow at a follower: the leader hands over. No pre-vote: this is no return from a partition. */
export function handleTimeoutNow(raft: Raft, message: Message): void {
  raft.logger.info(`${raft.name} takes over leadership from ${nodeIdToHex(message.from)}`);
  startCampaign(raft, 'transfer');
}
