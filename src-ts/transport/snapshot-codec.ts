/**
 * A MsgSnap as bytes of which the state machine's data are the last, so that they can be streamed: all other fields of
 * raftpb.Message first, then `snapshot { metadata, data }`. Field order is free in protobuf; etcd reads it.
 */
import {
  decodeMessage,
  decodeSnapshot,
  encodeMessage,
  encodeSnapshotMetadata,
} from '../core/raftpb/message.ts';
import { DecodeError, Reader, Writer } from '../core/raftpb/varint.ts';
import { MessageType, type Message, type SnapshotMetadata } from '../core/types.ts';

const SNAPSHOT_TAG = 0x4a;
const DATA_TAG = 0x0a;
const METADATA_TAG = 0x12;
const NOTHING = new Uint8Array(0);

function varintBytes(value: number): number {
  let bytes = 1;
  while (value >= 128) {
    value = Math.floor(value / 128);
    bytes++;
  }
  return bytes;
}

/** What goes before `dataBytes` bytes of data. `message.snapshot.data` is not looked at. */
export function encodeSnapshotHead(message: Message, dataBytes: number): Uint8Array {
  if (message.snapshot === null) throw new RangeError('a MsgSnap without a snapshot');
  const fields = encodeMessage({ ...message, snapshot: null });
  const metadata = encodeSnapshotMetadata(message.snapshot.metadata);
  const writer = new Writer(fields.length + metadata.length + 48);
  writer.raw(fields);
  writer.byte(SNAPSHOT_TAG);
  const dataField = dataBytes === 0 ? 0 : 1 + varintBytes(dataBytes) + dataBytes;
  writer.varint(1 + varintBytes(metadata.length) + metadata.length + dataField);
  writer.bytesField(METADATA_TAG, metadata);
  if (dataBytes > 0) {
    writer.byte(DATA_TAG);
    writer.varint(dataBytes);
  }
  return writer.finish();
}

export function isSnapshotStart(first: number, second: number): boolean {
  return first === 0x08 && second === MessageType.Snap;
}

/** A MsgSnap split at its data. */
export interface SnapshotHead {
  /** Snapshot data empty; metadata zero when it comes after the data. */
  readonly message: Message;
  readonly dataBytes: number;
  /** Bytes of the head: the data start there. */
  readonly headBytes: number;
  /** Bytes behind the data that belong to the nested snapshot; more of the message may follow them. */
  readonly snapshotTailBytes: number;
  /** Encoded fields of the message that came before the snapshot. */
  readonly fields: Uint8Array;
  /** Encoded fields of the snapshot that came before the data. */
  readonly snapshotFields: Uint8Array;
}

class Incomplete extends Error {}

/** A Reader whose varints may be cut off. */
function varintAt(reader: Reader, field: string): number {
  let at = reader.at;
  while (at < reader.end && reader.bytes[at]! >= 128 && at - reader.at < 10) at++;
  if (at >= reader.end) throw new Incomplete();
  return reader.varint(field);
}

function skipAt(reader: Reader, tag: number): void {
  if ((tag & 7) === 2) {
    const length = varintAt(reader, `field ${tag >>> 3}`);
    if (length > reader.end - reader.at) throw new Incomplete();
    reader.at += length;
  } else if ((tag & 7) === 0) {
    let at = reader.at;
    while (at < reader.end && reader.bytes[at]! >= 128 && at - reader.at < 10) at++;
    if (at >= reader.end) throw new Incomplete();
    reader.varintLossy();
  } else {
    reader.skip(tag);
  }
}

/**
 * Looks for the start of the data in the first bytes of an encoded MsgSnap. Null when more bytes are needed; a message
 * without data is found only once it is complete (`complete`), with dataBytes 0. Throws DecodeError.
 */
export function findSnapshotData(bytes: Uint8Array, complete: boolean): SnapshotHead | null {
  try {
    const reader = new Reader(bytes);
    while (!reader.done) {
      const fieldStart = reader.at;
      const tag = varintAt(reader, 'Message tag');
      if (tag !== SNAPSHOT_TAG) {
        skipAt(reader, tag);
        continue;
      }
      const snapshotBytes = varintAt(reader, 'Message.snapshot');
      const snapshotStart = reader.at;
      const snapshotEnd = snapshotStart + snapshotBytes;
      while (reader.at < snapshotEnd) {
        const nestedStart = reader.at;
        const nested = varintAt(reader, 'Snapshot tag');
        if (nested !== DATA_TAG) {
          skipAt(reader, nested);
          continue;
        }
        const dataBytes = varintAt(reader, 'Snapshot.data');
        if (dataBytes > snapshotEnd - reader.at)
          throw new DecodeError('Snapshot.data is longer than its snapshot');
        return headOf(bytes, fieldStart, snapshotStart, nestedStart, reader.at, dataBytes, snapshotEnd);
      }
      if (reader.at !== snapshotEnd) throw new DecodeError('Message.snapshot ends inside one of its fields');
    }
  } catch (error) {
    if (!(error instanceof Incomplete)) throw error;
    if (complete) throw new DecodeError('message ends inside one of its fields');
    return null;
  }
  if (!complete) return null;
  const message = decodeMessage(bytes);
  return {
    message,
    dataBytes: 0,
    headBytes: bytes.length,
    snapshotTailBytes: 0,
    fields: bytes,
    snapshotFields: NOTHING,
  };
}

function headOf(
  bytes: Uint8Array,
  fieldStart: number,
  snapshotStart: number,
  nestedStart: number,
  dataStart: number,
  dataBytes: number,
  snapshotEnd: number,
): SnapshotHead {
  const fields = bytes.slice(0, fieldStart);
  const snapshotFields = bytes.slice(snapshotStart, nestedStart);
  const { metadata } = decodeSnapshot(snapshotFields);
  return {
    message: { ...decodeMessage(fields), snapshot: { data: NOTHING, metadata } },
    dataBytes,
    headBytes: dataStart,
    snapshotTailBytes: snapshotEnd - dataStart - dataBytes,
    fields,
    snapshotFields,
  };
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

/** The whole message, given what followed the data. Throws DecodeError when the snapshot's index is missing. */
export function finishSnapshotMessage(head: SnapshotHead, tail: Uint8Array): Message {
  if (tail.length < head.snapshotTailBytes) throw new DecodeError('message ends inside its snapshot');
  let message = head.message;
  if (tail.length > 0) {
    const rest = tail.subarray(head.snapshotTailBytes);
    const nested = joined(head.snapshotFields, tail.subarray(0, head.snapshotTailBytes));
    const metadata: SnapshotMetadata = decodeSnapshot(nested).metadata;
    message = { ...decodeMessage(joined(head.fields, rest)), snapshot: { data: NOTHING, metadata } };
  }
  if (message.snapshot === null || message.snapshot.metadata.index === 0) {
    throw new DecodeError('MsgSnap without the index of its snapshot');
  }
  return message;
}
