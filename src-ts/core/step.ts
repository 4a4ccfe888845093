import { NONE } from './node-id.ts';
import type { Raft } from './raft.ts';
import { MessageType, StateType, type Message } from './types.ts';
import { handleAppend, handleAppendResponse } from './messages/append.ts';
import { handleCheckQuorum } from './messages/check-quorum.ts';
import { handleVoteRequest, handleVoteResponse, ignoredByLease, startCampaign } from './messages/election.ts';
import { handleHeartbeat, handleHeartbeatResponse } from './messages/heartbeat.ts';
import { handlePropose } from './messages/propose.ts';
import { forwardReadIndex, handleReadIndex, handleReadIndexResponse } from './messages/read-index.ts';
import { handleSnapshot, handleSnapshotStatus } from './messages/snapshot.ts';
import {
  handleStaleStorageAppendResponse,
  handleStorageAppendResponse,
  handleStorageApplyResponse,
} from './messages/storage.ts';
import { forwardTransfer, handleTransfer } from './messages/transfer.ts';

function fromLeader(type: MessageType): boolean {
  return type === MessageType.App || type === MessageType.Heartbeat || type === MessageType.Snap;
}

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
      startCampaign(raft, raft.config.preVote === true ? 'pre-election' : 'election');
      return;
    case MessageType.StorageAppendResp:
      handleStorageAppendResponse(raft, message);
      return;
    case MessageType.StorageApplyResp:
      handleStorageApplyResponse(raft, message);
      return;
    case MessageType.Vote:
    case MessageType.PreVote:
      handleVoteRequest(raft, message);
      return;
    case MessageType.Prop:
      handlePropose(raft, message);
      return;
  }
  if (raft.state === StateType.Leader) stepLeader(raft, message);
  else if (raft.state === StateType.Follower) stepFollower(raft, message);
  else stepCandidate(raft, message);
}

/** False when the message is not to be handled further. */
function enterHigherTerm(raft: Raft, message: Message): boolean {
  const { type } = message;
  if ((type === MessageType.Vote || type === MessageType.PreVote) && ignoredByLease(raft, message)) {
    raft.logger.info(
      `${raft.name} ignored a vote request at term ${message.term}: the lease of its leader has not expired`,
    );
    return false;
  }
  // A pre-vote never changes the term; a granted one carries the term asked for.
  if (type === MessageType.PreVote) return true;
  if (type === MessageType.PreVoteResp && !message.reject) return true;
  raft.becomeFollower(message.term, fromLeader(type) ? message.from : NONE);
  return true;
}

function handleLowerTerm(raft: Raft, message: Message): void {
  const { type } = message;
  const { checkQuorum, preVote } = raft.config;
  if (
    (checkQuorum === true || preVote === true) &&
    (type === MessageType.Heartbeat || type === MessageType.App)
  ) {
    // Tells a leader of an old term of the new one, so that a node cut off by pre-vote or lease can come back.
    raft.send({ type: MessageType.AppResp, to: message.from });
  } else if (type === MessageType.PreVote) {
    // So that a candidate that missed a term learns it.
    raft.send({ type: MessageType.PreVoteResp, to: message.from, term: raft.term, reject: true });
  } else if (type === MessageType.StorageAppendResp) {
    handleStaleStorageAppendResponse(raft, message);
  }
}

function stepLeader(raft: Raft, message: Message): void {
  switch (message.type) {
    case MessageType.Beat:
      raft.broadcastHeartbeat();
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
      // Optimistic sending has lost something: probe.
      if (progress.state === 'replicate') progress.becomeProbe();
      return;
    case MessageType.TransferLeader:
      handleTransfer(raft, message, progress);
      return;
  }
}

function stepCandidate(raft: Raft, message: Message): void {
  const expected = raft.state === StateType.PreCandidate ? MessageType.PreVoteResp : MessageType.VoteResp;
  if (message.type === expected) handleVoteResponse(raft, message);
  else if (fromLeader(message.type)) {
    raft.becomeFollower(message.term, message.from);
    handleFromLeader(raft, message);
  }
}

function handleFromLeader(raft: Raft, message: Message): void {
  if (message.type === MessageType.App) handleAppend(raft, message);
  else if (message.type === MessageType.Heartbeat) handleHeartbeat(raft, message);
  else handleSnapshot(raft, message);
}

function stepFollower(raft: Raft, message: Message): void {
  if (fromLeader(message.type)) {
    raft.electionElapsed = 0;
    raft.lead = message.from;
    handleFromLeader(raft, message);
    return;
  }
  switch (message.type) {
    case MessageType.TransferLeader:
      forwardTransfer(raft, message);
      return;
    case MessageType.ForgetLeader:
      if (raft.config.readOnlyOption === 'lease-based') {
        raft.logger.error(`${raft.name} ignores MsgForgetLeader: reads rely on the leader's lease`);
      } else {
        raft.lead = NONE;
      }
      return;
    case MessageType.TimeoutNow:
      startCampaign(raft, 'transfer');
      return;
    case MessageType.ReadIndex:
      forwardReadIndex(raft, message);
      return;
    case MessageType.ReadIndexResp:
      handleReadIndexResponse(raft, message);
      return;
  }
}
