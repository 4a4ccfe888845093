/** What the rooms of one server share. Implemented by the server itself. */
import type { LogStorage, RaftNode } from '../core/api.ts';
import type { ErrorCode } from '../core/codes.generated.ts';
import type { NodeId } from '../core/node-id.ts';
import type { Message } from '../core/types.ts';
import type { Transport } from '../transport/types.ts';
import type { ServerConfig, ServerEnvironment, StateMachinePort } from './api.ts';
import type { Counters } from './counters.ts';
import type { MembershipStore } from './membership-store.ts';

/**
 * `running`; `removed`: no longer a member, still answers queries; `stopping`: handing over, nothing new is taken;
 * `ended`: stopped or failed.
 */
export type Phase = 'running' | 'removed' | 'stopping' | 'ended';

export type StepResult = 'ok' | 'dropped' | 'ignored';

export interface Engine {
  readonly config: ServerConfig;
  readonly environment: ServerEnvironment;
  readonly port: StateMachinePort;
  readonly counters: Counters;
  readonly node: RaftNode;
  readonly log: LogStorage;
  readonly transport: Transport;
  readonly members: MembershipStore;
  readonly phase: Phase;
  /** One election timeout (the core waits between one and two of them). */
  readonly electionMs: number;
  /** Runs a turn at the end of this round of the event loop. */
  schedule(): void;
  /** Steps the core; `dropped` and `ignored` are what a network may cause, anything else stops the server. */
  step(message: Message): StepResult;
  /** What this server tells of itself to peers that ask. */
  view(): Uint8Array;
  /** Stops the server for good. */
  fail(code: ErrorCode, text: string): void;
}

/** The peer's kind, as far as it is known. */
export function isPolyraft(transport: Transport, id: NodeId): boolean | null {
  for (const peer of transport.peers()) if (peer.id === id) return peer.polyraft;
  return null;
}
