import type { CoreConfig, Logger } from './api.ts';
import { restoreConfiguration } from './confchange/changer.ts';
import { encodeEntries, type EntryBatch, type Proposals } from './entry-batch.ts';
import { invariant, LogError } from './errors.ts';
import { countEntries, NO_LIMIT, payloadSizeOf } from './log/batch-list.ts';
import { RaftLog } from './log/raft-log.ts';
import { NONE, nodeIdToHex, type NodeId } from './node-id.ts';
import { ReadOnly } from './read-only.ts';
import { toConfState, type Configuration } from './tracker/configuration.ts';
import type { Progress } from './tracker/progress.ts';
import { ProgressTracker, type ProgressMap } from './tracker/tracker.ts';
import {
  makeMessage,
  MessageType,
  StateType,
  type ConfState,
  type HardState,
  type Message,
  type ReadState,
  type SoftState,
} from './types.ts';

const NO_PROPOSAL: Proposals = {
  count: 1,
  bytes: new Uint8Array(0),
  starts: new Uint32Array(1),
  ends: new Uint32Array(1),
  types: null,
};

type Fields = Partial<Message> & { readonly type: MessageType; readonly to: NodeId };

function waitsForAppend(type: MessageType): boolean {
  return type === MessageType.AppResp || type === MessageType.VoteResp || type === MessageType.PreVoteResp;
}

function carriesOwnTerm(type: MessageType): boolean {
  return (
    type === MessageType.Vote ||
    type === MessageType.VoteResp ||
    type === MessageType.PreVote ||
    type === MessageType.PreVoteResp
  );
}

/**
 * One node's consensus state and what all message handlers share: sending, role changes, the log, the members. What a
 * message does stands in messages/, one subject a file.
 */
export class Raft {
  readonly id: NodeId;
  readonly config: CoreConfig;
  readonly logger: Logger;
  readonly log: RaftLog;
  readonly tracker: ProgressTracker;
  term = 0;
  vote: NodeId = NONE;
  lead: NodeId = NONE;
  state: StateType = StateType.Follower;
  isLearner = false;
  leadTransferee: NodeId = NONE;
  /** Leader: no membership change may be proposed until this index is applied. */
  pendingConfIndex = 0;
  uncommittedSize = 0;
  readonly maxUncommittedSize: number;
  electionElapsed = 0;
  heartbeatElapsed = 0;
  randomizedElectionTimeout = 0;
  readOnly: ReadOnly;
  /** Index of the snapshot that the configuration came from; 0 when none was restored since the start. */
  restoredIndex = 0;
  readStates: ReadState[] = [];
  /** Read requests that wait for the leader's first commit in its term. */
  pendingReadIndexMessages: Message[] = [];
  messages: Message[] = [];
  /** May leave only when everything appended so far is durable. */
  messagesAfterAppend: Message[] = [];
  /** Set by the node: hands a message to the handlers (ticks and auto-leave step messages of their own). */
  stepOwn: (message: Message) => void = () => undefined;

  constructor(config: CoreConfig) {
    this.id = config.id;
    this.config = config;
    this.logger = config.logger;
    this.log = new RaftLog(
      config.storage,
      config.maxCommittedSizePerReady || config.maxSizePerMsg || NO_LIMIT,
    );
    this.tracker = new ProgressTracker(config.maxInflightMsgs, config.maxInflightBytes ?? 0);
    this.maxUncommittedSize = config.maxUncommittedEntriesSize || NO_LIMIT;
    this.readOnly = new ReadOnly();
    const { hardState, confState } = config.storage.initialState();
    const restored = restoreConfiguration(this.tracker, this.log.lastIndex(), confState);
    this.adopt(restored.configuration, restored.progress);
    if (hardState.term !== 0 || hardState.vote !== NONE || hardState.commit !== 0) this.loadState(hardState);
    if ((config.applied ?? 0) > 0) this.log.appliedTo(config.applied!, 0);
    this.becomeFollower(this.term, NONE);
  }

  private loadState(state: HardState): void {
    invariant(
      state.commit >= this.log.committed && state.commit <= this.log.lastIndex(),
      () =>
        `hard state's commit ${state.commit} is outside the log [${this.log.committed}, ${this.log.lastIndex()}]`,
    );
    this.log.committed = state.commit;
    this.term = state.term;
    this.vote = state.vote;
  }

  private adopt(configuration: Configuration, progress: ProgressMap): void {
    this.tracker.replace(configuration, progress);
    this.isLearner = this.tracker.get(this.id)?.isLearner ?? false;
  }

  get softState(): SoftState {
    return { lead: this.lead, raftState: this.state };
  }

