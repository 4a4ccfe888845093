/** What the npm package `polyraft` takes and gives. Nothing here imports from the engine, so that these types stand alone. */

/** A node id: unsigned, 64 bits. Given back as a number below 2^53, as a bigint above. */
export type NodeId = number | bigint;

/** A committed entry. */
export interface Entry {
  /** Where it stands in the log. Indexes have gaps: not all entries are the program's. */
  readonly index: number;
  /** The term of the leader that proposed it. */
  readonly term: number;
  /** What was proposed; the callee's own copy. */
  readonly data: Uint8Array;
}

/**
 * What a program gives a server. Its methods are called one at a time, in log order; where one returns a promise, the next
 * waits for it. What `apply` or `restore` throws stops the server for good, since its state is not that of the others any
 * more; what `snapshot` throws fails that snapshot only. A method must not await the server's own `propose`, `readIndex` or
 * `snapshot`: these wait for it.
 */
export interface StateMachine {
  /** A committed entry, durable on this node; each comes once, in order. */
  apply(entry: Entry): void | Promise<void>;
  /** The whole state as it is now. The bytes are written to disk afterwards: they must not change. */
  snapshot(): Uint8Array | Promise<Uint8Array>;
  /** Replaces the whole state by one that `snapshot` has given, maybe on another node. */
  restore(data: Uint8Array): void | Promise<void>;
}

export type Role = 'follower' | 'candidate' | 'leader' | 'pre-candidate';

/** What a server reports by `onEvent`; the names are those of the C interface. */
export interface RaftEvent {
  readonly name:
    | 'REMOVED'
    | 'SERVER_FAILED'
    | 'ENGINE_DIED'
    | 'ENGINE_RESTARTED'
    | 'APPLIED'
    | 'LEADER_CHANGED'
    | 'MEMBERS_CHANGED'
    | 'SNAPSHOT_SAVED'
    | 'SNAPSHOT_FAILED';
  /** LEADER_CHANGED: the leader's id, 0 when there is none. Else an index, or the number of an error's code. */
  readonly value: NodeId;
  /** Why, where there is something to say. */
  readonly text: string;
}

/** Where log lines go; they never hold what is proposed. Its methods are called on the event loop, and should not block. */
export interface Logger {
  debug(text: string): void;
  info(text: string): void;
  warning(text: string): void;
  error(text: string): void;
  /** A logger for one part of a server: raft, server, storage, transport or admin. Absent: all lines come here. */
  named?(source: string): Logger;
}

/** The certificates of an endpoint. */
export interface TlsConfig {
  readonly cert_file: string;
  readonly key_file: string;
  readonly ca_file?: string;
  readonly client_cert_auth?: boolean;
  readonly allowed_names?: readonly string[];
}

/** docs/CONFIGURATION.md tells each key's range and default. */
export interface RaftConfig {
  readonly id: NodeId;
  readonly peers: readonly { readonly id: NodeId; readonly url: string }[];
  readonly waldir: string;
  readonly snapdir: string;
  readonly cluster_id?: NodeId;
  readonly join?: boolean;
  readonly tickms?: number;
  readonly election_tick?: number;
  readonly heartbeat_tick?: number;
  readonly boostrap_timeout?: number;
  readonly snap_count?: number;
  readonly snapshot_entries?: number;
  readonly manual_snap?: boolean;
  readonly max_size_per_msg?: number;
  readonly max_inflight_msgs?: number;
  readonly max_proposal_bytes?: number;
  readonly max_snap_files?: number;
  readonly max_wal_files?: number;
  readonly purge_file_interval?: number;
  readonly pre_vote?: boolean;
  readonly check_quorum?: boolean;
  readonly lease_reads?: boolean;
  /** Certificates for https URLs of peers. */
  readonly peer_tls?: TlsConfig;
  readonly admin_url?: string;
  readonly admin_remote?: boolean;
  readonly admin_token_file?: string;
  /** Certificates for an https admin_url. */
  readonly admin_tls?: TlsConfig;
  readonly strict?: boolean;
  /** Of the C interface: accepted, and without effect, since the engine runs in this process anyway. */
  readonly runtime?: string;
  readonly node_path?: string;
}

export interface StartOptions {
  /** The last entry whose effect the state machine's own durable state holds already; 0 when it keeps none. */
  readonly appliedIndex?: number;
  readonly onEvent?: (event: RaftEvent) => void;
  /** Only real changes; a server begins as a follower. */
  readonly onRole?: (role: Role) => void;
  /** Absent: nothing is logged. */
  readonly logger?: Logger;
}

export interface WaitOptions {
  /** After which the call fails with TIMEOUT; Infinity: never. 10,000 unless told. */
  readonly timeoutMs?: number;
  /** Ends the waiting: the call then fails with the signal's reason. What was asked for may still take effect. */
  readonly signal?: AbortSignal;
}

/** Where an entry stands in the log. */
export interface Position {
  readonly index: number;
  readonly term: number;
}

export type MemberChange =
  | { readonly do: 'add' | 'add-learner' | 'update'; readonly id: NodeId; readonly url: string }
  | { readonly do: 'remove' | 'promote'; readonly id: NodeId };

export interface Member {
  readonly id: NodeId;
  readonly urls: readonly string[];
  /** A member without a vote. */
  readonly learner: boolean;
  /** Whether it is heard of. */
  readonly active: boolean;
  /** Seconds since it was last heard of; 0 for this node, -1 when never. */
  readonly lastContactSeconds: number;
}

export interface Status {
  readonly id: NodeId;
  readonly role: Role | 'learner' | 'removed' | 'failed';
  /** 0 when none is known. */
  readonly leader: NodeId;
  readonly term: number;
  /** Up to here the log is committed, as far as this node knows. */
  readonly committedIndex: number;
  /** Up to here this node's state machine has applied it. */
  readonly appliedIndex: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** The newest snapshot on disk; 0 when there is none. */
  readonly snapshotIndex: number;
  readonly members: readonly Member[];
  /** Why the server has stopped for good; null while it has not. */
  readonly failure: string | null;
  readonly version: string;
}
