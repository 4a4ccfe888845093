/** raftpb.Message, Snapshot and HardState, in the bytes of etcd's gogo-generated code: zero scalars are written. */
import {
  EMPTY_CONF_STATE,
  type ConfState,
  type HardState,
  type Message,
  type MessageType,
  type Snapshot,
  type SnapshotMetadata,
} from '../types.ts';
import { knownNodeId, nodeIdFromBigint, type NodeId } from '../node-id.ts';
import { decodeConfState, encodeConfState } from './conf-change.ts';
import { EntryCollector } from './entry.ts';
import { DecodeError, internTold, Reader, Writer, type Intern } from './varint.ts';

const LARGEST_MESSAGE_TYPE = 23;
const MAX_RESPONSE_DEPTH = 4;
const EMPTY = new Uint8Array(0);

export function encodeHardState(state: HardState): Uint8Array {
  const writer = new Writer(32);
  writer.uintField(0x08, state.term);
  writer.idField(0x10, state.vote);
  writer.uintField(0x18, state.commit);
  return writer.finish();
}

export function decodeHardState(bytes: Uint8Array): HardState {
  const reader = new Reader(bytes);
  let term = 0;
  let vote: NodeId = 0;
  let commit = 0;
  while (!reader.done) {
    const tag = reader.varint('HardState tag');
    if (tag === 0x08) term = reader.varint('HardState.term');
    else if (tag === 0x10) vote = reader.nodeId();
    else if (tag === 0x18) commit = reader.varint('HardState.commit');
    else reader.skip(tag);
  }
  return { term, vote, commit };
}

export function encodeSnapshotMetadata(metadata: SnapshotMetadata): Uint8Array {
  const writer = new Writer(96);
  writer.bytesField(0x0a, encodeConfState(metadata.confState));
  writer.uintField(0x10, metadata.index);
  writer.uintField(0x18, metadata.term);
  return writer.finish();
}

export function decodeSnapshotMetadata(
  bytes: Uint8Array,
  intern: Intern = nodeIdFromBigint,
): SnapshotMetadata {
  const reader = new Reader(bytes);
  let confState: ConfState = EMPTY_CONF_STATE;
  let index = 0;
  let term = 0;
  while (!reader.done) {
    const tag = reader.varint('SnapshotMetadata tag');
    if (tag === 0x0a) confState = decodeConfState(reader.view('SnapshotMetadata.conf_state'), intern);
    else if (tag === 0x10) index = reader.varint('SnapshotMetadata.index');
    else if (tag === 0x18) term = reader.varint('SnapshotMetadata.term');
    else reader.skip(tag);
  }
  return { confState, index, term };
}

/** Data is written first, so that a sender may stream it between the header and the metadata. */
export function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  const metadata = encodeSnapshotMetadata(snapshot.metadata);
  const writer = new Writer(snapshot.data.length + metadata.length + 16);
  if (snapshot.data.length > 0) writer.bytesField(0x0a, snapshot.data);
  writer.bytesField(0x12, metadata);
  return writer.finish();
}

/** From a peer. The data is a view of `bytes`. */
export function decodeSnapshot(bytes: Uint8Array): Snapshot {
  const reader = new Reader(bytes);
  let data: Uint8Array = EMPTY;
  let metadata: SnapshotMetadata = { confState: EMPTY_CONF_STATE, index: 0, term: 0 };
  while (!reader.done) {
    const tag = reader.varint('Snapshot tag');
    if (tag === 0x0a) data = reader.view('Snapshot.data');
    else if (tag === 0x12) metadata = decodeSnapshotMetadata(reader.view('Snapshot.metadata'), internTold);
    else reader.skip(tag);
  }
  return { data, metadata };
}

/** Bytes that `encodeMessage` will need at most, without nested parts. */
function sizeHint(message: Message): number {
  let size = 160 + (message.context?.length ?? 0) + (message.snapshot?.data.length ?? 0);
  for (const batch of message.entries) size += batch.encodedSize + 6 * batch.count;
  return size;
}

