/**
 * The values that enter and leave the consensus core. Index and term are numbers (exact to 2^53). Names and meanings
 * are those of etcd's raftpb; every object handed out is immutable and may be kept by the receiver.
 */
import type { EntryBatch } from './entry-batch.ts';
import type { NodeId } from './node-id.ts';

/** raftpb.MessageType, with etcd's numbers. */
export const MessageType = {
  Hup: 0,
  Beat: 1,
  Prop: 2,
  App: 3,
  AppResp: 4,
  Vote: 5,
  VoteResp: 6,
  Snap: 7,
  Heartbeat: 8,
  HeartbeatResp: 9,
  Unreachable: 10,
  SnapStatus: 11,
  CheckQuorum: 12,
  TransferLeader: 13,
  TimeoutNow: 14,
  ReadIndex: 15,
  ReadIndexResp: 16,
  PreVote: 17,
  PreVoteResp: 18,
  StorageAppend: 19,
  StorageAppendResp: 20,
  StorageApply: 21,
  StorageApplyResp: 22,
  ForgetLeader: 23,
} as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

export interface ConfState {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
  /** Voters of the outgoing configuration; empty unless in a joint configuration. */
  readonly votersOutgoing: readonly NodeId[];
  readonly learnersNext: readonly NodeId[];
  readonly autoLeave: boolean;
}

export const EMPTY_CONF_STATE: ConfState = {
  voters: [],
  learners: [],
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: false,
};

export interface SnapshotMetadata {
  readonly confState: ConfState;
  readonly index: number;
  readonly term: number;
}

/** `data` is empty when the state machine's bytes live in a file that the server streams (all but tests). */
export interface Snapshot {
  readonly data: Uint8Array;
  readonly metadata: SnapshotMetadata;
}

export interface HardState {
  readonly term: number;
  readonly vote: NodeId;
  readonly commit: number;
}

export const EMPTY_HARD_STATE: HardState = { term: 0, vote: 0, commit: 0 };

/** raftpb.Message. Unused fields hold their zero value. */
export interface Message {
  readonly type: MessageType;
  readonly to: NodeId;
  readonly from: NodeId;
  readonly term: number;
  readonly logTerm: number;
  readonly index: number;
  /** Consecutive batches; for MsgProp each batch has firstIndex 0 and term 0 and carries payloads only. */
  readonly entries: readonly EntryBatch[];
  readonly commit: number;
  readonly vote: NodeId;
  readonly snapshot: Snapshot | null;
  readonly reject: boolean;
  readonly rejectHint: number;
  readonly context: Uint8Array | null;
  readonly responses: readonly Message[];
}

const NO_ENTRIES: readonly EntryBatch[] = [];
const NO_RESPONSES: readonly Message[] = [];

/** A message with every unset field at its zero value. Keeps one hidden class for all messages. */
export function makeMessage(fields: Partial<Message> & { readonly type: MessageType }): Message {
  return {
    type: fields.type,
    to: fields.to ?? 0,
    from: fields.from ?? 0,
    term: fields.term ?? 0,
    logTerm: fields.logTerm ?? 0,
    index: fields.index ?? 0,
    entries: fields.entries ?? NO_ENTRIES,
    commit: fields.commit ?? 0,
    vote: fields.vote ?? 0,
    snapshot: fields.snapshot ?? null,
    reject: fields.reject ?? false,
    rejectHint: fields.rejectHint ?? 0,
    context: fields.context ?? null,
    responses: fields.responses ?? NO_RESPONSES,
  };
}

export const StateType = { Follower: 0, Candidate: 1, Leader: 2, PreCandidate: 3 } as const;
export type StateType = (typeof StateType)[keyof typeof StateType];

export interface SoftState {
  readonly lead: NodeId;
  readonly raftState: StateType;
}

/** Answer to a read index request: reads are linearizable once the state machine has applied `index`. */
export interface ReadState {
  readonly index: number;
  readonly requestContext: Uint8Array;
}

export const ConfChangeType = { AddNode: 0, RemoveNode: 1, UpdateNode: 2, AddLearnerNode: 3 } as const;
export type ConfChangeType = (typeof ConfChangeType)[keyof typeof ConfChangeType];

export const ConfChangeTransition = { Auto: 0, JointImplicit: 1, JointExplicit: 2 } as const;
export type ConfChangeTransition = (typeof ConfChangeTransition)[keyof typeof ConfChangeTransition];

/** raftpb.ConfChange: the one-server change. `context` carries the peer URL, as etcd-style servers do. */
export interface ConfChange {
  /** Proposer's own number for the change, unsigned 64-bit on the wire, kept below 2^53 by us. */
  readonly id: number;
  readonly type: ConfChangeType;
  readonly nodeId: NodeId;
  readonly context: Uint8Array | null;
}

export interface ConfChangeSingle {
  readonly type: ConfChangeType;
  readonly nodeId: NodeId;
}

/** raftpb.ConfChangeV2. No changes and transition Auto means: leave the joint configuration. */
export interface ConfChangeV2 {
  readonly transition: ConfChangeTransition;
  readonly changes: readonly ConfChangeSingle[];
  readonly context: Uint8Array | null;
}
