// The host's end of the bridge, written after definitions/polyraft.json alone, over plain memory.
import type { BridgeBinding } from '../../src-ts/storage/native-binding.ts';
import * as P from '../../src-ts/bridge/protocol.generated.ts';
import { Region } from '../../src-ts/bridge/region.ts';

const { RecordFlag, RecordType } = P;
/** A gibibyte of addresses, of which little is touched. */
function newBuffer(): ArrayBuffer {
  return new ArrayBuffer(P.FIRST_SLOT_AT + P.MAX_SERVERS * P.SLOT_BYTES);
}

export class FakeBinding implements BridgeBinding {
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly view: DataView;
  /** Offsets of words that sleepers were woken at. */
  readonly wakes: number[] = [];
  private doorbell: (() => void) | null = null;

  constructor(buffer = newBuffer()) {
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.view = new DataView(buffer);
    this.words[P.REGION_MAGIC_AT >>> 2] = P.REGION_MAGIC;
    this.words[P.REGION_VERSION_AT >>> 2] = P.PROTOCOL_VERSION;
  }

  region(): ArrayBuffer {
    return this.buffer;
  }

  onDoorbell(callback: () => void): void {
    this.doorbell = callback;
  }

  wakeHost(byteOffset: number): void {
    this.wakes.push(byteOffset);
  }

  copyToRegion(byteOffset: number, source: Uint8Array, start: number, end: number): void {
    this.bytes.set(source.subarray(start, end), byteOffset);
  }

  writePayloads(
    byteOffset: number,
    source: Uint8Array,
    dataStarts: Uint32Array,
    ends: Uint32Array,
    first: number,
    count: number,
  ): void {
    let at = byteOffset;
    for (let i = first; i < first + count; i++) {
      const data = source.subarray(dataStarts[i], ends[i]);
      this.view.setUint32(at, data.length, true);
      this.view.setUint32(at + 4, data.length === 0 ? 1 : 0, true);
      this.bytes.set(data, at + 8);
      at += 8 + ((data.length + 7) & ~7);
    }
  }

  fence(): void {
    // One thread.
  }

  runtime(): string {
    return 'process';
  }

  ring(): void {
    const { doorbell } = this;
    if (doorbell !== null) setImmediate(doorbell);
  }

  get engineIsParked(): boolean {
    return Atomics.load(this.words, P.REGION_ENGINE_PARKED_AT >>> 2) === 1;
  }
}

/** One for all tests of a file that end before they let go of it. */
let shared: ArrayBuffer | null = null;
const SHARED_CLEAR_BYTES = 64 * 1024;

/** A region whose first bytes are zeros, for a single ring. */
export function newRegion(): { readonly binding: FakeBinding; readonly region: Region } {
  shared ??= newBuffer();
  new Uint8Array(shared).fill(0, 0, SHARED_CLEAR_BYTES);
  const binding = new FakeBinding(shared);
  return { binding, region: new Region(binding) };
}