export function encodeMessage(message: Message): Uint8Array {
  const writer = new Writer(sizeHint(message));
  writer.uintField(0x08, message.type);
  writer.idField(0x10, message.to);
  writer.idField(0x18, message.from);
  writer.uintField(0x20, message.term);
  writer.uintField(0x28, message.logTerm);
  writer.uintField(0x30, message.index);
  for (const batch of message.entries) {
    for (let i = 0; i < batch.count; i++) {
      const start = batch.start(i);
      const end = batch.end(i);
      writer.byte(0x3a);
      writer.varint(end - start);
      writer.raw(batch.bytes, start, end);
    }
  }
  writer.uintField(0x40, message.commit);
  if (message.snapshot !== null) writer.bytesField(0x4a, encodeSnapshot(message.snapshot));
  writer.boolField(0x50, message.reject);
  writer.uintField(0x58, message.rejectHint);
  if (message.context !== null) writer.bytesField(0x62, message.context);
  writer.idField(0x68, message.vote);
  for (const response of message.responses) writer.bytesField(0x72, encodeMessage(response));
  return writer.finish();
}

/**
 * From a peer, or whoever says that it is one: its ids are not remembered, so that one which nothing else here has named
 * becomes UNKNOWN_NODE. Entries are copied out of `bytes`; context too; snapshot data is a view of `bytes`.
 */
export function decodeMessage(bytes: Uint8Array, start = 0, end = bytes.length, depth = 0): Message {
  if (depth > MAX_RESPONSE_DEPTH) throw new DecodeError('Message.responses nested too deeply');
  const reader = new Reader(bytes, start, end);
  let type = 0;
  let to: NodeId = 0;
  let from: NodeId = 0;
  let term = 0;
  let logTerm = 0;
  let index = 0;
  let entries: EntryCollector | null = null;
  let commit = 0;
  let vote: NodeId = 0;
  let snapshot: Snapshot | null = null;
  let reject = false;
  let rejectHint = 0;
  let context: Uint8Array | null = null;
  let responses: Message[] | null = null;
  while (!reader.done) {
    const tag = reader.varint('Message tag');
    switch (tag) {
      case 0x08:
        type = reader.varint('Message.type');
        break;
      case 0x10:
        to = reader.nodeId(knownNodeId);
        break;
      case 0x18:
        from = reader.nodeId(knownNodeId);
        break;
      case 0x20:
        term = reader.varint('Message.term');
        break;
      case 0x28:
        logTerm = reader.varint('Message.logTerm');
        break;
      case 0x30:
        index = reader.varint('Message.index');
        break;
      case 0x3a: {
        const entryEnd = reader.lengthEnd('Message.entries');
        entries ??= new EntryCollector(bytes);
        entries.add(reader.at, entryEnd);
        reader.at = entryEnd;
        break;
      }
      case 0x40:
        commit = reader.varint('Message.commit');
        break;
      case 0x4a:
        snapshot = decodeSnapshot(reader.view('Message.snapshot'));
        break;
      case 0x50:
        reject = reader.varint('Message.reject') !== 0;
        break;
      case 0x58:
        rejectHint = reader.varint('Message.rejectHint');
        break;
      case 0x62:
        context = reader.view('Message.context').slice();
        break;
      case 0x68:
        vote = reader.nodeId(knownNodeId);
        break;
      case 0x72: {
        const responseEnd = reader.lengthEnd('Message.responses');
        (responses ??= []).push(decodeMessage(bytes, reader.at, responseEnd, depth + 1));
        reader.at = responseEnd;
        break;
      }
      default:
        reader.skip(tag);
    }
  }
  if (type > LARGEST_MESSAGE_TYPE) throw new DecodeError(`Message.type ${type} is not known`);
  // Older peers always write a snapshot field; an empty one means none.
  if (snapshot !== null && snapshot.metadata.index === 0 && snapshot.data.length === 0) snapshot = null;
  return {
    type: type as MessageType,
    to,
    from,
    term,
    logTerm,
    index,
    entries: entries?.finish() ?? [],
    commit,
    vote,
    snapshot,
    reject,
    rejectHint,
    context,
    responses: responses ?? [],
  };
}
