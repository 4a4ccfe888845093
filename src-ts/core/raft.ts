import type { CoreConfig, Logger } from './api.ts';
import { AppendedConfigurations } from './appended-configurations.ts';
import { restoreConfiguration } from './confchange/changer.ts';
import { encodeEntries, type EntryBatch, type Proposals } from './entry-batch.ts';
import { violated } from './errors.ts';
import { NO_LIMIT } from './log/batch-list.ts';
import { RaftLog } from './log/raft-log.ts';
import { isTermless, messageName, namesItsTerm, promisesDurability } from './message-kinds.ts';
import { NONE, nodeIdToHex, type NodeId } from './node-id.ts';
import { ReadOnly } from './read-only.ts';
import type { Configuration } from './tracker/configuration.ts';
import { ProgressTracker, type ProgressMap } from './tracker/tracker.ts';
import {
  MessageType,
  StateType,
  type HardState,
  type Message,
  type ReadState,
  type SoftState,
} from './types.ts';

const EMPTY_ENTRY: Proposals = {
  count: 1,
  bytes: new Uint8Array(0),
  starts: new Uint32Array(1),
  ends: new Uint32Array(1),
  types: null,
};

const NO_ENTRIES: readonly EntryBatch[] = [];
const NO_RESPONSES: readonly Message[] = [];

type Fields = Partial<Message> & { readonly type: MessageType; readonly to: NodeId };

