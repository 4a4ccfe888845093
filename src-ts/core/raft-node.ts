import type { CoreConfig, RaftNode, Ready, Status } from './api.ts';
import { encodeEntries, EntryType, proposalsOf, type Proposals } from './entry-batch.ts';
import { StepError } from './errors.ts';
import { COMPACTED } from './log/raft-log.ts';
import { applyConfChange } from './membership.ts';
import { isLocalMessage, isLocalTarget, isResponse, messageName } from './message-kinds.ts';
import { assertMayForward, proposeAtLeader } from './messages/propose.ts';
import { nodeIdToHex, type NodeId } from './node-id.ts';
import { Raft } from './raft.ts';
import { encodeConfChange, encodeConfChangeV2, isConfChangeV2 } from './raftpb/conf-change.ts';
import { statusOf } from './raft-status.ts';
import { ReadyMaker } from './ready-maker.ts';
import { step } from './step.ts';
import { elapse, tick, ticksUntilDue } from './ticker.ts';
import {
  makeMessage,
  MessageType,
  StateType,
  type ConfChange,
  type ConfChangeV2,
  type ConfState,
  type Message,
} from './types.ts';
import type { Progress } from './tracker/progress.ts';
import { validateConfig } from './validate-config.ts';

export { isLocalMessage } from './message-kinds.ts';

class Node implements RaftNode {
  private readonly raft: Raft;
  private readonly readyMaker: ReadyMaker;

  constructor(config: CoreConfig) {
    validateConfig(config);
    this.raft = new Raft(config);
    this.readyMaker = new ReadyMaker(this.raft);
  }

  get id(): NodeId {
    return this.raft.id;
  }

  get state(): StateType {
    return this.raft.state;
  }

  get term(): number {
    return this.raft.term;
  }

  get vote(): NodeId {
    return this.raft.vote;
  }

  get lead(): NodeId {
    return this.raft.lead;
  }

  get committed(): number {
    return this.raft.log.committed;
  }

  get applied(): number {
    return this.raft.log.applied;
  }

  get lastIndex(): number {
    return this.raft.log.lastIndex();
  }

  get leadTransferee(): NodeId {
    return this.raft.leadTransferee;
  }

  progressOf(id: NodeId): Progress | undefined {
    return this.raft.tracker.get(id);
  }

  heardFrom(id: NodeId): void {
    const progress = this.raft.tracker.get(id);
    if (progress !== undefined) progress.recentActive = true;
  }

  logTerm(index: number): number {
    const term = this.raft.log.term(index);
    return term >= 0 ? term : term === COMPACTED ? -1 : 0;
  }

  status(): Status {
    return statusOf(this.raft);
  }

  tick(): void {
    tick(this.raft);
  }

  elapse(ticks: number, acts: boolean): void {
    elapse(this.raft, ticks, acts);
  }

  ticksUntilDue(): number {
    return ticksUntilDue(this.raft);
  }

  restartElectionTimer(): void {
    this.raft.electionElapsed = 0;
  }

  campaign(): void {
    step(this.raft, makeMessage({ type: MessageType.Hup }));
  }

  propose(proposals: Proposals, context: Uint8Array | null = null): void {
    if (proposals.count === 0) return;
    if (this.raft.state === StateType.Leader) {
      proposeAtLeader(this.raft, proposals);
      return;
    }
    // Checked before the copy is made.
    assertMayForward(this.raft);
    const entries = [encodeEntries(0, 0, proposals)];
    step(this.raft, makeMessage({ type: MessageType.Prop, from: this.raft.id, entries, context }));
  }

  proposeConfChange(change: ConfChange | ConfChangeV2, context: Uint8Array | null = null): void {
    const isV2 = isConfChangeV2(change);
    const data = isV2 ? encodeConfChangeV2(change) : encodeConfChange(change);
    const type = isV2 ? EntryType.ConfChangeV2 : EntryType.ConfChange;
    this.propose(proposalsOf([data], Uint8Array.of(type)), context);
  }

  applyConfChange(change: ConfChange | ConfChangeV2, index?: number): ConfState {
    return applyConfChange(this.raft, change, index);
  }

  step(message: Message): void {
    const { type, from } = message;
    if (!isLocalTarget(from)) {
      if (isLocalMessage(type)) {
        throw new StepError('step-local', `${messageName(type)} may not come from the network`);
      }
      if (isResponse(type) && this.raft.tracker.get(from) === undefined) {
        throw new StepError(
          'unknown-peer',
          `${messageName(type)} from ${nodeIdToHex(from)}, which is no member`,
        );
      }
    }
    step(this.raft, message);
  }

  hasReady(): boolean {
    return this.readyMaker.hasReady();
  }

  ready(): Ready {
    return this.readyMaker.take();
  }

  advance(): void {
    for (const message of this.readyMaker.advance()) step(this.raft, message);
  }

  reportUnreachable(id: NodeId): void {
    step(this.raft, makeMessage({ type: MessageType.Unreachable, from: id }));
  }

  reportSnapshot(id: NodeId, success: boolean): void {
    step(this.raft, makeMessage({ type: MessageType.SnapStatus, from: id, reject: !success }));
  }

  transferLeader(transferee: NodeId): void {
    step(this.raft, makeMessage({ type: MessageType.TransferLeader, from: transferee }));
  }

  forgetLeader(): void {
    step(this.raft, makeMessage({ type: MessageType.ForgetLeader }));
  }

  readIndex(requestContext: Uint8Array): void {
    const entries = [encodeEntries(0, 0, proposalsOf([requestContext]))];
    step(this.raft, makeMessage({ type: MessageType.ReadIndex, entries }));
  }
}

/** Starts a node from what its storage holds. Throws RangeError for a configuration that cannot work. */
export function createRaftNode(config: CoreConfig): RaftNode {
  return new Node(config);
}
