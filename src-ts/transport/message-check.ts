/** What may come from the network: the last check before a message reaches the core. */
import type { NodeId } from '../core/node-id.ts';
import { MessageType, type Message } from '../core/types.ts';

const LOCAL_TYPES: ReadonlySet<MessageType> = new Set<MessageType>([
  MessageType.Hup,
  MessageType.Beat,
  MessageType.Unreachable,
  MessageType.SnapStatus,
  MessageType.CheckQuorum,
  MessageType.StorageAppend,
  MessageType.StorageAppendResp,
  MessageType.StorageApply,
  MessageType.StorageApplyResp,
  MessageType.ForgetLeader,
]);

/**
 * Why the message must not reach the core; null when it may. `from` need not be the peer that sent the bytes: a
 * follower passes proposals on with their origin.
 */
export function refusalOf(message: Message, self: NodeId, isPeer: (id: NodeId) => boolean): string | null {
  if (LOCAL_TYPES.has(message.type)) return `message type ${message.type} is local`;
  if (message.to !== self) return 'it is for another node';
  if (!isPeer(message.from)) return 'its sender is not a peer';
  if (message.responses.length > 0) return 'it carries responses of local storage';
  if (message.type === MessageType.App) {
    let next = message.index + 1;
    for (const batch of message.entries) {
      if (batch.firstIndex !== next) return `its entries do not follow index ${message.index}`;
      next += batch.count;
    }
  }
  return null;
}
