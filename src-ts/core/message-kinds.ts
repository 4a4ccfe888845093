/** Which message types belong together. */
import { LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD, type NodeId } from './node-id.ts';
import { MessageType } from './types.ts';

const NAMES = new Map<number, string>(
  Object.entries(MessageType).map(([name, type]) => [type, `Msg${name}`]),
);

/** `MsgApp` and the like, for log lines. */
export function messageName(type: MessageType): string {
  return NAMES.get(type) ?? `message type ${type}`;
}

/** Message types that only the node itself creates; a driver must never take one from the network. */
export function isLocalMessage(type: MessageType): boolean {
  switch (type) {
    case MessageType.Hup:
    case MessageType.Beat:
    case MessageType.Unreachable:
    case MessageType.SnapStatus:
    case MessageType.CheckQuorum:
    case MessageType.StorageAppend:
    case MessageType.StorageAppendResp:
    case MessageType.StorageApply:
    case MessageType.StorageApplyResp:
      return true;
    default:
      return false;
  }
}

/** Answers: they mean something from a member only. */
export function isResponse(type: MessageType): boolean {
  switch (type) {
    case MessageType.AppResp:
    case MessageType.VoteResp:
    case MessageType.HeartbeatResp:
    case MessageType.Unreachable:
    case MessageType.ReadIndexResp:
    case MessageType.PreVoteResp:
    case MessageType.StorageAppendResp:
    case MessageType.StorageApplyResp:
      return true;
    default:
      return false;
  }
}

/** Sent by a leader only: whoever sends it in the current term leads it. */
export function isFromLeader(type: MessageType): boolean {
  return type === MessageType.App || type === MessageType.Heartbeat || type === MessageType.Snap;
}

/**
 * Answers that promise something durable: a vote or appended entries. They leave after everything appended so far is
 * on stable storage. Raft, section 5 (persistent state is updated before responding).
 */
export function promisesDurability(type: MessageType): boolean {
  return type === MessageType.AppResp || type === MessageType.VoteResp || type === MessageType.PreVoteResp;
}

/** Messages of a campaign name the term campaigned for, which a pre-vote does not enter. */
export function namesItsTerm(type: MessageType): boolean {
  return (
    type === MessageType.Vote ||
    type === MessageType.VoteResp ||
    type === MessageType.PreVote ||
    type === MessageType.PreVoteResp
  );
}

/** Forwarded requests carry no term: they are for whoever leads when they arrive. */
export function isTermless(type: MessageType): boolean {
  return type === MessageType.Prop || type === MessageType.ReadIndex;
}

/** The local append or apply thread. */
export function isLocalTarget(id: NodeId): boolean {
  return id === LOCAL_APPEND_THREAD || id === LOCAL_APPLY_THREAD;
}
