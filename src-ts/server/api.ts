/**
 * One raft server: what a facade configures and calls, and what it must offer (the host's state machine behind a port).
 * Everything happens on one event loop; nothing here blocks.
 */
import type { ErrorCode, EventCode } from '../core/codes.generated.ts';
import type { EntryBatch, Proposals } from '../core/entry-batch.ts';
import type { Logger } from '../core/api.ts';
import type { NodeId } from '../core/node-id.ts';
import type { StateType } from '../core/types.ts';
import type { Disk } from '../storage/disk.ts';
import type { StorageBinding } from '../storage/native-binding.ts';
import type { TlsFiles } from '../tls/files.ts';
import type { Transport, TransportEvents } from '../transport/types.ts';
import type { OwnSequences } from './own-proposals.ts';
import type { QueueFacts, ServerFigures } from './server-figures.ts';
import type { HistogramFacts } from './time-histogram.ts';

export interface PeerConfig {
  readonly id: NodeId;
  readonly url: string;
}

export interface AdminConfig {
  /** http://host:port, or https://host:port with `tls`. */
  readonly url: string;
  /** Other machines may reach it. */
  readonly remote: boolean;
  /** The file with the secret that changes need; null: it takes a certificate, or nothing can be changed. */
  readonly tokenFile: string | null;
  /** Certificates of an https URL. A client's certificate from its CA file is enough to change something. */
  readonly tls: TlsFiles | null;
}

/** A validated configuration (facade/config checks every rule before a server is started). */
export interface ServerConfig {
  readonly id: NodeId;
  readonly clusterId: bigint;
  readonly walDirectory: string;
  readonly snapDirectory: string;
  readonly peers: readonly PeerConfig[];
  readonly join: boolean;
  readonly tickMs: number;
  readonly electionTick: number;
  readonly heartbeatTick: number;
  readonly bootstrapTimeoutMs: number;
  /** Applied entries after which a snapshot is taken; 0 never. */
  readonly snapCount: number;
  /** Entries kept in the log behind a snapshot. */
  readonly snapshotEntries: number;
  readonly manualSnap: boolean;
  readonly maxSizePerMsg: number;
  readonly maxInflightMsgs: number;
  readonly maxProposalBytes: number;
  /** 0 is off. */
  readonly maxSnapFiles: number;
  readonly maxWalFiles: number;
  readonly purgeFileIntervalMs: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  /**
   * Allows lease reads (absent: refused). They rely on clocks that run at about the same rate on all members, and on
   * check-quorum everywhere; refused without it.
   */
  readonly leaseReads?: boolean;
  /**
   * Nothing is forwarded: on any other member than the leader proposals, membership changes and reads end as NOT_LEADER,
   * and what a leader has not committed when it ceases to lead ends as LEADERSHIP_LOST.
   */
  readonly leaderOnly?: boolean;
  /** The host learns that its proposal is committed from the entry itself, which comes with the proposal's number. */
  readonly outcomesWithEntries?: boolean;
  /** Least time between snapshots that snapCount triggers; absent: none. */
  readonly snapshotIntervalMs?: number;
  /** Ticks without contact to a quorum before a leader steps down; absent: electionTick. Needs checkQuorum. */
  readonly quorumTick?: number;
  /** Where metrics, status and page are served; absent: nowhere. */
  readonly admin?: AdminConfig;
  /** For https URLs, the own one and those of peers; absent: there are none. */
  readonly peerTls?: TlsFiles;
  /** An id that was removed may be added again, and a removed member waits for that after a restart. */
  readonly reusableIds?: boolean;
}

