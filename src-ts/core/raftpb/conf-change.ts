/** raftpb.ConfChange, ConfChangeV2 and ConfState. Zero scalars are written, absent ones accepted. */
import type {
  ConfChange,
  ConfChangeSingle,
  ConfChangeTransition,
  ConfChangeType,
  ConfChangeV2,
  ConfState,
} from '../types.ts';
import { DecodeError, Reader, Writer, type Intern } from './varint.ts';
import { nodeIdFromBigint, type NodeId } from '../node-id.ts';

function changeType(value: number): ConfChangeType {
  if (value > 3) throw new DecodeError(`ConfChange.type ${value} is not known`);
  return value as ConfChangeType;
}

export function isConfChangeV2(change: ConfChange | ConfChangeV2): change is ConfChangeV2 {
  return 'changes' in change;
}

export function encodeConfChange(change: ConfChange): Uint8Array {
  const writer = new Writer(64);
  writer.uintField(0x08, change.id);
  writer.uintField(0x10, change.type);
  writer.idField(0x18, change.nodeId);
  if (change.context !== null) writer.bytesField(0x22, change.context);
  return writer.finish();
}

/** `id` may be rounded when a foreign proposer chose one above 2^53; nothing of ours depends on it. */
export function decodeConfChange(bytes: Uint8Array, intern: Intern = nodeIdFromBigint): ConfChange {
  const reader = new Reader(bytes);
  let id = 0;
  let type: ConfChangeType = 0;
  let nodeId: NodeId = 0;
  let context: Uint8Array | null = null;
  while (!reader.done) {
    const tag = reader.varint('ConfChange tag');
    if (tag === 0x08) id = reader.varintLossy();
    else if (tag === 0x10) type = changeType(reader.varint('ConfChange.type'));
    else if (tag === 0x18) nodeId = reader.nodeId(intern);
    else if (tag === 0x22) context = reader.view('ConfChange.context').slice();
    else reader.skip(tag);
  }
  return { id, type, nodeId, context };
}

export function encodeConfChangeV2(change: ConfChangeV2): Uint8Array {
  const writer = new Writer(64);
  writer.uintField(0x08, change.transition);
  for (const single of change.changes) {
    const inner = new Writer(16);
    inner.uintField(0x08, single.type);
    inner.idField(0x10, single.nodeId);
    writer.bytesField(0x12, inner.finish());
  }
  if (change.context !== null) writer.bytesField(0x1a, change.context);
  return writer.finish();
}

export function decodeConfChangeV2(bytes: Uint8Array, intern: Intern = nodeIdFromBigint): ConfChangeV2 {
  const reader = new Reader(bytes);
  let transition: ConfChangeTransition = 0;
  const changes: ConfChangeSingle[] = [];
  let context: Uint8Array | null = null;
  while (!reader.done) {
    const tag = reader.varint('ConfChangeV2 tag');
    if (tag === 0x08) {
      const value = reader.varint('ConfChangeV2.transition');
      if (value > 2) throw new DecodeError(`ConfChangeV2.transition ${value} is not known`);
      transition = value as ConfChangeTransition;
    } else if (tag === 0x12) changes.push(decodeSingle(reader.view('ConfChangeV2.changes'), intern));
    else if (tag === 0x1a) context = reader.view('ConfChangeV2.context').slice();
    else reader.skip(tag);
  }
  return { transition, changes, context };
}

function decodeSingle(bytes: Uint8Array, intern: Intern): ConfChangeSingle {
  const reader = new Reader(bytes);
  let type: ConfChangeType = 0;
  let nodeId: NodeId = 0;
  while (!reader.done) {
    const tag = reader.varint('ConfChangeSingle tag');
    if (tag === 0x08) type = changeType(reader.varint('ConfChangeSingle.type'));
    else if (tag === 0x10) nodeId = reader.nodeId(intern);
    else reader.skip(tag);
  }
  return { type, nodeId };
}

export function encodeConfState(state: ConfState): Uint8Array {
  const writer = new Writer(64);
  for (const id of state.voters) writer.idField(0x08, id);
  for (const id of state.learners) writer.idField(0x10, id);
  for (const id of state.votersOutgoing) writer.idField(0x18, id);
  for (const id of state.learnersNext) writer.idField(0x20, id);
  writer.boolField(0x28, state.autoLeave);
  return writer.finish();
}

/** Repeated ids are accepted packed and unpacked. */
export function decodeConfState(bytes: Uint8Array, intern: Intern = nodeIdFromBigint): ConfState {
  const reader = new Reader(bytes);
  const lists: NodeId[][] = [[], [], [], []];
  let autoLeave = false;
  while (!reader.done) {
    const tag = reader.varint('ConfState tag');
    const list = lists[(tag >>> 3) - 1];
    if (list !== undefined && (tag & 7) === 0) list.push(reader.nodeId(intern));
    else if (list !== undefined && (tag & 7) === 2) {
      const end = reader.lengthEnd('ConfState ids');
      while (reader.at < end) list.push(reader.nodeId(intern));
    } else if (tag === 0x28) autoLeave = reader.varint('ConfState.auto_leave') !== 0;
    else reader.skip(tag);
  }
  return {
    voters: lists[0]!,
    learners: lists[1]!,
    votersOutgoing: lists[2]!,
    learnersNext: lists[3]!,
    autoLeave,
  };
}
