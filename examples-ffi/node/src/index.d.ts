/** A node id: unsigned, 64 bits; from 2^53 on a bigint. */
export type NodeId = number | bigint;

export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly data: Uint8Array;
}

/**
 * Called one at a time, in log order, on Node's thread, while a thread of the library waits for the result: a promise is
 * refused. What `apply` or `restore` throws stops the server for good; what `snapshot` throws fails that snapshot only.
 */
export interface StateMachine {
  apply(entry: Entry): void;
  snapshot(): Uint8Array;
  restore(data: Uint8Array): void;
}

export interface RaftEvent {
  readonly name: string;
  readonly value: NodeId;
  readonly text: string;
}

export interface StartOptions {
  /** The last entry whose effect the state machine's own durable state holds already. */
  readonly appliedIndex?: number;
  readonly onEvent?: (event: RaftEvent) => void;
  readonly onRole?: (role: 'follower' | 'candidate' | 'leader' | 'pre-candidate') => void;
}

export interface WaitOptions {
  /** 10,000 unless told; Infinity: no limit. */
  readonly timeoutMs?: number;
}

export type MemberChange =
  | { readonly do: 'add' | 'add-learner' | 'update'; readonly id: NodeId; readonly url: string }
  | { readonly do: 'remove' | 'promote'; readonly id: NodeId };

export declare class RaftError extends Error {
  /** As in enum RAFT_Error, without prefix. */
  readonly code: string;
  get mayTakeEffect(): boolean;
}

export declare class RaftServer {
  private constructor();
  static start(config: object | string, machine: StateMachine, options?: StartOptions): Promise<RaftServer>;
  propose(
    data: Uint8Array,
    options?: WaitOptions,
  ): Promise<{ readonly index: number; readonly term: number }>;
  readIndex(options?: WaitOptions & { readonly kind?: 'safe' | 'lease' }): Promise<number>;
  snapshot(options?: WaitOptions): Promise<number>;
  transferLeadership(to: NodeId, options?: WaitOptions): Promise<void>;
  changeMembers(changes: readonly MemberChange[], options?: WaitOptions): Promise<number>;
  addMember(id: NodeId, url: string, options?: WaitOptions): Promise<number>;
  removeMember(id: NodeId, options?: WaitOptions): Promise<number>;
  get appliedIndex(): number;
  status(): Promise<Record<string, unknown>>;
  members(): Promise<readonly Record<string, unknown>[]>;
  metrics(): Promise<string>;
  stop(options?: { readonly handOver?: boolean }): Promise<void>;
}

export declare const LogLevel: Readonly<
  Record<'CRITICAL' | 'ERROR' | 'WARNING' | 'NOTICE' | 'INFO' | 'DEBUG' | 'TRACE', number>
>;
export declare function setLog(path: string | null): void;
export declare function setLogLevel(level: number): void;
export declare const LogFormat: Readonly<Record<'TEXT' | 'JSON', number>>;
/** TEXT for people, or JSON: one object a line. */
export declare function setLogFormat(format: number): void;

/** One line of the log. */
export interface LogRecord {
  readonly time: Date;
  /** One of LogLevel. */
  readonly level: number;
  readonly clusterId: bigint;
  /** The server that it is about; 0 where it is about none. */
  readonly nodeId: bigint;
  /** The part that tells it: raft, server, storage, transport, admin, engine, host. */
  readonly source: string;
  readonly message: string;
}
/** Lines go to the callback instead of where setLog says; null: no more. Resolves when that of before has got all of its. */
export declare function setLogCallback(callback: ((record: LogRecord) => void) | null): Promise<void>;
