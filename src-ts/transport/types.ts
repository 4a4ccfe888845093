/** What a server asks of its transport. Implementation: rafthttp in this room. */
import type { NodeId } from '../core/node-id.ts';
import type { Message } from '../core/types.ts';

/** A state machine snapshot to be sent: its bytes are streamed while they are read. */
export interface SnapshotSource {
  readonly dataBytes: number;
  read(chunk: (bytes: Uint8Array) => Promise<void> | void): Promise<void>;
}

/**
 * Where the bytes of an arriving snapshot go. Calls come one at a time, and end with one `commit` (which cleans up
 * after itself when it fails) or one `abort`.
 */
export interface SnapshotSink {
  /** The chunk is the transport's again once the promise resolves. */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * All bytes are here. `message` is complete (its `snapshot.data` is empty); it reaches `receive` once this resolves.
   * A sender that writes data before metadata (etcd does) makes this the first time that the metadata is known.
   */
  commit(message: Message): Promise<void>;
  abort(): Promise<void>;
}

/** Outcome of a proposal that another polyraft node forwarded to this one. */
export interface ForwardedOutcome {
  readonly sequence: number;
  readonly index: number;
  readonly term: number;
  /** ErrorCode: OK when committed, REJECTED, UNKNOWN_OUTCOME. */
  readonly code: number;
}

/** Timers and time, milliseconds, monotonic: the server's clock has this shape. */
export interface TransportClock {
  now(): number;
  setTimer(delayMs: number, callback: () => void): TransportTimer;
}

export interface TransportTimer {
  cancel(): void;
}

/** The server's side of its transport; called on the event loop, never during `send` or another call of Transport. */
export interface TransportEvents {
  /** Messages from peers, in order per stream. Entries are the receiver's to keep. Never a local message type. */
  receive(messages: readonly Message[]): void;
  /**
   * An arriving MsgSnap (its `snapshot.data` is empty): a sink for its data, or null to refuse it. From a polyraft peer
   * `snapshot.metadata` is complete; from others its index may still be 0 (see SnapshotSink.commit). `members` is the
   * text of X-Polyraft-Members.
   */
  openSnapshotSink(message: Message, dataBytes: number, members: string | null): Promise<SnapshotSink | null>;
  unreachable(id: NodeId): void;
  snapshotResult(id: NodeId, success: boolean): void;
  isRemoved(id: NodeId): boolean;
  /** A peer says that this node has been removed (403 on the pipeline, 410 on a stream). */
  removedByPeer(id: NodeId): void;
  /**
   * URLs that a server of this cluster gave in X-PeerURLs; only when they are new or differ from the last ones. `id`
   * need not be a peer: when the server calls `addPeer` for it from here, the request that brought them is accepted,
   * else it is refused (a member that has fallen behind learns of newer ones in this way).
   */
  peerUrls(id: NodeId, urls: readonly string[]): void;
  /** `POST /message`: resolves to the answer; a rejection is answered with HTTP 500. */
  hostMessage(body: Uint8Array): Promise<Uint8Array>;
  forwardedOutcomes(from: NodeId, outcomes: readonly ForwardedOutcome[]): void;
  /** What this server tells of itself to a polyraft peer that asks (`Transport.askView`). Absent: it tells nothing. */
  view?(): Uint8Array;
}

export interface PeerStatus {
  readonly id: NodeId;
  readonly urls: readonly string[];
  /** A stream is up. */
  readonly active: boolean;
  /** Milliseconds of the server's clock when something last arrived; -1 never. */
  readonly lastContactMs: number;
  /** The peer is polyraft (said so in its headers); null until it is known. */
  readonly polyraft: boolean | null;
  /** The peer refuses votes while it hears a leader (check_quorum, said by its headers); null until it is known. */
  readonly checkQuorum: boolean | null;
  /** Milliseconds of the last probe's round trip over a kept connection; -1 while there is none. */
  readonly roundTripMs: number;
}

/** Host messages fail with one of these (design 3, RAFT_SendMessage). */
export type HostMessageFailure = 'unknown-peer' | 'url' | 'connect' | 'read';

/** What `sendHostMessage` rejects with. */
export class HostMessageError extends Error {
  override readonly name = 'HostMessageError';
  readonly failure: HostMessageFailure;

  constructor(failure: HostMessageFailure, text: string) {
    super(text);
    this.failure = failure;
  }
}

export interface Transport {
  /** Begins to listen on the own URL's address (shared with other clusters) and to dial peers. Rejects when it cannot bind. */
  start(): Promise<void>;
  /**
   * Sends in order per peer; never blocks, never throws. What cannot be queued is dropped and reported unreachable.
   * Writes happen when the code that runs now has finished, or at `flush`.
   */
  send(messages: readonly Message[]): void;
  /** Hands what was queued in this turn to the operating system now: before a blocking call, for instance. */
  flush(): void;
  /** Sends a MsgSnap with its data from `source`; exactly one `snapshotResult` follows (none after `stop` or `removePeer`). */
  sendSnapshot(message: Message, source: SnapshotSource, members: string | null): void;
  sendForwardedOutcomes(to: NodeId, outcomes: readonly ForwardedOutcome[]): void;
  /** Rejects with HostMessageError. */
  sendHostMessage(to: NodeId, body: Uint8Array): Promise<Uint8Array>;
  /** What a polyraft peer tells of itself. Rejects with HostMessageError, also where the peer is of another kind. */
  askView(id: NodeId): Promise<Uint8Array>;
  addPeer(id: NodeId, urls: readonly string[]): void;
  updatePeer(id: NodeId, urls: readonly string[]): void;
  removePeer(id: NodeId): void;
  peers(): readonly PeerStatus[];
  /** Closes streams and the listener (when no other cluster uses it). */
  stop(): Promise<void>;
}
