import { nodeIdFromBigint, nodeIdToBigint, toldNodeId, UNKNOWN_NODE, type NodeId } from '../node-id.ts';

/** A message that is not what its format says. The text names the field or offset. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
}

/** What an id above 2^53 in a message or file becomes. */
export type Intern = (value: bigint) => NodeId;

/** For members that a peer tells of. Throws DecodeError when peers have told of too many. */
export function internTold(value: bigint): NodeId {
  const id = toldNodeId(value);
  if (id === UNKNOWN_NODE) throw new DecodeError('peers have named too many different ids above 2^53');
  return id;
}

const TWO_32 = 0x1_0000_0000;

/** Cursor over protobuf bytes. Every read checks bounds and throws DecodeError; nothing is copied. */
export class Reader {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  private low = 0;
  private high = 0;

  private readParts(): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.end) throw new DecodeError(`varint runs past the end at byte ${this.at}`);
      const byte = this.bytes[this.at++]!;
      const bits = byte & 127;
      if (shift < 28) low += bits * 2 ** shift;
      else if (shift === 28) {
        low += (bits & 15) * 2 ** 28;
        high = bits >>> 4;
      } else high += bits * 2 ** (shift - 32);
      if (byte < 128) {
        this.low = low;
        this.high = high % TWO_32;
        return;
      }
    }
    throw new DecodeError(`varint longer than ten bytes before byte ${this.at}`);
  }

  /** An unsigned integer that must be exact as a number (below 2^53). */
  varint(field: string): number {
    const first = this.bytes[this.at];
    if (first !== undefined && first < 128 && this.at < this.end) {
      this.at++;
      return first;
    }
    this.readParts();
    if (this.high >= 0x20_0000) throw new DecodeError(`${field} is above 2^53`);
    return this.high * TWO_32 + this.low;
  }

  /** An unsigned 64-bit value whose exactness does not matter (a proposer's own number). */
  varintLossy(): number {
    this.readParts();
    return this.high * TWO_32 + this.low;
  }

  /** The low 32 bits, unsigned. */
  uint32(): number {
    this.readParts();
    return this.low;
  }

  nodeId(intern: Intern = nodeIdFromBigint): NodeId {
    this.readParts();
    if (this.high < 0x20_0000) return this.high * TWO_32 + this.low;
    return intern((BigInt(this.high) << 32n) | BigInt(this.low));
  }

  /** Length-delimited field: returns the end and leaves the cursor at its start. */
  lengthEnd(field: string): number {
    const length = this.varint(field);
    if (length > this.end - this.at)
      throw new DecodeError(`${field} of ${length} bytes runs past the end at byte ${this.at}`);
    return this.at + length;
  }

  view(field: string): Uint8Array {
    const end = this.lengthEnd(field);
    const view = this.bytes.subarray(this.at, end);
    this.at = end;
    return view;
  }

  /** Skips a field of the given tag; groups are refused. */
  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.readParts();
        return;
      case 1:
        this.at += 8;
        break;
      case 2:
        this.at = this.lengthEnd(`field ${tag >>> 3}`);
        return;
      case 5:
        this.at += 4;
        break;
      default:
        throw new DecodeError(`wire type ${tag & 7} of field ${tag >>> 3} is not supported`);
    }
    if (this.at > this.end) throw new DecodeError(`field ${tag >>> 3} runs past the end`);
  }
}

/** Growing protobuf writer. `finish` hands out the bytes; the writer must not be used after it. */
export class Writer {
  bytes: Uint8Array;
  at = 0;

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity);
  }

  reserve(size: number): void {
    const needed = this.at + size;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.at));
    this.bytes = grown;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.at++] = value;
  }

  varint(value: number): void {
    this.reserve(10);
    while (value > 0x7fff_ffff) {
      this.bytes[this.at++] = (value % 128) | 128;
      value = Math.floor(value / 128);
    }
    while (value >= 128) {
      this.bytes[this.at++] = (value & 127) | 128;
      value >>>= 7;
    }
    this.bytes[this.at++] = value;
  }

  nodeId(id: NodeId): void {
    if (id <= Number.MAX_SAFE_INTEGER) {
      this.varint(id);
      return;
    }
    this.reserve(10);
    let value = nodeIdToBigint(id);
    while (value >= 128n) {
      this.bytes[this.at++] = Number(value & 127n) | 128;
      value >>= 7n;
    }
    this.bytes[this.at++] = Number(value);
  }

  uintField(tag: number, value: number): void {
    this.byte(tag);
    this.varint(value);
  }

  idField(tag: number, id: NodeId): void {
    this.byte(tag);
    this.nodeId(id);
  }

  boolField(tag: number, value: boolean): void {
    this.byte(tag);
    this.byte(value ? 1 : 0);
  }

  raw(bytes: Uint8Array, start = 0, end = bytes.length): void {
    this.reserve(end - start);
    this.bytes.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), this.at);
    this.at += end - start;
  }

  bytesField(tag: number, bytes: Uint8Array): void {
    this.byte(tag);
    this.varint(bytes.length);
    this.raw(bytes);
  }

  finish(): Uint8Array {
    return this.bytes.subarray(0, this.at);
  }
}