  get hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.committed };
  }

  /** `1a` for the log lines. */
  get name(): string {
    return nodeIdToHex(this.id);
  }

  // ---- sending

  /** Completes and queues a message; answers that promise durability wait for the append. */
  send(fields: Fields): void {
    const { type } = fields;
    const own = carriesOwnTerm(type);
    invariant(
      own === ((fields.term ?? 0) !== 0),
      () => `message of type ${type} with term ${fields.term ?? 0}`,
    );
    const term = own
      ? fields.term!
      : type === MessageType.Prop || type === MessageType.ReadIndex
        ? 0
        : this.term;
    const message = makeMessage({ ...fields, term, from: fields.from || this.id });
    if (waitsForAppend(type)) {
      this.messagesAfterAppend.push(message);
      return;
    }
    invariant(message.to !== this.id, () => `message of type ${type} addressed to itself`);
    this.messages.push(message);
  }

  sendAppend(to: NodeId): void {
    this.maybeSendAppend(to, true);
  }

  /** Sends what the member lacks, or a snapshot when the log no longer has it. False when nothing was sent. */
  maybeSendAppend(to: NodeId, sendIfEmpty: boolean): boolean {
    const progress = this.tracker.get(to)!;
    if (progress.paused) return false;
    const previous = progress.next - 1;
    const previousTerm = this.log.term(previous);
    if (previousTerm < 0) return this.maybeSendSnapshot(to, progress);
    let entries: EntryBatch[] = [];
    // A full window still lets empty appends through: they carry the commit index.
    if (progress.state !== 'replicate' || !progress.inflights.full) {
      try {
        entries = this.log.entries(progress.next, this.config.maxSizePerMsg);
      } catch (error) {
        if (error instanceof LogError && error.code === 'compacted')
          return this.maybeSendSnapshot(to, progress);
        throw error;
      }
    }
    if (entries.length === 0 && !sendIfEmpty) return false;
    this.send({
      type: MessageType.App,
      to,
      index: previous,
      logTerm: previousTerm,
      entries,
      commit: this.log.committed,
    });
    progress.sentEntries(countEntries(entries), payloadSizeOf(entries));
    progress.sentCommit = this.log.committed;
    return true;
  }

  private maybeSendSnapshot(to: NodeId, progress: Progress): boolean {
    if (!progress.recentActive) return false;
    let snapshot;
    try {
      snapshot = this.log.snapshot();
    } catch (error) {
      if (error instanceof LogError && error.code === 'snapshot-temporarily-unavailable') return false;
      throw error;
    }
    invariant(snapshot.metadata.index > 0, () => 'the log is compacted, but there is no snapshot');
    this.logger.debug(`${this.name} sends snapshot at ${snapshot.metadata.index} to ${nodeIdToHex(to)}`);
    progress.becomeSnapshot(snapshot.metadata.index);
    this.send({ type: MessageType.Snap, to, snapshot });
    return true;
  }

  broadcastAppend(): void {
    for (const id of this.tracker.ids) if (id !== this.id) this.sendAppend(id);
  }

  broadcastHeartbeat(): void {
    const context = this.readOnly.heartbeatContext();
    for (const id of this.tracker.ids) {
      if (id === this.id) continue;
      const progress = this.tracker.get(id)!;
      // Never above match: the member must not commit what it may lack.
      const commit = Math.min(progress.match, this.log.committed);
      this.send({ type: MessageType.Heartbeat, to: id, commit, context });
      progress.sentCommit = commit;
    }
  }

  sendTimeoutNow(to: NodeId): void {
    this.send({ type: MessageType.TimeoutNow, to });
  }

  // ---- the log

  /** Stamps and appends proposals; false when the uncommitted limit refuses them. */
  appendProposals(proposals: Proposals): boolean {
    let size = 0;
    for (let i = 0; i < proposals.count; i++) size += proposals.ends[i]! - proposals.starts[i]!;
    if (this.uncommittedSize > 0 && size > 0 && this.uncommittedSize + size > this.maxUncommittedSize) {
      this.logger.warning(`${this.name} drops a proposal: the limit of uncommitted entries is reached`);
      return false;
    }
    this.uncommittedSize += size;
    const last = this.log.append([encodeEntries(this.log.lastIndex() + 1, this.term, proposals)]);
    // Acknowledged by this node itself once it is durable, like by any other.
    this.send({ type: MessageType.AppResp, to: this.id, index: last });
    return true;
  }

  reduceUncommittedSize(size: number): void {
    this.uncommittedSize = Math.max(0, this.uncommittedSize - size);
  }

  maybeCommit(): boolean {
    return this.log.maybeCommit(this.tracker.committedIndex(), this.term);
  }

  committedInCurrentTerm(): boolean {
    return this.log.termOrZero(this.log.committed) === this.term;
  }

  // ---- roles

  private reset(term: number): void {
    if (this.term !== term) {
      this.term = term;
      this.vote = NONE;
    }
    this.lead = NONE;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    this.randomizedElectionTimeout = this.config.electionTick + this.config.random(this.config.electionTick);
    this.leadTransferee = NONE;
    this.tracker.resetAll(this.id, this.log.lastIndex());
    this.pendingConfIndex = 0;
    this.uncommittedSize = 0;
    this.readOnly = new ReadOnly();
  }

  becomeFollower(term: number, lead: NodeId): void {
    this.reset(term);
    this.lead = lead;
    this.state = StateType.Follower;
    this.logger.info(`${this.name} became follower at term ${this.term}`);
  }

  becomeCandidate(): void {
    invariant(this.state !== StateType.Leader, () => 'invalid transition [leader -> candidate]');
    this.reset(this.term + 1);
    this.vote = this.id;
    this.state = StateType.Candidate;
    this.logger.info(`${this.name} became candidate at term ${this.term}`);
  }

  /** Changes neither term nor vote: the pre-vote only asks. Thesis, section 9.6. */
  becomePreCandidate(): void {
    invariant(this.state !== StateType.Leader, () => 'invalid transition [leader -> pre-candidate]');
    this.tracker.votes = new Map();
    this.lead = NONE;
    this.state = StateType.PreCandidate;
    this.logger.info(`${this.name} became pre-candidate at term ${this.term}`);
  }

  becomeLeader(): void {
    invariant(this.state !== StateType.Follower, () => 'invalid transition [follower -> leader]');
    this.reset(this.term);
    this.lead = this.id;
    this.state = StateType.Leader;
    const own = this.tracker.get(this.id)!;
    own.becomeReplicate();
    own.recentActive = true;
    // A change may stand among the entries of earlier terms: wait until all of them are applied.
    this.pendingConfIndex = this.log.lastIndex();
    invariant(this.appendProposals(NO_PROPOSAL), () => 'the empty entry was dropped');
    this.logger.info(`${this.name} became leader at term ${this.term}`);
  }

  promotable(): boolean {
    const own = this.tracker.get(this.id);
    return own !== undefined && !own.isLearner && !this.log.hasNextOrInProgressSnapshot;
  }

  // ---- time

  tick(): void {
    if (this.state === StateType.Leader) this.tickHeartbeat();
    else this.tickElection();
  }

  private tickElection(): void {
    this.electionElapsed++;
    if (this.promotable() && this.electionElapsed >= this.randomizedElectionTimeout) {
      this.electionElapsed = 0;
      this.stepOwn(makeMessage({ type: MessageType.Hup, from: this.id }));
    }
  }

  private tickHeartbeat(): void {
    this.heartbeatElapsed++;
    this.electionElapsed++;
    if (this.electionElapsed >= this.config.electionTick) {
      this.electionElapsed = 0;
      if (this.config.checkQuorum === true)
        this.stepOwn(makeMessage({ type: MessageType.CheckQuorum, from: this.id }));
      // A transfer that has not ended within an election timeout is given up.
      if (this.state === StateType.Leader) this.leadTransferee = NONE;
    }
    if (this.state !== StateType.Leader) return;
    if (this.heartbeatElapsed >= this.config.heartbeatTick) {
      this.heartbeatElapsed = 0;
      this.stepOwn(makeMessage({ type: MessageType.Beat, from: this.id }));
    }
  }

  // ---- members

  /** Makes a configuration effective and does what follows from it. */
  switchTo(configuration: Configuration, progress: ProgressMap): ConfState {
    this.adopt(configuration, progress);
    const confState = toConfState(configuration);
    const own = this.tracker.get(this.id);
    if ((own === undefined || own.isLearner) && this.state === StateType.Leader) {
      // The leader stays until the change is known, unless told to leave at once.
      if (this.config.stepDownOnRemoval === true) this.becomeFollower(this.term, NONE);
      return confState;
    }
    if (this.state !== StateType.Leader || confState.voters.length === 0) return confState;
    if (this.maybeCommit()) {
      // A smaller quorum may have committed entries at once.
      this.broadcastAppend();
    } else {
      // New members get what there is without waiting for the next proposal.
      for (const id of this.tracker.ids) if (id !== this.id) this.maybeSendAppend(id, false);
    }
    const { incoming, outgoing } = configuration;
    if (!incoming.has(this.leadTransferee) && !outgoing.has(this.leadTransferee)) this.leadTransferee = NONE;
    return confState;
  }

  /** Applied up to `index`; `size` bytes of entries leave the applying window. */
  appliedTo(index: number, size: number): void {
    const applied = Math.max(index, this.log.applied);
    this.log.appliedTo(applied, size);
    if (
      this.tracker.configuration.autoLeave &&
      applied >= this.pendingConfIndex &&
      this.state === StateType.Leader
    ) {
      this.stepOwn(makeMessage({ type: MessageType.Prop, from: this.id, entries: [this.leaveJoint] }));
    }
  }

  /** The proposal that leaves a joint configuration; set by the node, which knows the encoding. */
  leaveJoint!: EntryBatch;
}
