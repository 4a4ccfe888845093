/** Records of the WAL (walpb.Record) and what is in them apart from entries. */
import { decodeConfState, encodeConfState } from '../../core/raftpb/conf-change.ts';
import { Reader, Writer } from '../../core/raftpb/varint.ts';
import type { ConfState } from '../../core/types.ts';
import type { WalSnapshot } from '../types.ts';

export const RecordType = { Metadata: 1, Entry: 2, State: 3, Crc: 4, Snapshot: 5 } as const;
export type RecordType = (typeof RecordType)[keyof typeof RecordType];

/** A disk writes a sector whole or not at all. */
export const SECTOR_BYTES = 512;
/** The length word in front of every record. */
export const LENGTH_BYTES = 8;
/** Most bytes that framing adds to a record's data: length word, three tags, type, crc, length, padding. */
export const FRAME_OVERHEAD_BYTES = 40;

/** walpb.Snapshot; etcd from 3.5 on insists on a confState when index > 0. */
export function encodeWalSnapshot(snapshot: WalSnapshot): Uint8Array {
  const writer = new Writer(64);
  writer.uintField(0x08, snapshot.index);
  writer.uintField(0x10, snapshot.term);
  if (snapshot.confState !== null) writer.bytesField(0x1a, encodeConfState(snapshot.confState));
  return writer.finish();
}

export function decodeWalSnapshot(bytes: Uint8Array): WalSnapshot {
  const reader = new Reader(bytes);
  let index = 0;
  let term = 0;
  let confState: ConfState | null = null;
  while (!reader.done) {
    const tag = reader.varint('walpb.Snapshot tag');
    if (tag === 0x08) index = reader.varint('walpb.Snapshot.index');
    else if (tag === 0x10) term = reader.varint('walpb.Snapshot.term');
    else if (tag === 0x1a) confState = decodeConfState(reader.view('walpb.Snapshot.conf_state'));
    else reader.skip(tag);
  }
  return { index, term, confState };
}
