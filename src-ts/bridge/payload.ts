/** Fixed fields at the front of payloads. */

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Reads fields of a command's payload; what is missing throws RangeError. */
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

export function encodeU64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}
