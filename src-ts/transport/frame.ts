/**
 * Frames of a stream, each wrapped in one HTTP chunk. The chunk's size is written in eight digits, so that a frame's
 * bytes do not depend on the connection and can be shared by several.
 */
import type { Message } from '../core/types.ts';

/** Eight hexadecimal digits, CR, LF. */
export const CHUNK_HEAD_BYTES = 10;
export const CHUNK_TAIL_BYTES = 2;

const DIGITS = Uint8Array.from(Buffer.from('0123456789abcdef'));

export const CHUNK_TAIL = Uint8Array.of(0x0d, 0x0a);

/** Writes the head of a chunk of `size` bytes at `at`; returns the position behind it. */
export function putChunkHead(target: Uint8Array, at: number, size: number): number {
  for (let shift = 28; shift >= 0; shift -= 4) target[at++] = DIGITS[(size >>> shift) & 15]!;
  target[at++] = 0x0d;
  target[at++] = 0x0a;
  return at;
}

/** Big-endian u64 of a number below 2^53. */
export function putUint64(target: Uint8Array, at: number, value: number): number {
  const high = Math.floor(value / 0x1_0000_0000);
  const low = value >>> 0;
  target[at] = high >>> 24;
  target[at + 1] = high >>> 16;
  target[at + 2] = high >>> 8;
  target[at + 3] = high;
  target[at + 4] = low >>> 24;
  target[at + 5] = low >>> 16;
  target[at + 6] = low >>> 8;
  target[at + 7] = low;
  return at + 8;
}

/** Big-endian u64; inexact above 2^53, for the caller to bound. */
export function getUint64(source: Uint8Array, at: number): number {
  const high =
    source[at]! * 0x100_0000 + ((source[at + 1]! << 16) | (source[at + 2]! << 8) | source[at + 3]!);
  const low =
    source[at + 4]! * 0x100_0000 + ((source[at + 5]! << 16) | (source[at + 6]! << 8) | source[at + 7]!);
  return high * 0x1_0000_0000 + low;
}

/** Wraps `prefix` and `body` into one chunk: one buffer when small, else parts around the body. */
export function wrapChunk(prefix: Uint8Array, body: Uint8Array, parts: Uint8Array[]): number {
  const size = prefix.length + body.length;
  const whole = CHUNK_HEAD_BYTES + size + CHUNK_TAIL_BYTES;
  if (body.length <= 16_384) {
    const frame = Buffer.allocUnsafe(whole);
    let at = putChunkHead(frame, 0, size);
    frame.set(prefix, at);
    at += prefix.length;
    frame.set(body, at);
    frame.set(CHUNK_TAIL, at + body.length);
    parts.push(frame);
  } else {
    const head = Buffer.allocUnsafe(CHUNK_HEAD_BYTES + prefix.length);
    head.set(prefix, putChunkHead(head, 0, size));
    parts.push(head, body, CHUNK_TAIL);
  }
  return whole;
}

/** Turns messages into the bytes of one stream; holds the stream's state. */
export interface FrameEncoder {
  /** Appends the frame's parts, in order, and returns their size. The parts must not be changed afterwards. */
  encode(message: Message, parts: Uint8Array[]): number;
  /** The link heartbeat's frame. */
  readonly heartbeat: Uint8Array;
}

/** Turns the bytes of one stream into messages; holds the stream's state. Throws DecodeError, after which it is done. */
export interface FrameDecoder {
  /** Takes bytes `[start, end)`, which are the caller's again afterwards, and appends the messages they complete. */
  push(bytes: Uint8Array, start: number, end: number, messages: Message[]): void;
}