/** Timers and time; the simulator hands in a virtual one. Times in milliseconds, monotonic. */
export interface Clock {
  now(): number;
  setTimer(delayMs: number, callback: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** Runs beside a server: the admin endpoint. It is stopped with it; a server that fails leaves it running. */
export interface Companion {
  /** Rejects with ServerError. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface ServerEnvironment {
  readonly disk: Disk;
  readonly binding: StorageBinding | null;
  readonly clock: Clock;
  readonly random: (bound: number) => number;
  readonly logger: Logger;
  /** `members` are the others that are known at the start; later ones come by addPeer. */
  createTransport(
    config: ServerConfig,
    members: readonly TransportPeer[],
    events: TransportEvents,
  ): Transport;
  /**
   * Runs the callback after the I/O callbacks that are due now, so that what they brought is handled as one batch.
   * Absent: setImmediate. The simulator hands in its own.
   */
  readonly defer?: (callback: () => void) => void;
  /** What runs beside the server, if anything; it is started when the server takes part. */
  createCompanion?(config: ServerConfig, server: RaftServer): Companion | null;
  /** For the status: 'embedded' or 'process', and the engine's version. */
  readonly runtime?: string;
  readonly version?: string;
}

export interface TransportPeer {
  readonly id: NodeId;
  /** Empty while no URL is known (the peer tells it with its first request). */
  readonly urls: readonly string[];
}

export interface Outcome {
  /** The proposer's own number. */
  readonly sequence: number;
  readonly index: number;
  readonly term: number;
  /**
   * OK: committed at (index, term). REJECTED, BUSY, TOO_LARGE, REMOVED, STOPPED: it will not take effect.
   * NOT_LEADER (with leaderOnly): nor will this.
   * LEADERSHIP_LOST (with leaderOnly), UNKNOWN_OUTCOME: it was in a log (or on its way to a leader) and may still take effect.
   */
  readonly code: ErrorCode;
}

/** The host's state machine. Calls return at once; the host works through them in order. */
export interface StateMachinePort {
  /**
   * Hands over committed, durable entries in log order. Returns how many were taken (from the front): fewer than
   * batch.count when the host has no room, in which case `RaftServer.hostHasRoom` is called later. Entries that are not
   * Normal, and empty ones, are counted but not shown to the host. `own` (with outcomesWithEntries) has the numbers of the
   * host's own proposals among them: handed over is their outcome.
   */
  apply(batch: EntryBatch, own?: OwnSequences | null): number;
  /** The index up to which the host has applied, now. */
  appliedIndex(): number;
  /** Replaces the host's state; in order with `apply`. Resolves when handed over (not when the host is done). */
  restore(index: number, term: number, dataBytes: number, source: SnapshotChunks): Promise<void>;
  /**
   * Asks for the state as it is after everything handed over so far. Resolves with a reader of its bytes once the host
   * has them, or rejects when the host refused.
   */
  takeSnapshot(index: number): Promise<HostSnapshot>;
  /** Only real changes; a server begins as a follower, which is not reported. */
  stateChanged(state: StateType): void;
  /** `value` of LEADER_CHANGED is a NodeId. */
  event(code: EventCode, value: number, text: string): void;
  /** Called at most once a turn with everything that is decided. */
  outcomes(outcomes: readonly Outcome[]): void;
  /** For metrics: what waits between engine and host, and how long the host took to apply. Absent: not known. */
  queues?(): readonly QueueFacts[];
  applyTimes?(): HistogramFacts;
  /** A message from another node for the host (`RAFT_SendMessage`). */
  message(body: Uint8Array): Promise<Uint8Array>;
}

export type SnapshotChunks = (chunk: (bytes: Uint8Array) => Promise<void> | void) => Promise<void>;

export interface HostSnapshot {
  readonly dataBytes: number;
  read: SnapshotChunks;
  /** Called instead of `read` when the bytes are not wanted: until one of the two, they are held for the reader. */
  discard?(): void;
}

/** An operation that failed, with the code that the C interface returns. */
export class ServerError extends Error {
  override readonly name = 'ServerError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, text: string) {
    super(text);
    this.code = code;
  }
}

/** What a facade may report in its own words. */
export interface ServerFacts {
  readonly state: StateType;
  readonly isMember: boolean;
  readonly term: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly committed: number;
  readonly handedIndex: number;
  readonly hostAppliedIndex: number;
  readonly snapshotIndex: number;
  readonly snapshotTerm: number;
  readonly otherVoters: number;
  /** URL of the leader; null when none is known. */
  readonly leaderUrl: string | null;
  /** Since the leader was last heard of; 0 when this node leads, -1 when none was heard of. */
  readonly leaderContactMs: number;
  /** Proposals that were copied because they had to wait in the engine. */
  readonly copiedProposals: number;
}

export type MemberOperation = 'add' | 'remove' | 'update' | 'add-learner' | 'promote';

export interface MemberChange {
  readonly operation: MemberOperation;
  readonly id: NodeId;
  /** Needed by add, update and add-learner. */
  readonly url: string | null;
}

export interface RaftServer {
  /**
   * Proposes all at once; copies before it returns. `sequences[i]` is the proposer's number of proposal i when it
   * wants an outcome, -1 when not. What cannot be proposed now (no leader, limits) ends by outcome: while there is
   * room, proposals without a leader wait for one for two election timeouts (the longest that an election takes to
   * begin).
   */
  propose(proposals: Proposals, sequences: Float64Array): void;
  /** False while the facade should leave proposals in its ring (uncommitted or unapplied bytes at their bound). */
  readonly acceptsProposals: boolean;
  /** Set by the facade: called when acceptsProposals turns true again. */
  onAcceptsProposals: (() => void) | null;
  /** The host has made room after apply took fewer entries than it was given. */
  hostHasRoom(): void;
  /** The host's apply or restore failed: the server stops for good. */
  hostFailed(index: number, code: number, which: 'apply' | 'restore'): void;
  /** Resolve with the index of the change once it is applied here; reject with ServerError. */
  changeMember(operation: MemberOperation, id: NodeId, url: string | null): Promise<number>;
  /**
   * Several changes in one step, through a joint configuration: none of them is in force without the others. Resolves
   * with the index of the change once the joint configuration has been left, too.
   */
  changeMembers(changes: readonly MemberChange[]): Promise<number>;
  /** Resolves with the snapshot's index once it is on disk. */
  snapshot(): Promise<number>;
  transferLeadership(to: NodeId): Promise<void>;
  /**
   * Resolves with the index that the host must have applied before it reads. `lease` needs `leaseReads` and answers at
   * once while a quorum round of this leader is recent; else it makes a round, as `safe` does from any member.
   */
  readIndex(kind: 'safe' | 'lease'): Promise<number>;
  sendHostMessage(to: NodeId, body: Uint8Array): Promise<Uint8Array>;
  /** JSON text of RAFT_GetStatus and RAFT_GetPeersStatus. */
  statusJson(): string;
  peersJson(): string;
  facts(): ServerFacts;
  /** For metrics and pages. */
  figures(): ServerFigures;
  /** The NodeView of a polyraft peer, as JSON text; rejects when it does not answer in time. */
  askView(id: NodeId): Promise<string>;
  /**
   * Ends pending work, syncs, closes: what was never proposed and all requests end with STOPPED, proposals that may
   * still be committed with UNKNOWN_OUTCOME. With handOver, a leader first tries to pass leadership on (for an election
   * timeout at most). May be called again, also after a failure; status and peers can be asked for afterwards.
   */
  stop(handOver: boolean): Promise<void>;
}
