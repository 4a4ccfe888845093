/**
 * The bytes of a .snap file: snappb.Snapshot {crc, data} around raftpb.Snapshot {data, metadata}. State machine data
 * may be many GiB, so that only offsets and the metadata are held.
 */
import { decodeSnapshotMetadata, encodeSnapshotMetadata } from '../../core/raftpb/message.ts';
import { DecodeError, Reader, Writer } from '../../core/raftpb/varint.ts';
import { EMPTY_CONF_STATE, type SnapshotMetadata } from '../../core/types.ts';
import type { Crc32c } from '../crc32c.ts';
import type { DiskFile } from '../disk.ts';

/** Largest piece that is held while a file is read or written. */
export const PIECE_BYTES = 1 << 20;
/** Metadata is a few bytes a member. */
const METADATA_BYTES_MAX = 16 << 20;
/** A tag and a length of at most ten bytes each. */
const FIELD_HEAD_BYTES = 20;

/** Where things are in a .snap file, bytes from its beginning. */
export interface SnapshotLayout {
  readonly metadata: SnapshotMetadata;
  readonly crc: number;
  /** The raftpb.Snapshot, which the crc covers. */
  readonly bodyStart: number;
  readonly bodyEnd: number;
  readonly dataStart: number;
  readonly dataEnd: number;
}

interface Field {
  readonly number: number;
  readonly value: number;
  /** Of a length-delimited field; both equal otherwise. */
  readonly start: number;
  readonly end: number;
}

/** Reads the fields of a message that lies in [start, end) of a file; contents of long fields are not read. */
async function fieldsOf(file: DiskFile, start: number, end: number): Promise<Field[]> {
  const fields: Field[] = [];
  const head = new Uint8Array(FIELD_HEAD_BYTES);
  // Two fields are all there are; more of them are skipped, but not for ever.
  for (let at = start; at < end;) {
    if (fields.length > 64) throw new DecodeError(`more than 64 fields before byte ${at}`);
    const length = await file.read(head, 0, Math.min(head.length, end - at), at);
    const reader = new Reader(head, 0, length);
    const tag = reader.varint('tag');
    const number = Math.floor(tag / 8);
    if (tag % 8 === 0) {
      const value = reader.varint(`field ${number}`);
      at += reader.at;
      fields.push({ number, value, start: at, end: at });
    } else if (tag % 8 === 2) {
      const size = reader.varint(`length of field ${number}`);
      const from = at + reader.at;
      if (size > end - from) throw new DecodeError(`field ${number} of ${size} bytes runs past byte ${end}`);
      at = from + size;
      fields.push({ number, value: 0, start: from, end: at });
    } else throw new DecodeError(`wire type ${tag % 8} at byte ${at}`);
  }
  return fields;
}

/** Throws DecodeError; does not verify the crc. */
export async function readLayout(file: DiskFile): Promise<SnapshotLayout> {
  const size = await file.size();
  if (size === 0) throw new DecodeError('the file is empty');
  let crc: number | null = null;
  let bodyStart = 0;
  let bodyEnd = 0;
  for (const field of await fieldsOf(file, 0, size)) {
    if (field.number === 1) crc = field.value;
    else if (field.number === 2) ({ start: bodyStart, end: bodyEnd } = field);
  }
  if (crc === null || bodyEnd === bodyStart) throw new DecodeError('the checksum or the data is missing');
  let metadata: SnapshotMetadata = { confState: EMPTY_CONF_STATE, index: 0, term: 0 };
  let dataStart = 0;
  let dataEnd = 0;
  for (const field of await fieldsOf(file, bodyStart, bodyEnd)) {
    if (field.number === 1) ({ start: dataStart, end: dataEnd } = field);
    else if (field.number === 2) {
      const length = field.end - field.start;
      if (length > METADATA_BYTES_MAX) throw new DecodeError(`metadata of ${length} bytes`);
      const bytes = new Uint8Array(length);
      await file.read(bytes, 0, length, field.start);
      metadata = decodeSnapshotMetadata(bytes);
    }
  }
  return { metadata, crc, bodyStart, bodyEnd, dataStart, dataEnd };
}

/**
 * Reads the whole body once, checks its crc, and hands the pieces of state machine data on, each awaited. Pieces are
 * views of a buffer that is used again. Throws DecodeError at the end when the crc does not match.
 */
export async function readBody(
  file: DiskFile,
  layout: SnapshotLayout,
  crc32c: Crc32c,
  piece: ((bytes: Uint8Array) => Promise<void> | void) | null,
): Promise<void> {
  const { bodyStart, bodyEnd, dataStart, dataEnd } = layout;
  const buffer = new Uint8Array(Math.min(PIECE_BYTES, bodyEnd - bodyStart));
  let crc = 0;
  for (let at = bodyStart; at < bodyEnd;) {
    const length = await file.read(buffer, 0, Math.min(buffer.length, bodyEnd - at), at);
    if (length === 0) throw new DecodeError(`the file ends at byte ${at}`);
    crc = crc32c(crc, buffer, 0, length);
    const from = Math.max(dataStart, at);
    const to = Math.min(dataEnd, at + length);
    if (piece !== null && from < to) await piece(buffer.subarray(from - at, to - at));
    at += length;
  }
  if (crc !== layout.crc) {
    throw new DecodeError(`checksum ${layout.crc.toString(16)} in the file, ${crc.toString(16)} computed`);
  }
}

/** What stands before and behind the state machine data. The crc's five bytes are at `crcOffset` of the head. */
export interface SnapshotFrame {
  readonly head: Uint8Array;
  readonly crcOffset: number;
  /** Offset in `head` from which bytes count for the crc. */
  readonly bodyOffset: number;
  readonly tail: Uint8Array;
}

/**
 * With `fixedHead` the head has the same size whatever the metadata is (its length field is a longer varint than needed),
 * so that it can be put in place behind data that came before their metadata.
 */
export function frameSnapshot(
  metadata: SnapshotMetadata,
  dataBytes: number,
  fixedHead = false,
): SnapshotFrame {
  const tail = new Writer(128);
  tail.bytesField(0x12, encodeSnapshotMetadata(metadata));
  const dataHead = new Writer(16);
  if (dataBytes > 0) dataHead.uintField(0x0a, dataBytes);
  const head = new Writer(32);
  head.byte(0x08);
  const crcOffset = head.at;
  head.raw(encodeCrc(0));
  const bodyBytes = dataHead.at + dataBytes + tail.at;
  if (fixedHead) {
    head.byte(0x12);
    head.raw(encodeLongVarint(bodyBytes));
  } else head.uintField(0x12, bodyBytes);
  const bodyOffset = head.at;
  head.raw(dataHead.finish());
  return { head: head.finish(), crcOffset, bodyOffset, tail: tail.finish() };
}

/** A varint of exactly eight bytes, enough for 2^53. */
function encodeLongVarint(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  for (let i = 0; i < 8; i++) {
    bytes[i] = (value % 128) | (i < 7 ? 128 : 0);
    value = Math.floor(value / 128);
  }
  return bytes;
}

/**
 * A varint of exactly five bytes, so that it can be put in place when the data is written. It is the usual encoding for
 * fifteen of sixteen values, and a valid longer one for the rest.
 */
export function encodeCrc(crc: number): Uint8Array {
  return Uint8Array.of(
    (crc & 127) | 128,
    ((crc >>> 7) & 127) | 128,
    ((crc >>> 14) & 127) | 128,
    ((crc >>> 21) & 127) | 128,
    crc >>> 28,
  );
}
