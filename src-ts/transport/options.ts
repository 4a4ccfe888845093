/** What a transport is created with: identity, peers, the server's side, limits and time-outs. */
import type { Logger } from '../core/api.ts';
import type { NodeId } from '../core/node-id.ts';
import type { TlsFiles } from '../tls/files.ts';
import type { NoticeTimes } from './commit-notice.ts';
import type { ListenerTable } from './listener-table.ts';
import type { TransportClock, TransportEvents } from './types.ts';

/** Bounds on memory and sockets. */
export interface TransportLimits {
  /** Largest message taken from a stream or a request, snapshot data apart (etcd's own bound is the same). */
  readonly messageBytes: number;
  /**
   * Bytes waiting on one outgoing stream. What comes while the queue is above it is dropped; one message always fits.
   * Above what the core keeps in flight to a follower, so that flow control ends a burst before this does.
   */
  readonly streamQueueBytes: number;
  /** Messages waiting for a peer's pipeline while it has no stream. */
  readonly pipelineQueueMessages: number;
  /** Requests of one peer's pipeline at a time. */
  readonly pipelineConnections: number;
  /** Bodies of requests held in memory at once, all peers together; what comes beyond is answered with 503. */
  readonly bodiesBytes: number;
  /** Requests whose bodies are being read, all peers together; what comes beyond is answered with 503. */
  readonly bodiesCount: number;
  /** A host message or its answer. */
  readonly hostMessageBytes: number;
  /** Forwarded outcomes waiting for one peer; the oldest are dropped. */
  readonly outcomesQueued: number;
  /** Encoded X-Polyraft-Members header. */
  readonly membersHeaderBytes: number;
}

export const DEFAULT_LIMITS: TransportLimits = {
  messageBytes: 512 * 1024 * 1024,
  streamQueueBytes: 64 * 1024 * 1024,
  pipelineQueueMessages: 64,
  pipelineConnections: 4,
  bodiesBytes: 1024 * 1024 * 1024,
  bodiesCount: 256,
  hostMessageBytes: 64 * 1024 * 1024,
  outcomesQueued: 65_536,
  membersHeaderBytes: 48 * 1024,
};

export interface TransportTimeouts {
  /** A stream or a body that brings nothing for so long is closed; link heartbeats go every third of it (etcd: 5 s). */
  readonly readMs: number;
  /** An outgoing stream whose socket takes nothing for so long is closed. */
  readonly writeMs: number;
  readonly dialMs: number;
  /** Pause between attempts to open a stream. */
  readonly reconnectMs: number;
  /** From the last byte of a request to its answer. */
  readonly responseMs: number;
  /** The same for a snapshot, which the receiver writes to its disk first. */
  readonly snapshotResponseMs: number;
  /** At most one `unreachable` event a peer in this time; a suppressed one follows at its end. */
  readonly unreachableIntervalMs: number;
  /** How long an append that only tells the commit index waits for one with entries. */
  readonly notice: NoticeTimes;
}

export const DEFAULT_TIMEOUTS: TransportTimeouts = {
  readMs: 5_000,
  writeMs: 5_000,
  dialMs: 2_000,
  reconnectMs: 100,
  responseMs: 5_000,
  snapshotResponseMs: 120_000,
  unreachableIntervalMs: 100,
  notice: { holdMs: 2, promptMs: 1_000 },
};

export interface PeerAddress {
  readonly id: NodeId;
  readonly urls: readonly string[];
}

export interface TransportOptions {
  readonly clusterId: bigint;
  readonly id: NodeId;
  /** Where to listen, and what peers are told in X-PeerURLs. */
  readonly localUrl: string;
  /** The other members; an entry for the own id is ignored. */
  readonly peers: readonly PeerAddress[];
  readonly events: TransportEvents;
  readonly clock: TransportClock;
  /** Uniform integer in [0, bound). Spreads reconnects of many peers. */
  readonly random: (bound: number) => number;
  readonly logger: Logger;
  /** One for the process, so that clusters can share addresses. */
  readonly listeners: ListenerTable;
  readonly limits?: Partial<TransportLimits>;
  readonly timeouts?: Partial<TransportTimeouts>;
  /** Needed by https URLs, the own one and those of peers. */
  readonly tls?: TlsFiles;
  /** Peers are told when this is off; default true. */
  readonly checkQuorum?: boolean;
}
