import type { CoreConfig, RaftNode, Ready, Status } from './api.ts';
import { Changer } from './confchange/changer.ts';
import { encodeEntries, EntryType, proposalsOf, type EntryBatch, type Proposals } from './entry-batch.ts';
import { invariant, StepError } from './errors.ts';
import { encodedSizeOf } from './log/batch-list.ts';
import { COMPACTED } from './log/raft-log.ts';
import { proposeAtLeader } from './messages/propose.ts';
import { LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD, NONE, type NodeId } from './node-id.ts';
import { Raft } from './raft.ts';
import { encodeConfChange, encodeConfChangeV2, isConfChangeV2 } from './raftpb/conf-change.ts';
import { step } from './step.ts';
import { toConfState } from './tracker/configuration.ts';
import {
  ConfChangeTransition,
  EMPTY_HARD_STATE,
  makeMessage,
  MessageType,
  StateType,
  type ConfChange,
  type ConfChangeV2,
  type ConfState,
  type HardState,
  type Message,
  type Snapshot,
  type SoftState,
} from './types.ts';

const EMPTY = new Uint8Array(0);

/** Message types that only the node itself creates. */
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

function isResponse(type: MessageType): boolean {
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

function isLocalTarget(id: NodeId): boolean {
  return id === LOCAL_APPEND_THREAD || id === LOCAL_APPLY_THREAD;
}

function validate(config: CoreConfig): void {
  const need = (holds: boolean, text: string): void => {
    if (!holds) throw new RangeError(text);
  };
  need(config.id !== NONE, 'id must not be 0');
  need(config.heartbeatTick > 0, 'heartbeatTick must be above 0');
  need(config.electionTick > config.heartbeatTick, 'electionTick must be above heartbeatTick');
  need(config.maxInflightMsgs > 0, 'maxInflightMsgs must be above 0');
  const leased = config.readOnlyOption === 'lease-based';
  need(!leased || config.checkQuorum === true, 'lease-based reads need checkQuorum');
  need(config.configurationEffective !== 'append', "configurationEffective 'append' is not supported yet");
}

/** Lists of the changes in a proposal's V2 form. */
function asV2(change: ConfChange | ConfChangeV2): ConfChangeV2 {
  if (isConfChangeV2(change)) return change;
  const { type, nodeId, context } = change;
  return { transition: ConfChangeTransition.Auto, changes: [{ type, nodeId }], context };
}

class Node implements RaftNode {
  private readonly raft: Raft;
  private readonly asynchronous: boolean;
  private previousSoft: SoftState;
  private previousHard: HardState;
  /** Synchronous mode: what the node acknowledges to itself at `advance`. */
  private stepsOnAdvance: Message[] = [];
  private readyTaken = false;

  constructor(config: CoreConfig) {
    validate(config);
    this.raft = new Raft(config);
    this.raft.stepOwn = (message) => {
      this.stepQuietly(message);
    };
    this.raft.leaveJoint = encodeEntries(0, 0, proposalsOf([EMPTY], Uint8Array.of(EntryType.ConfChangeV2)));
    this.asynchronous = config.asyncStorageWrites === true;
    this.previousSoft = this.raft.softState;
    this.previousHard = this.raft.hardState;
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

  logTerm(index: number): number {
    const term = this.raft.log.term(index);
    return term >= 0 ? term : term === COMPACTED ? -1 : 0;
  }

  private stepQuietly(message: Message): void {
    try {
      step(this.raft, message);
    } catch (error) {
      if (!(error instanceof StepError)) throw error;
      this.raft.logger.debug(`${this.raft.name}: ${error.message}`);
    }
  }

  tick(): void {
    this.raft.tick();
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
    if (this.raft.state !== StateType.Follower || this.raft.lead === NONE) {
      throw new StepError('dropped', `there is no leader at term ${this.raft.term}`);
    }
    const entries = [encodeEntries(0, 0, proposals)];
    step(this.raft, makeMessage({ type: MessageType.Prop, from: this.raft.id, entries, context }));
  }

  proposeConfChange(change: ConfChange | ConfChangeV2, context: Uint8Array | null = null): void {
    const [data, type] = isConfChangeV2(change)
      ? [encodeConfChangeV2(change), EntryType.ConfChangeV2]
      : [encodeConfChange(change), EntryType.ConfChange];
    const entries: EntryBatch[] = [encodeEntries(0, 0, proposalsOf([data], Uint8Array.of(type)))];
    step(this.raft, makeMessage({ type: MessageType.Prop, entries, context }));
  }

  applyConfChange(change: ConfChange | ConfChangeV2, index = Number.MAX_SAFE_INTEGER): ConfState {
    const { raft } = this;
    if (index <= raft.restoredIndex) return toConfState(raft.tracker.configuration);
    const { transition, changes } = asV2(change);
    const changer = new Changer(raft.tracker, raft.log.lastIndex());
    const leave = transition === ConfChangeTransition.Auto && changes.length === 0;
    const joint = transition !== ConfChangeTransition.Auto || changes.length > 1;
    const changed = leave
      ? changer.leaveJoint()
      : joint
        ? changer.enterJoint(transition !== ConfChangeTransition.JointExplicit, changes)
        : changer.simple(changes);
    return raft.switchTo(changed.configuration, changed.progress);
  }

  step(message: Message): void {
    const local = isLocalTarget(message.from);
    if (isLocalMessage(message.type) && !local) {
      throw new StepError('step-local', `message type ${message.type} may not come from the network`);
    }
    if (isResponse(message.type) && !local && this.raft.tracker.get(message.from) === undefined) {
      throw new StepError('unknown-peer', 'an answer from a node that is not a member');
    }
    step(this.raft, message);
  }

  private softChanged(): boolean {
    const { raft, previousSoft } = this;
    return raft.lead !== previousSoft.lead || raft.state !== previousSoft.raftState;
  }

  private hardChanged(): boolean {
    const { raft, previousHard } = this;
    return (
      raft.term !== previousHard.term ||
      raft.vote !== previousHard.vote ||
      raft.log.committed !== previousHard.commit
    );
  }

  hasReady(): boolean {
    const { raft } = this;
    return (
      raft.messages.length > 0 ||
      raft.messagesAfterAppend.length > 0 ||
      raft.log.unstable.hasNextEntries ||
      raft.log.hasNextCommitted(!this.asynchronous) ||
      this.softChanged() ||
      (this.hardChanged() && (raft.term !== 0 || raft.vote !== NONE || raft.log.committed !== 0)) ||
      raft.log.unstable.nextSnapshot !== null ||
      raft.readStates.length > 0
    );
  }

  ready(): Ready {
    const { raft } = this;
    invariant(this.asynchronous || !this.readyTaken, () => 'ready() was called twice without advance()');
    const { log } = raft;
    const entries = log.unstable.hasNextEntries ? log.unstable.nextEntries() : [];
    const committedEntries = log.nextCommitted(!this.asynchronous);
    const softState = this.softChanged() ? raft.softState : null;
    const hardState = this.hardChanged() ? raft.hardState : null;
    const snapshot = log.unstable.nextSnapshot;
    const mustSync =
      entries.length > 0 || raft.vote !== this.previousHard.vote || raft.term !== this.previousHard.term;
    const messages = raft.messages;
    if (this.asynchronous) this.addStorageMessages(messages, entries, committedEntries, hardState, snapshot);
    else this.addAnswers(messages, entries, committedEntries, snapshot);
    const { readStates } = raft;

    if (softState !== null) this.previousSoft = softState;
    if (hardState !== null) this.previousHard = hardState;
    raft.readStates = [];
    raft.messages = [];
    raft.messagesAfterAppend = [];
    log.unstable.acceptInProgress();
    const last = committedEntries[committedEntries.length - 1];
    if (last !== undefined)
      log.acceptApplying(last.lastIndex, encodedSizeOf(committedEntries), !this.asynchronous);
    this.readyTaken = true;
    return { softState, hardState, readStates, entries, snapshot, committedEntries, messages, mustSync };
  }

  private addStorageMessages(
    messages: Message[],
    entries: readonly EntryBatch[],
    committedEntries: readonly EntryBatch[],
    hardState: HardState | null,
    snapshot: Snapshot | null,
  ): void {
    const { raft } = this;
    const hard = hardState ?? EMPTY_HARD_STATE;
    if (
      entries.length > 0 ||
      hardState !== null ||
      snapshot !== null ||
      raft.messagesAfterAppend.length > 0
    ) {
      const responses = raft.messagesAfterAppend;
      if (this.awaitsAppend(snapshot)) responses.push(this.appendResponse(snapshot));
      messages.push(
        makeMessage({
          type: MessageType.StorageAppend,
          to: LOCAL_APPEND_THREAD,
          from: raft.id,
          entries,
          snapshot,
          term: hard.term,
          vote: hard.vote,
          commit: hard.commit,
          responses,
        }),
      );
    }
    if (committedEntries.length > 0) {
      messages.push(
        makeMessage({
          type: MessageType.StorageApply,
          to: LOCAL_APPLY_THREAD,
          from: raft.id,
          entries: committedEntries,
          responses: [this.applyResponse(committedEntries)],
        }),
      );
    }
  }

  private addAnswers(
    messages: Message[],
    _entries: readonly EntryBatch[],
    committedEntries: readonly EntryBatch[],
    snapshot: Snapshot | null,
  ): void {
    const { raft } = this;
    for (const message of raft.messagesAfterAppend) {
      if (message.to === raft.id) this.stepsOnAdvance.push(message);
      else messages.push(message);
    }
    if (this.awaitsAppend(snapshot)) this.stepsOnAdvance.push(this.appendResponse(snapshot));
    if (committedEntries.length > 0) this.stepsOnAdvance.push(this.applyResponse(committedEntries));
  }

  private awaitsAppend(snapshot: Snapshot | null): boolean {
    return !this.raft.log.unstable.isEmpty || snapshot !== null;
  }

  /**
   * Confirms the whole unstable log with its last entry, not only what this Ready brings: an entry that was overwritten
   * and written again would else be confirmed by the first of two writes (ABA).
   */
  private appendResponse(snapshot: Snapshot | null): Message {
    const { raft } = this;
    const last = raft.log.unstable.isEmpty ? null : raft.log.lastEntryId();
    return makeMessage({
      type: MessageType.StorageAppendResp,
      to: raft.id,
      from: LOCAL_APPEND_THREAD,
      // A response of an earlier term is ignored: the log may have changed since.
      term: raft.term,
      index: last?.index ?? 0,
      logTerm: last?.term ?? 0,
      snapshot,
    });
  }

  private applyResponse(entries: readonly EntryBatch[]): Message {
    return makeMessage({
      type: MessageType.StorageApplyResp,
      to: this.raft.id,
      from: LOCAL_APPLY_THREAD,
      entries,
    });
  }

  advance(): void {
    invariant(!this.asynchronous, () => 'advance() must not be called with asynchronous storage writes');
    const steps = this.stepsOnAdvance;
    this.stepsOnAdvance = [];
    this.readyTaken = false;
    for (const message of steps) this.stepQuietly(message);
  }

  reportUnreachable(id: NodeId): void {
    this.stepQuietly(makeMessage({ type: MessageType.Unreachable, from: id }));
  }

  reportSnapshot(id: NodeId, success: boolean): void {
    this.stepQuietly(makeMessage({ type: MessageType.SnapStatus, from: id, reject: !success }));
  }

  transferLeader(transferee: NodeId): void {
    this.stepQuietly(makeMessage({ type: MessageType.TransferLeader, from: transferee }));
  }

  forgetLeader(): void {
    step(this.raft, makeMessage({ type: MessageType.ForgetLeader }));
  }

  readIndex(requestContext: Uint8Array): void {
    const entries = [encodeEntries(0, 0, proposalsOf([requestContext]))];
    this.stepQuietly(makeMessage({ type: MessageType.ReadIndex, entries }));
  }

  status(): Status {
    const { raft } = this;
    const leads = raft.state === StateType.Leader;
    return {
      id: raft.id,
      hardState: raft.hardState,
      softState: raft.softState,
      applied: raft.log.applied,
      lastIndex: raft.log.lastIndex(),
      firstIndex: raft.log.firstIndex(),
      leadTransferee: raft.leadTransferee,
      confState: toConfState(raft.tracker.configuration),
      progress: leads
        ? raft.tracker.ids.map((id) => {
            const progress = raft.tracker.get(id)!;
            return {
              id,
              match: progress.match,
              next: progress.next,
              state: progress.stateName,
              isLearner: progress.isLearner,
              recentActive: progress.recentActive,
              pendingSnapshot: progress.pendingSnapshot,
              inflight: progress.inflights.count,
              inflightFull: progress.inflights.full,
              paused: progress.paused,
            };
          })
        : [],
    };
  }
}

/** Starts a node from what its storage holds. Throws RangeError for a configuration that cannot work. */
export function createRaftNode(config: CoreConfig): RaftNode {
  return new Node(config);
}
