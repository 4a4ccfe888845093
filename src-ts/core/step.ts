import { messageName, isFromLeader } from './message-kinds.ts';
import { handleAppend } from './messages/append.ts';
import { handleAppendResponse } from './messages/append-response.ts';
import { handleBeat } from './messages/beat.ts';
import { handleCheckQuorum } from './messages/check-quorum.ts';
import { handleForgetLeader } from './messages/forget-leader.ts';
import { handleHeartbeat } from './messages/heartbeat.ts';
import { handleHeartbeatResponse } from './messages/heartbeat-response.ts';
import { handleHup } from './messages/hup.ts';
import { handlePropose } from './messages/propose.ts';
import { forwardReadIndex, handleReadIndex } from './messages/read-index.ts';
import { handleReadIndexResponse } from './messages/read-index-response.ts';
import { handleSnapshot } from './messages/snapshot.ts';
import { handleSnapshotStatus } from './messages/snapshot-status.ts';
import {
  handleStaleStorageAppendResponse,
  handleStorageAppendResponse,
} from './messages/storage-append-response.ts';
import { handleStorageApplyResponse } from './messages/storage-apply-response.ts';
import { handleTimeoutNow } from './messages/timeout-now.ts';
import { forwardTransferLeader, handleTransferLeader } from './messages/transfer-leader.ts';
import { handleUnreachable } from './messages/unreachable.ts';
import { handleVote, isRefusedByLease } from './messages/vote.ts';
import { handleVoteResponse } from './messages/vote-response.ts';
import { NONE, nodeIdToHex } from './node-id.ts';
import type { Raft } from './raft.ts';
import { MessageType, StateType, type Message } from './types.ts';

/** The one way in for every message: compares terms, then hands the message to its handler. Throws StepError. */
export function step(raft: Raft, message: Message): void {
  if (message.term > raft.term) {
    if (!enterHigherTerm(raft, message)) return;
  } else if (message.term !== 0 && message.term < raft.term) {
    handleLowerTerm(raft, message);
    return;
  }
  switch (message.type) {
    case MessageType.Hup:
      handleHup(raft);
      return;
    case MessageType.StorageAppendResp:
      handleStorageAppendResponse(raft, message);
      return;
    case MessageType.StorageApplyResp:
      handleStorageApplyResponse(raft, message);
      return;
    case MessageType.Vote:
    case MessageType.PreVote:
      handleVote(raft, message);
      return;
    case MessageType.Prop:
      handlePropose(raft, message);
      return;
  }
  if (raft.state === StateType.Leader) stepLeader(raft, message);
  else if (raft.state === StateType.Follower) stepFollower(raft, message);
  else stepCandidate(raft, message);
}

/** False when the message is not to be handled further. Raft, section 5.1. */
function enterHigherTerm(raft: Raft, message: Message): boolean {
  const { type } = message;
  const describe = (): string =>
    `${messageName(type)} of term ${message.term} from ${nodeIdToHex(message.from)}`;
  if ((type === MessageType.Vote || type === MessageType.PreVote) && isRefusedByLease(raft, message)) {
    raft.logger.info(`${raft.name} ignores ${describe()}: it hears from leader ${nodeIdToHex(raft.lead)}`);
    return false;
  }
  // A pre-vote never changes the term; a granted one carries the term asked for.
  if (type === MessageType.PreVote) return true;
  if (type === MessageType.PreVoteResp && !message.reject) return true;
  raft.logger.info(`${raft.name} at term ${raft.term} has ${describe()}`);
  raft.becomeFollower(message.term, isFromLeader(type) ? message.from : NONE);
  return true;
}

function handleLowerTerm(raft: Raft, message: Message): void {
  const { type } = message;
  const { checkQuorum, preVote } = raft.config;
  const termsAreHeldBack = checkQuorum === true || preVote === true;
  if (termsAreHeldBack && (type === MessageType.Heartbeat || type === MessageType.App)) {
    // A node cut off at a higher term cannot come back by itself: its vote requests are ignored. This answer makes the
    // old leader step down into the higher term.
    raft.send({ type: MessageType.AppResp, to: message.from });
  } else if (type === MessageType.PreVote) {
    // So that a candidate that missed a term learns it.
    raft.send({ type: MessageType.PreVoteResp, to: message.from, term: raft.term, reject: true });
  } else if (type === MessageType.StorageAppendResp) {
    handleStaleStorageAppendResponse(raft, message);
  } else {
    raft.logger.debug(
      `${raft.name} at term ${raft.term} ignores ${messageName(type)} of term ${message.term}`,
    );
  }
}

function stepLeader(raft: Raft, message: Message): void {
  switch (message.type) {
    case MessageType.Beat:
      handleBeat(raft);
      return;
    case MessageType.CheckQuorum:
      handleCheckQuorum(raft);
      return;
    case MessageType.ReadIndex:
      handleReadIndex(raft, message);
      return;
    case MessageType.ForgetLeader:
      return;
  }
  // All others come from, or concern, a member.
  const progress = raft.tracker.get(message.from);
  if (progress === undefined) return;
  switch (message.type) {
    case MessageType.AppResp:
      handleAppendResponse(raft, message, progress);
      return;
    case MessageType.HeartbeatResp:
      handleHeartbeatResponse(raft, message, progress);
      return;
    case MessageType.SnapStatus:
      handleSnapshotStatus(progress, message.reject);
      return;
    case MessageType.Unreachable:
      handleUnreachable(progress);
      return;
    case MessageType.TransferLeader:
      handleTransferLeader(raft, message, progress);
      return;
  }
}

function stepCandidate(raft: Raft, message: Message): void {
  // Answers to the other kind of campaign are out of date.
  const expected = raft.state === StateType.PreCandidate ? MessageType.PreVoteResp : MessageType.VoteResp;
  if (message.type === expected) handleVoteResponse(raft, message);
  else if (isFromLeader(message.type)) {
    raft.becomeFollower(message.term, message.from);
    handleFromLeader(raft, message);
  }
}

function stepFollower(raft: Raft, message: Message): void {
  if (isFromLeader(message.type)) {
    raft.electionElapsed = 0;
    raft.lead = message.from;
    handleFromLeader(raft, message);
    return;
  }
  switch (message.type) {
    case MessageType.TransferLeader:
      forwardTransferLeader(raft, message);
      return;
    case MessageType.ForgetLeader:
      handleForgetLeader(raft);
      return;
    case MessageType.TimeoutNow:
      handleTimeoutNow(raft, message);
      return;
    case MessageType.ReadIndex:
      forwardReadIndex(raft, message);
      return;
    case MessageType.ReadIndexResp:
      handleReadIndexResponse(raft, message);
      return;
  }
}

function handleFromLeader(raft: Raft, message: Message): void {
  if (message.type === MessageType.App) handleAppend(raft, message);
  else if (message.type === MessageType.Heartbeat) handleHeartbeat(raft, message);
  else handleSnapshot(raft, message);
}
