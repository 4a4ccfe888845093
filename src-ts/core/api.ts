/**
 * What the core offers to its drivers (server, simulator, C-Raft facade, conformance tests): configuration, the node
 * that is stepped, and the Ready it answers with. Semantics are etcd raft's `RawNode`.
 */
import type { EntryBatch, Proposals } from './entry-batch.ts';
import type { NodeId } from './node-id.ts';
import type {
  ConfChange,
  ConfChangeV2,
  ConfState,
  HardState,
  Message,
  ReadState,
  Snapshot,
  SoftState,
  StateType,
} from './types.ts';

/**
 * The stable log as the core reads it. All methods are synchronous and in memory; the driver appends to it once its
 * disk has the same entries (etcd's `Storage`).
 */
export interface LogStorage {
  initialState(): { readonly hardState: HardState; readonly confState: ConfState };
  /**
   * Entries [lo, hi) as batches, at least one entry if there is one, else stopping before `maxBytes` of encoded size.
   * Throws LogError 'compacted' when lo is below firstIndex, 'unavailable' when hi is beyond lastIndex + 1.
   */
  entries(lo: number, hi: number, maxBytes: number): EntryBatch[];
  /** Term of entry `index`, firstIndex - 1 <= index <= lastIndex; LogError otherwise. */
  term(index: number): number;
  firstIndex(): number;
  lastIndex(): number;
  /** The newest snapshot; LogError 'snapshot-temporarily-unavailable' to be asked again later. */
  snapshot(): Snapshot;
}

export interface Logger {
  debug(text: string): void;
  info(text: string): void;
  warning(text: string): void;
  error(text: string): void;
  /** The same log for one part of a server, whose lines then say so. Absent: they do not. */
  named?(source: string): Logger;
}

export interface CoreConfig {
  readonly id: NodeId;
  /** Ticks without contact before an election; above heartbeatTick. */
  readonly electionTick: number;
  readonly heartbeatTick: number;
  readonly storage: LogStorage;
  /** Last index that the state machine has applied; 0 after a fresh start. */
  readonly applied?: number;
  readonly asyncStorageWrites?: boolean;
  /** Bytes of entries in one append message; at least one entry always goes. */
  readonly maxSizePerMsg: number;
  /** Bytes of committed entries in one Ready; defaults to maxSizePerMsg. */
  readonly maxCommittedSizePerReady?: number;
  /** Bytes of payload proposed and not yet committed; 0 is no limit. */
  readonly maxUncommittedEntriesSize?: number;
  readonly maxInflightMsgs: number;
  /** Bytes in flight to one follower; 0 is no limit. */
  readonly maxInflightBytes?: number;
  /** A message is cut to what the window has room for; else, as in etcd, the last one may exceed it. */
  readonly fillsInflightBytes?: boolean;
  readonly checkQuorum?: boolean;
  /** Ticks without contact to a quorum before a leader steps down, heartbeatTick < it <= electionTick; absent: electionTick. */
  readonly quorumTick?: number;
  readonly preVote?: boolean;
  readonly readOnlyOption?: 'safe' | 'lease-based';
  readonly disableProposalForwarding?: boolean;
  readonly disableConfChangeValidation?: boolean;
  readonly stepDownOnRemoval?: boolean;
  /**
   * When a configuration change takes effect: etcd's at apply, C-Raft's as soon as it stands in the log, taken back when
   * the log is truncated. With 'append' the storage's initial ConfState must be the one as of `applied`.
   */
  readonly configurationEffective?: 'apply' | 'append';
  /**
   * With 'append', for logs whose entries do not carry the change itself: the whole configuration that the entry at
   * `index` brings, called once for each entry with a type of its own, when it enters the log. What is proposed is then
   * not checked either: the driver lets through one change at a time.
   */
  readonly configurationAt?: (index: number) => ConfState;
  /** How proposals become entries of the log; `encodeEntries` by default. For logs that hold no payloads. */
  readonly makeBatch?: (firstIndex: number, term: number, proposals: Proposals) => EntryBatch;
  /** Uniform integer in [0, bound); the core has no randomness of its own. */
  readonly random: (bound: number) => number;
  readonly logger: Logger;
}

export interface Ready {
  readonly softState: SoftState | null;
  readonly hardState: HardState | null;
  readonly readStates: readonly ReadState[];
  /** Must be on stable storage before `messages` are sent (synchronous storage mode only). */
  readonly entries: readonly EntryBatch[];
  readonly snapshot: Snapshot | null;
  readonly committedEntries: readonly EntryBatch[];
  /**
   * Messages to send. With asynchronous storage writes they include StorageAppend to LOCAL_APPEND_THREAD and
   * StorageApply to LOCAL_APPLY_THREAD, whose `responses` are to be delivered once that work is done.
   */
  readonly messages: readonly Message[];
  readonly mustSync: boolean;
}