/**
 * One node's consensus state with what every message handler needs of it: roles, the log's end, outgoing messages.
 * What a message does stands in messages/; what follows from it for other members in replication.ts and membership.ts.
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
  /** Leader: payload bytes proposed and not yet applied; never above the real figure. */
  uncommittedSize = 0;
  readonly maxUncommittedSize: number;
  electionElapsed = 0;
  /** Leader, with quorumTick: ticks since the quorum was looked at. */
  quorumElapsed = 0;
  heartbeatElapsed = 0;
  randomizedElectionTimeout = 0;
  readOnly: ReadOnly;
  /** Index of the snapshot that the configuration came from; 0 when none was restored since the start. */
  restoredIndex = 0;
  /** Configurations that took effect when they were appended; null when changes take effect at apply. */
  readonly appendedConfigurations: AppendedConfigurations | null;
  readStates: ReadState[] = [];
  /** Read requests that wait for the leader's first commit in its term. */
  pendingReads: Message[] = [];
  /** To other nodes, to be sent at once. */
  messages: Message[] = [];
  /** To be sent when everything appended so far is durable; may be for this node itself. */
  messagesAfterAppend: Message[] = [];

  constructor(config: CoreConfig) {
    this.id = config.id;
    this.config = config;
    this.logger = config.logger;
    const applyingLimit = config.maxCommittedSizePerReady || config.maxSizePerMsg || NO_LIMIT;
    this.log = new RaftLog(config.storage, applyingLimit);
    this.tracker = new ProgressTracker(config.maxInflightMsgs, config.maxInflightBytes ?? 0);
    this.maxUncommittedSize = config.maxUncommittedEntriesSize || NO_LIMIT;
    this.readOnly = new ReadOnly();
    const { hardState, confState } = config.storage.initialState();
    const restored = restoreConfiguration(this.tracker, this.log.lastIndex(), confState);
    this.adopt(restored.configuration, restored.progress);
    if (hardState.term !== 0 || hardState.vote !== NONE || hardState.commit !== 0) this.loadState(hardState);
    const applied = config.applied ?? 0;
    if (applied > 0) this.log.appliedTo(applied, 0);
    this.appendedConfigurations =
      config.configurationEffective === 'append'
        ? new AppendedConfigurations(config.logger, config.configurationAt)
        : null;
    if (this.appendedConfigurations !== null) this.followAppended(this.appendedConfigurations);
    this.becomeFollower(this.term, NONE);
  }

  private loadState({ term, vote, commit }: HardState): void {
    const { committed } = this.log;
    const last = this.log.lastIndex();
    if (commit < committed || commit > last)
      violated(`the hard state commits ${commit}, which is outside the log [${committed}, ${last}]`);
    this.log.committed = commit;
    this.term = term;
    this.vote = vote;
  }

  /** From now on changes take effect when appended; those behind the applied index stand in the log already. */
  private followAppended(appended: AppendedConfigurations): void {
    const follow = (batches: readonly EntryBatch[]): void => {
      const changed = appended.append(this.tracker, batches);
      if (changed !== null) this.adopt(changed.configuration, changed.progress);
    };
    follow(this.log.slice(this.log.applied + 1, this.log.lastIndex() + 1, NO_LIMIT));
    this.log.onAppend = follow;
  }

  /** Makes a configuration the one that is counted with. What follows from it is membership.ts's. */
  adopt(configuration: Configuration, progress: ProgressMap): void {
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

  // ---- outgoing messages

  /** Completes and queues a message; answers that promise durability wait for the append. */
  send(fields: Fields): void {
    const { type } = fields;
    let term = fields.term ?? 0;
    if (namesItsTerm(type)) {
      if (term === 0) violated(`${messageName(type)} without a term`);
    } else {
      term = isTermless(type) ? 0 : this.term;
    }
    const message: Message = {
      type,
      to: fields.to,
      from: fields.from || this.id,
      term,
      logTerm: fields.logTerm ?? 0,
      index: fields.index ?? 0,
      entries: fields.entries ?? NO_ENTRIES,
      commit: fields.commit ?? 0,
      vote: fields.vote ?? NONE,
      snapshot: fields.snapshot ?? null,
      reject: fields.reject ?? false,
      rejectHint: fields.rejectHint ?? 0,
      context: fields.context ?? null,
      responses: NO_RESPONSES,
    };
    if (promisesDurability(type)) {
      this.messagesAfterAppend.push(message);
      return;
    }
    if (message.to === this.id) violated(`${messageName(type)} addressed to the node itself`);
    this.messages.push(message);
  }

  /** `send` of MsgApp without its detours: this and the next are what a busy cluster sends. */
  sendEntries(to: NodeId, index: number, logTerm: number, entries: readonly EntryBatch[]): void {
    this.messages.push({
      type: MessageType.App,
      to,
      from: this.id,
      term: this.term,
      logTerm,
      index,
      entries,
      commit: this.log.committed,
      vote: NONE,
      snapshot: null,
      reject: false,
      rejectHint: 0,
      context: null,
      responses: NO_RESPONSES,
    });
  }

  /** Acknowledges the log up to `index`, once it is durable. */
  acknowledge(to: NodeId, index: number): void {
    this.messagesAfterAppend.push({
      type: MessageType.AppResp,
      to,
      from: this.id,
      term: this.term,
      logTerm: 0,
      index,
      entries: NO_ENTRIES,
      commit: 0,
      vote: NONE,
      snapshot: null,
      reject: false,
      rejectHint: 0,
      context: null,
      responses: NO_RESPONSES,
    });
  }

  // ---- the log

  /** Leader: stamps and appends proposals; false when the uncommitted limit refuses them. */
  appendProposals(proposals: Proposals): boolean {
    if (!this.reserveUncommitted(proposals)) {
      this.logger.warning(`${this.name} drops a proposal: the limit of uncommitted entries is reached`);
      return false;
    }
    const makeBatch = this.config.makeBatch ?? encodeEntries;
    const last = this.log.append([makeBatch(this.log.lastIndex() + 1, this.term, proposals)]);
    // Acknowledged by this node itself once it is durable, like by any other.
    this.acknowledge(this.id, last);
    return true;
  }

  /** Empty payloads are never refused: a new leader's first entry and leaving a joint configuration must not be. */
  private reserveUncommitted({ count, starts, ends }: Proposals): boolean {
    if (this.maxUncommittedSize === NO_LIMIT) return true;
    let size = 0;
    for (let i = 0; i < count; i++) size += ends[i]! - starts[i]!;
    // Whatever its size, one proposal is taken while nothing is uncommitted.
    const exceeds = this.uncommittedSize > 0 && this.uncommittedSize + size > this.maxUncommittedSize;
    if (exceeds && size > 0) return false;
    this.uncommittedSize += size;
    return true;
  }

  /** Leader: entries have been applied. Their sizes are summed only where a limit counts them. */
  releaseUncommitted(batches: readonly EntryBatch[]): void {
    if (this.uncommittedSize === 0) return;
    let size = 0;
    for (const batch of batches) size += batch.payloadSize;
    this.uncommittedSize = Math.max(0, this.uncommittedSize - size);
  }

  /** Leader: commits what a quorum has. True when that is news, and then everybody should be told. */
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
    this.quorumElapsed = 0;
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
    this.logger.info(`${this.name} is a follower at term ${this.term}`);
  }

  becomeCandidate(): void {
    if (this.state === StateType.Leader) violated('a leader cannot become a candidate');
    this.reset(this.term + 1);
    this.vote = this.id;
    this.state = StateType.Candidate;
    this.logger.info(`${this.name} is a candidate at term ${this.term}`);
  }

  /** Changes neither term nor vote: the pre-vote only asks. Thesis, section 9.6. */
  becomePreCandidate(): void {
    if (this.state === StateType.Leader) violated('a leader cannot become a pre-candidate');
    this.tracker.votes = new Map();
    this.lead = NONE;
    this.state = StateType.PreCandidate;
    this.logger.info(`${this.name} is a pre-candidate at term ${this.term}`);
  }

  becomeLeader(): void {
    if (this.state === StateType.Follower) violated('a follower cannot become leader without a campaign');
    this.reset(this.term);
    this.lead = this.id;
    this.state = StateType.Leader;
    const own = this.tracker.get(this.id);
    // Absent when a removal has been appended here and is not committed.
    own?.becomeReplicate();
    if (own !== undefined) own.recentActive = true;
    // A change may stand among the entries of earlier terms: wait until all of them are applied. Where changes take
    // effect when appended, the first entry of this term must be committed, too (Ongaro's correction of 2015).
    this.pendingConfIndex = this.log.lastIndex() + (this.appendedConfigurations === null ? 0 : 1);
    if (!this.appendProposals(EMPTY_ENTRY)) violated('the first entry of a term was dropped');
    this.logger.info(`${this.name} is the leader at term ${this.term}`);
  }

  /** May campaign: a voter that has no snapshot under way. */
  promotable(): boolean {
    if (this.log.hasNextOrInProgressSnapshot) return false;
    const own = this.tracker.get(this.id);
    if (own !== undefined && !own.isLearner) return true;
    return this.appendedConfigurations?.wasVoter(this.id, this.log.committed) ?? false;
  }
}
