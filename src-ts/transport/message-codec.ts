/** The `message` stream: a u64 length, then an encoded raftpb.Message. A heartbeat from and to 0 is the link's own. */
import { decodeMessage, encodeMessage } from '../core/raftpb/message.ts';
import { DecodeError } from '../core/raftpb/varint.ts';
import { makeMessage, MessageType, type Message } from '../core/types.ts';
import { getUint64, putUint64, wrapChunk, type FrameDecoder, type FrameEncoder } from './frame.ts';

const NOTHING = new Uint8Array(0);
const FIRST_CAPACITY = 4_096;

function heartbeatFrame(): Uint8Array {
  const body = encodeMessage(makeMessage({ type: MessageType.Heartbeat }));
  const prefix = new Uint8Array(8);
  putUint64(prefix, 0, body.length);
  const parts: Uint8Array[] = [];
  wrapChunk(prefix, body, parts);
  return parts[0]!;
}

export class MessageEncoder implements FrameEncoder {
  readonly heartbeat: Uint8Array = heartbeatFrame();

  encode(message: Message, parts: Uint8Array[]): number {
    const body = encodeMessage(message);
    const prefix = new Uint8Array(8);
    putUint64(prefix, 0, body.length);
    return wrapChunk(prefix, body, parts);
  }
}

/** Gathers a known number of bytes that may come in pieces. Memory grows with what has come, not with what was announced. */
export class ByteGatherer {
  private buffer: Uint8Array = NOTHING;
  private wanted = 0;
  private have = 0;

  begin(wanted: number): void {
    this.wanted = wanted;
    this.have = 0;
    this.buffer = NOTHING;
  }

  get missing(): number {
    return this.wanted - this.have;
  }

  /** Takes what it needs of `[start, end)`; returns how many bytes that were. */
  take(bytes: Uint8Array, start: number, end: number): number {
    const count = Math.min(end - start, this.wanted - this.have);
    const needed = this.have + count;
    if (needed > this.buffer.length) {
      const capacity = Math.min(this.wanted, Math.max(needed, FIRST_CAPACITY, this.buffer.length * 2));
      const grown = new Uint8Array(capacity);
      grown.set(this.buffer.subarray(0, this.have));
      this.buffer = grown;
    }
    this.buffer.set(bytes.subarray(start, start + count), this.have);
    this.have = needed;
    return count;
  }

  /** The gathered bytes; the gatherer lets go of them. */
  finish(): Uint8Array {
    const bytes = this.buffer.subarray(0, this.have);
    this.buffer = NOTHING;
    this.have = this.wanted = 0;
    return bytes;
  }
}

export class MessageDecoder implements FrameDecoder {
  private readonly messageBytesMax: number;
  private readonly gatherer = new ByteGatherer();
  private readonly lengthBytes = new Uint8Array(8);
  private lengthHave = 0;
  private inBody = false;

  constructor(messageBytesMax: number) {
    this.messageBytesMax = messageBytesMax;
  }

  push(bytes: Uint8Array, start: number, end: number, messages: Message[]): void {
    let at = start;
    while (at < end) {
      if (!this.inBody) {
        this.lengthBytes[this.lengthHave++] = bytes[at++]!;
        if (this.lengthHave < 8) continue;
        this.lengthHave = 0;
        const length = getUint64(this.lengthBytes, 0);
        if (length > this.messageBytesMax) {
          throw new DecodeError(`message of ${length} bytes; the limit is ${this.messageBytesMax}`);
        }
        if (length <= end - at) {
          this.deliver(decodeMessage(bytes, at, at + length), messages);
          at += length;
          continue;
        }
        this.gatherer.begin(length);
        this.inBody = true;
      }
      at += this.gatherer.take(bytes, at, end);
      if (this.gatherer.missing === 0) {
        this.inBody = false;
        this.deliver(decodeMessage(this.gatherer.finish()), messages);
      }
    }
  }

  private deliver(message: Message, messages: Message[]): void {
    if (message.type === MessageType.Heartbeat && message.from === 0 && message.to === 0) return;
    messages.push(message);
  }
}