export type ProgressStateName = 'StateProbe' | 'StateReplicate' | 'StateSnapshot';

export interface ProgressStatus {
  readonly id: NodeId;
  readonly match: number;
  readonly next: number;
  readonly state: ProgressStateName;
  readonly isLearner: boolean;
  readonly recentActive: boolean;
  readonly pendingSnapshot: number;
  readonly inflight: number;
  /** The window of append messages is used up. */
  readonly inflightFull: boolean;
  readonly paused: boolean;
}

export interface MemberProgress {
  readonly match: number;
  readonly next: number;
  readonly state: 'probe' | 'replicate' | 'snapshot';
  readonly recentActive: boolean;
}

export interface Status {
  readonly id: NodeId;
  readonly hardState: HardState;
  readonly softState: SoftState;
  readonly applied: number;
  readonly lastIndex: number;
  readonly firstIndex: number;
  readonly leadTransferee: NodeId;
  readonly confState: ConfState;
  /** Per follower; empty unless leader. */
  readonly progress: readonly ProgressStatus[];
}

/** Why a proposal or step was refused. `dropped` may be tried again. */
export type StepErrorCode = 'dropped' | 'step-local' | 'unknown-peer' | 'stopped';

/**
 * One consensus state machine. It does nothing by itself: the driver ticks it, steps messages into it, takes its Readys
 * and does what they say. No method blocks; none may be called from within a callback of the core (storage, random,
 * logger). Any method may throw InvariantError: this node's state is broken, the driver must stop it.
 */
export interface RaftNode {
  /** One unit of time; electionTick and heartbeatTick count these. */
  tick(): void;
  /**
   * `ticks` units of time at once, for drivers that count time themselves. Without `acts` they are only counted: what
   * has become due is done by the next call with it, once.
   */
  elapse(ticks: number, acts: boolean): void;
  /** Ticks until `elapse` or `tick` has something to do; 0 or less when that is overdue. */
  ticksUntilDue(): number;
  /** The election timer begins anew: for a node that may not campaign. */
  restartElectionTimer(): void;
  /** Starts a campaign now, if this node may. */
  campaign(): void;
  /**
   * Proposes all payloads as one append. Throws StepError 'dropped' when there is no leader, when forwarding is off,
   * when a transfer is under way or when the uncommitted limit is reached. `context` travels in MsgProp when forwarded.
   * The payloads are copied before this returns.
   */
  propose(proposals: Proposals, context?: Uint8Array | null): void;
  /**
   * Proposes a membership change; refused like any proposal. One that does not fit the present configuration, or comes
   * while another is pending, is appended as an empty entry instead (as etcd does): watch what is applied.
   */
  proposeConfChange(change: ConfChange | ConfChangeV2, context?: Uint8Array | null): void;
  /**
   * To be called with every configuration entry that is applied, in log order; returns the configuration as of that
   * entry. `index` is the entry's: a change at or below the snapshot that the core has restored meanwhile is already
   * part of its configuration and is ignored. Throws ConfChangeError for a change that no leader with validation lets
   * through; nothing is changed then.
   */
  applyConfChange(change: ConfChange | ConfChangeV2, index?: number): ConfState;
  /** A message from the network, or a response of the local append or apply thread. Throws StepError. */
  step(message: Message): void;
  /** False when `ready` would have nothing in it. */
  hasReady(): boolean;
  /** What is to be done now. All of it counts as under way: a Ready that is not handled is lost work. */
  ready(): Ready;
  /** Synchronous storage mode only: the last Ready has been handled. */
  advance(): void;
  /** A message to this member was lost. */
  reportUnreachable(id: NodeId): void;
  /** How sending a snapshot to this member ended; without it, sending to the member stays paused until it answers. */
  reportSnapshot(id: NodeId, success: boolean): void;
  /** Asks for a transfer, at the leader or at a follower that knows one; given up after an election timeout. */
  transferLeader(transferee: NodeId): void;
  forgetLeader(): void;
  /**
   * Asks up to where the state machine must have applied to read; the answer comes in Ready.readStates with the same
   * context. There may be none (no leader, lost messages, too many waiting): ask again after a while.
   */
  readIndex(requestContext: Uint8Array): void;
  /** Cheap: no allocation. */
  readonly id: NodeId;
  readonly state: StateType;
  readonly term: number;
  readonly vote: NodeId;
  readonly lead: NodeId;
  readonly committed: number;
  readonly applied: number;
  readonly lastIndex: number;
  readonly leadTransferee: NodeId;
  /** Leader: a member has shown in another way than by a message of Raft that it lives. */
  heardFrom(id: NodeId): void;
  /** Leader: what is known of a member, to be read at once and not kept; undefined for no member. */
  progressOf(id: NodeId): MemberProgress | undefined;
  /** Term of the log entry at `index`: -1 when it has been compacted away, 0 when it is beyond the last. */
  logTerm(index: number): number;
  status(): Status;
}
