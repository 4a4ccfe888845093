/** Payloads: their fixed fields, as definitions/polyraft.json has them. */
import type { Outcome } from '../server/api.ts';
import { BridgeError } from './region.ts';

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Reads fields of a command's payload; what is missing throws BridgeError. */
export class PayloadReader {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  private step(size: number): number {
    const at = this.at;
    this.at += size;
    if (this.at > this.bytes.length)
      throw new BridgeError(
        `the host sent a record of ${this.bytes.length} bytes that is too short for its type`,
      );
    return at;
  }

  u32(): number {
    return this.view.getUint32(this.step(4), true);
  }

  i32(): number {
    return this.view.getInt32(this.step(4), true);
  }

  u64(): bigint {
    return this.view.getBigUint64(this.step(8), true);
  }

  rest(): Uint8Array {
    return this.bytes.subarray(this.at);
  }

  text(): string {
    return decoder.decode(this.rest());
  }
}

/** REPLY: i32 code, u32 reserved, then data. */
export function replyPayload(code: number, data: Uint8Array): Uint8Array {
  const payload = new Uint8Array(8 + data.length);
  new DataView(payload.buffer).setInt32(0, code, true);
  payload.set(data, 8);
  return payload;
}

export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}

/** EVENT: u32 event, u32 reserved, u64 value, then text. */
export function eventPayload(code: number, value: bigint, text: string): Uint8Array {
  const encoded = encoder.encode(text);
  const payload = new Uint8Array(16 + encoded.length);
  const view = new DataView(payload.buffer);
  view.setUint32(0, code, true);
  view.setBigUint64(8, value, true);
  payload.set(encoded, 16);
  return payload;
}

export const OUTCOME_BYTES = 32;

/** COMPLETIONS with outcomes [from, to): u32 count, u32 reserved, then each. */
export function outcomesPayload(outcomes: readonly Outcome[], from: number, to: number): Uint8Array {
  const payload = new Uint8Array(8 + (to - from) * OUTCOME_BYTES);
  const view = new DataView(payload.buffer);
  view.setUint32(0, to - from, true);
  for (let i = from, at = 8; i < to; i++, at += OUTCOME_BYTES) {
    const outcome = outcomes[i]!;
    setU64(view, at, outcome.sequence);
    setU64(view, at + 8, outcome.index);
    setU64(view, at + 16, outcome.term);
    view.setInt32(at + 24, outcome.code, true);
  }
  return payload;
}

function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}

export function encodeU64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  setU64(new DataView(bytes.buffer), 0, value);
  return bytes;
}