function align(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

export interface HostRecord {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly total: number;
  readonly payload: Uint8Array;
}

/** Host as producer. */
export class HostProducer {
  private readonly binding: FakeBinding;
  private readonly at: number;
  private readonly size: number;

  constructor(binding: FakeBinding, at: number, size: number) {
    this.binding = binding;
    this.at = at;
    this.size = size;
  }

  get chunkBytes(): number {
    return this.size / 4 - P.RECORD_HEADER_BYTES;
  }

  /** One record; false when there is no room. */
  write(type: number, flags: number, id: number, total: number, payload: Uint8Array): boolean {
    const { words, bytes, view } = this.binding;
    const head = words[(this.at + P.RING_HEAD) >>> 2]!;
    let tail = words[(this.at + P.RING_TAIL) >>> 2]!;
    const needed = align(P.RECORD_HEADER_BYTES + payload.length);
    const untilEnd = this.size - (tail % this.size);
    const pad = untilEnd < needed ? untilEnd : 0;
    if (((tail - head) >>> 0) + pad + needed > this.size) {
      Atomics.store(words, (this.at + P.RING_PRODUCER_WAITING) >>> 2, 1);
      return false;
    }
    if (pad > 0) {
      const at = this.at + P.RING_HEADER_BYTES + (tail % this.size);
      view.setUint32(at, pad - P.PAD_HEADER_BYTES, true);
      view.setUint32(at + 4, RecordType.PAD, true);
      tail = (tail + pad) >>> 0;
    }
    const at = this.at + P.RING_HEADER_BYTES + (tail % this.size);
    view.setUint32(at, payload.length, true);
    view.setUint16(at + 4, type, true);
    view.setUint16(at + 6, flags, true);
    view.setBigUint64(at + 8, BigInt(id), true);
    view.setBigUint64(at + 16, BigInt(total), true);
    bytes.set(payload, at + P.RECORD_HEADER_BYTES);
    Atomics.store(words, (this.at + P.RING_TAIL) >>> 2, (tail + needed) >>> 0);
    const parked = P.REGION_ENGINE_PARKED_AT >>> 2;
    if (Atomics.exchange(words, parked, 0) === 1) this.binding.ring();
    return true;
  }

  /** A whole payload, in chunks when it is large; waits for room. */
  async send(type: number, id: number, payload: Uint8Array, flags = 0): Promise<void> {
    let done = 0;
    do {
      const chunk = payload.subarray(done, done + this.chunkBytes);
      let more = flags;
      if (done > 0) more |= RecordFlag.CONTINUATION;
      if (done + chunk.length < payload.length) more |= RecordFlag.MORE;
      while (!this.write(type, more, id, payload.length, chunk)) await turn();
      done += chunk.length;
    } while (done < payload.length);
  }

  /** Overwrites a header field of the record that would be read next. */
  corruptNext(fieldAt: number, value: number, bits: 16 | 32 = 32): void {
    const head = this.binding.words[(this.at + P.RING_HEAD) >>> 2]!;
    const at = this.at + P.RING_HEADER_BYTES + (head % this.size) + fieldAt;
    if (bits === 16) this.binding.view.setUint16(at, value, true);
    else this.binding.view.setUint32(at, value, true);
  }
}

/** Host as consumer. */
export class HostConsumer {
  private readonly binding: FakeBinding;
  private readonly at: number;
  private readonly size: number;
  private readonly unfinished = new Map<string, Uint8Array[]>();

  constructor(binding: FakeBinding, at: number, size: number) {
    this.binding = binding;
    this.at = at;
    this.size = size;
  }

  park(): void {
    Atomics.store(this.binding.words, (this.at + P.RING_CONSUMER_PARKED) >>> 2, 1);
  }

  get isEmpty(): boolean {
    const { words } = this.binding;
    return words[(this.at + P.RING_HEAD) >>> 2] === words[(this.at + P.RING_TAIL) >>> 2];
  }

  /** The next record as it is, or null. Frees it. */
  readRecord(): HostRecord | null {
    const { words, view, bytes } = this.binding;
    for (;;) {
      const head = words[(this.at + P.RING_HEAD) >>> 2]!;
      const tail = words[(this.at + P.RING_TAIL) >>> 2]!;
      if (head === tail) return null;
      const at = this.at + P.RING_HEADER_BYTES + (head % this.size);
      const length = view.getUint32(at, true);
      const type = view.getUint16(at + 4, true);
      if (type === RecordType.PAD) {
        const untilEnd = this.size - (head % this.size);
        if (length + P.PAD_HEADER_BYTES !== untilEnd)
          throw new Error('a pad does not reach the end of the ring');
        this.free((head + untilEnd) >>> 0);
        continue;
      }
      const size = align(P.RECORD_HEADER_BYTES + length);
      if (size > this.size / 4 || (head % this.size) + size > this.size)
        throw new Error(`record of ${length} bytes`);
      const record = {
        type,
        flags: view.getUint16(at + 6, true),
        id: Number(view.getBigUint64(at + 8, true)),
        total: Number(view.getBigUint64(at + 16, true)),
        payload: bytes.slice(at + P.RECORD_HEADER_BYTES, at + P.RECORD_HEADER_BYTES + length),
      };
      this.free((head + size) >>> 0);
      return record;
    }
  }

  private free(head: number): void {
    const { words } = this.binding;
    Atomics.store(words, (this.at + P.RING_HEAD) >>> 2, head);
    if (Atomics.exchange(words, (this.at + P.RING_PRODUCER_WAITING) >>> 2, 0) === 1) this.binding.ring();
  }

  /** The next whole payload, or null. A record without CONTINUATION discards an unfinished payload of its type and id. */
  read(): HostRecord | null {
    for (;;) {
      const record = this.readRecord();
      if (record === null) return null;
      const continues = (record.flags & RecordFlag.CONTINUATION) !== 0;
      const more = (record.flags & RecordFlag.MORE) !== 0;
      if (!continues && !more) {
        if (record.total !== record.payload.length) throw new Error('total is not the length');
        return record;
      }
      const key = `${record.type}/${record.id}`;
      const parts = continues ? this.unfinished.get(key) : [];
      if (parts === undefined) throw new Error(`a continuation of nothing, type ${record.type}`);
      parts.push(record.payload);
      this.unfinished.set(key, parts);
      if (more) continue;
      this.unfinished.delete(key);
      const payload = new Uint8Array(Buffer.concat(parts));
      if (payload.length !== record.total) throw new Error('total is not the sum of the chunks');
      return { ...record, payload };
    }
  }

  readAll(): HostRecord[] {
    const records: HostRecord[] = [];
    for (let record = this.read(); record !== null; record = this.read()) records.push(record);
    return records;
  }

  /** The next whole payload of this type; others are dropped. */
  async next(type: number): Promise<HostRecord> {
    const end = Date.now() + 5000;
    for (;;) {
      const record = this.read();
      if (record?.type === type) return record;
      if (record === null) {
        if (Date.now() > end) throw new Error(`no record of type ${type} within 5 s`);
        await turn();
      }
    }
  }
}

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within 5 s: ${what}`);
    await turn();
  }
}

/** Bytes that tell where they belong. */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (seed * 31 + i * 7 + (i >>> 8)) & 255;
  return bytes;
}

/** Bytes as a text of as many characters, which compares quickly. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** Text of `pattern`. */
export function patternText(length: number, seed: number): string {
  return textOf(pattern(length, seed));
}
