/**
 * The `msgapp` stream, sending side (etcd's msgappv2). Three frames: 0 is the link heartbeat; 1 holds the entries that
 * follow the previous ones in the same term, each with a u64 length, then the commit index; 2 holds a whole
 * raftpb.Message and sets the position that the next frame of kind 1 starts from.
 */
import type { EntryBatch } from '../core/entry-batch.ts';
import { entryRuns, RUN_ENTRIES_MIN } from '../core/entry-runs.ts';
import { encodeMessage } from '../core/raftpb/message.ts';
import type { Message } from '../core/types.ts';
import {
  CHUNK_HEAD_BYTES,
  CHUNK_TAIL_BYTES,
  putChunkHead,
  putUint64,
  wrapChunk,
  type FrameEncoder,
} from './frame.ts';

export const LINK_HEARTBEAT = 0;
export const APP_ENTRIES = 1;
export const APP = 2;

function heartbeatFrame(): Uint8Array {
  const parts: Uint8Array[] = [];
  wrapChunk(Uint8Array.of(LINK_HEARTBEAT), new Uint8Array(0), parts);
  return parts[0]!;
}

/** Copies the batch to `at`, a u64 length before each entry; returns the position behind it. */
function putEntries(target: Uint8Array, at: number, batch: EntryBatch): number {
  const count = batch.count;
  if (count === 0) return at;
  const startByte = batch.startByte;
  const runs = count >= RUN_ENTRIES_MIN ? entryRuns() : null;
  if (runs !== null)
    return runs.prefixEntries(target, at, batch.bytes, startByte, batch.ends, batch.offset, count);
  const endByte = batch.end(count - 1);
  const prefixes = 8 * count;
  // One copy of the whole run to where its last entry belongs, then each entry moves left to make room for lengths:
  // cheaper than a view and a copy an entry.
  const whole =
    batch.bytes.length === endByte - startByte ? batch.bytes : batch.bytes.subarray(startByte, endByte);
  target.set(whole, at + prefixes);
  const shift = at + prefixes - startByte;
  let start = startByte;
  for (let i = 0; i < count; i++) {
    const end = batch.end(i);
    const size = end - start;
    at = putUint64(target, at, size);
    if (at !== start + shift) target.copyWithin(at, start + shift, end + shift);
    at += size;
    start = end;
  }
  return at;
}

function sameEntries(left: readonly EntryBatch[], right: readonly EntryBatch[]): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) {
    const a = left[i]!;
    const b = right[i]!;
    if (a === b) continue;
    if (
      a.bytes !== b.bytes ||
      a.startByte !== b.startByte ||
      a.count !== b.count ||
      a.encodedSize !== b.encodedSize
    ) {
      return false;
    }
  }
  return true;
}

/**
 * Frames of kind 1, kept until another one is asked for: a leader sends the same entries to all its followers in one
 * go, and they share the bytes. One for all streams of a transport.
 */
export class AppEntriesFrames {
  private entries: readonly EntryBatch[] | null = null;
  private commit = 0;
  private frame: Uint8Array = new Uint8Array(0);

  get(entries: readonly EntryBatch[], commit: number): Uint8Array {
    if (this.entries !== null && this.commit === commit && sameEntries(this.entries, entries))
      return this.frame;
    let count = 0;
    let size = 1 + 8 + 8;
    for (const batch of entries) {
      count += batch.count;
      size += batch.encodedSize + 8 * batch.count;
    }
    const frame = Buffer.allocUnsafe(CHUNK_HEAD_BYTES + size + CHUNK_TAIL_BYTES);
    let at = putChunkHead(frame, 0, size);
    frame[at++] = APP_ENTRIES;
    at = putUint64(frame, at, count);
    for (const batch of entries) at = putEntries(frame, at, batch);
    at = putUint64(frame, at, commit);
    frame[at++] = 0x0d;
    frame[at++] = 0x0a;
    if (at !== frame.length) throw new RangeError(`frame of ${frame.length} bytes was filled with ${at}`);
    this.entries = entries;
    this.commit = commit;
    this.frame = frame;
    return frame;
  }

  /** Lets go of the kept frame. */
  clear(): void {
    this.entries = null;
    this.frame = new Uint8Array(0);
  }
}

/** Encodes MsgApp only. */
export class MsgAppV2Encoder implements FrameEncoder {
  readonly heartbeat: Uint8Array = heartbeatFrame();
  private readonly frames: AppEntriesFrames;
  private term = 0;
  private index = 0;

  constructor(frames: AppEntriesFrames) {
    this.frames = frames;
  }

  encode(message: Message, parts: Uint8Array[]): number {
    const entries = message.entries;
    if (this.index === message.index && this.term === message.logTerm && message.logTerm === message.term) {
      const frame = this.frames.get(entries, message.commit);
      for (const batch of entries) this.index += batch.count;
      parts.push(frame);
      return frame.length;
    }
    const body = encodeMessage(message);
    const prefix = new Uint8Array(9);
    prefix[0] = APP;
    putUint64(prefix, 1, body.length);
    this.term = message.term;
    this.index = entries.length === 0 ? message.index : entries[entries.length - 1]!.lastIndex;
    return wrapChunk(prefix, body, parts);
  }
}
