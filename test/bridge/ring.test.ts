// Rings between host and engine: what goes in comes out, whatever the sizes, and nonsense is noticed.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  RECORD_FLAGS_AT,
  RECORD_LENGTH_AT,
  RECORD_TOTAL_AT,
  RECORD_TYPE_AT,
  RecordFlag,
  RecordType,
  RING_CONSUMER_PARKED,
  RING_HEAD,
  RING_PRODUCER_WAITING,
  RING_TAIL,
} from '../../src-ts/bridge/protocol.generated.ts';
import { BridgeError } from '../../src-ts/bridge/region.ts';
import { RingReader } from '../../src-ts/bridge/ring-reader.ts';
import { RingWriter } from '../../src-ts/bridge/ring-writer.ts';
import { HostConsumer, HostProducer, newRegion, pattern, patternText, textOf } from './fake-host.ts';

const AT = 4096;
const SIZE = 4096;

function setPosition(words: Uint32Array, position: number): void {
  words[(AT + RING_HEAD) >>> 2] = position;
  words[(AT + RING_TAIL) >>> 2] = position;
}

/** Positions run modulo 2^32: some tests begin just before they wrap. */
const startPosition = fc.constantFrom(0, 8, 4088, 2 ** 32 - 8, 2 ** 32 - 4096, 2 ** 31 - 16);
const operations = fc.array(
  fc.oneof(
    fc.record({ write: fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.constantFrom(0, 1, 999, 1000)) }),
    fc.record({ read: fc.integer({ min: 1, max: 5 }) }),
  ),
  { maxLength: 200 },
);

describe('the ring from the host', () => {
  it('gives every record once, in order and whole, whatever the sizes', () => {
    fc.assert(
      fc.property(startPosition, operations, (position, steps) => {
        const { binding, region } = newRegion();
        setPosition(region.words, position);
        const host = new HostProducer(binding, AT, SIZE);
        const reader = new RingReader(region, AT, SIZE, 'test');
        const expected: { id: number; length: number }[] = [];
        let id = 0;
        const readOne = (): void => {
          expect(reader.next()).toBe(expected.length > 0);
          const record = expected.shift();
          if (record === undefined) return;
          expect(reader.type).toBe(RecordType.PROPOSE);
          expect(reader.id).toBe(record.id);
          expect(reader.total).toBe(record.length);
          expect(textOf(reader.copy())).toBe(patternText(record.length, record.id));
        };
        for (const step of steps) {
          if ('write' in step) {
            if (host.write(RecordType.PROPOSE, 0, id, step.write, pattern(step.write, id)))
              expected.push({ id, length: step.write });
            id++;
          } else {
            for (let i = 0; i < step.read; i++) readOne();
            reader.release();
          }
        }
        while (expected.length > 0) readOne();
        expect(reader.next()).toBe(false);
        expect(reader.isEmpty).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('frees room only when released, and wakes a host that waits for it', () => {
    const { binding, region } = newRegion();
    const host = new HostProducer(binding, AT, SIZE);
    const reader = new RingReader(region, AT, SIZE, 'test');
    for (let i = 0; i < 4; i++) expect(host.write(16, 0, i, 1000, pattern(1000, i))).toBe(true);
    expect(host.write(16, 0, 4, 0, new Uint8Array(0))).toBe(false);
    expect(region.load(AT + RING_PRODUCER_WAITING)).toBe(1);
    expect(reader.next()).toBe(true);
    expect(binding.wakes).toEqual([]);
    expect(host.write(16, 0, 4, 0, new Uint8Array(0))).toBe(false);
    reader.release();
    expect(binding.wakes).toEqual([AT + RING_PRODUCER_WAITING]);
    expect(region.load(AT + RING_PRODUCER_WAITING)).toBe(0);
    expect(host.write(16, 0, 4, 1000, pattern(1000, 4))).toBe(true);
    reader.next();
    reader.release();
    expect(binding.wakes).toHaveLength(1);
  });

  it.each([
    ['a length beyond a quarter of the ring', RECORD_LENGTH_AT, 2000, 32],
    ['a length beyond the ring', RECORD_LENGTH_AT, 0xffff_fff0, 32],
    ['a length beyond what was published', RECORD_LENGTH_AT, 900, 32],
    ['a total that is not the length', RECORD_TOTAL_AT, 7, 32],
    ['a total in the high word', RECORD_TOTAL_AT + 4, 7, 32],
    ['a pad that ends early', RECORD_TYPE_AT, RecordType.PAD, 16],
    ['a chunk with less in all than in itself', RECORD_FLAGS_AT, RecordFlag.MORE, 16],
  ] as const)('refuses %s', (_what, fieldAt, value, bits) => {
    const { binding, region } = newRegion();
    const host = new HostProducer(binding, AT, SIZE);
    const reader = new RingReader(region, AT, SIZE, 'command');
    host.write(16, 0, 1, fieldAt === RECORD_FLAGS_AT ? 99 : 100, pattern(100, 1));
    host.corruptNext(fieldAt, value, bits);
    expect(() => reader.next()).toThrow(BridgeError);
    expect(() => reader.next()).toThrow(/the host's command ring is broken/);
  });

  it.each([1, 4, SIZE + 8, 0x8000_0000])('refuses a tail that is %i bytes ahead', (ahead) => {
    const { region } = newRegion();
    const reader = new RingReader(region, AT, SIZE, 'command');
    region.store(AT + RING_TAIL, ahead);
    expect(() => reader.next()).toThrow(BridgeError);
  });

  it('never hands out bytes beyond the ring, whatever is in it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: SIZE, maxLength: SIZE }), fc.nat(SIZE / 8), (noise, tail) => {
        const { region } = newRegion();
        region.bytes.set(noise, AT + 256);
        const reader = new RingReader(region, AT, SIZE, 'test');
        region.store(AT + RING_TAIL, tail * 8);
        try {
          for (let i = 0; i < 1000 && reader.next(); i++) {
            expect(reader.dataAt).toBeGreaterThanOrEqual(AT + 256);
            expect(reader.dataAt + reader.length).toBeLessThanOrEqual(AT + 256 + SIZE);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(BridgeError);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('the ring to the host', () => {
  it('gives every record once, in order and whole, whatever the sizes', () => {
    fc.assert(
      fc.property(startPosition, operations, (position, steps) => {
        const { binding, region } = newRegion();
        setPosition(region.words, position);
        const writer = new RingWriter(region, AT, SIZE);
        const host = new HostConsumer(binding, AT, SIZE);
        const expected: { id: number; length: number }[] = [];
        let id = 0;
        for (const step of steps) {
          if ('write' in step) {
            const length = step.write;
            const available = writer.available();
            const at = writer.reserve(length);
            expect(at >= 0).toBe(available >= length);
            if (at >= 0) {
              region.bytes.set(pattern(length, id), at);
              writer.publish(RecordType.LOG, 0, id, length);
              expected.push({ id, length });
            }
            id++;
          } else {
            for (let i = 0; i < step.read; i++) {
              const record = host.read();
              const due = expected.shift();
              if (due === undefined) expect(record).toBeNull();
              else {
                expect(record?.id).toBe(due.id);
                expect(textOf(record!.payload)).toBe(patternText(due.length, due.id));
              }
            }
          }
        }
        expect(host.readAll().map((record) => record.id)).toEqual(expected.map((due) => due.id));
      }),
      { numRuns: 200 },
    );
  });

  it('wakes the host only when it sleeps', () => {
    const { binding, region } = newRegion();
    const writer = new RingWriter(region, AT, SIZE);
    const host = new HostConsumer(binding, AT, SIZE);
    const write = (): void => {
      writer.reserve(8);
      writer.publish(RecordType.LOG, 0, 1, 8);
    };
    write();
    expect(binding.wakes).toEqual([]);
    host.park();
    write();
    expect(binding.wakes).toEqual([AT + RING_CONSUMER_PARKED]);
    write();
    expect(binding.wakes).toHaveLength(1);
  });

  it('asks for the doorbell only when there is no room', () => {
    const { binding, region } = newRegion();
    const writer = new RingWriter(region, AT, SIZE);
    const host = new HostConsumer(binding, AT, SIZE);
    expect(writer.awaitRoom(1000)).toBe(true);
    expect(region.load(AT + RING_PRODUCER_WAITING)).toBe(0);
    while (writer.reserve(1000) >= 0) writer.publish(RecordType.LOG, 0, 1, 1000);
    expect(writer.awaitRoom(1000)).toBe(false);
    expect(region.load(AT + RING_PRODUCER_WAITING)).toBe(1);
    host.readRecord();
    expect(region.load(AT + RING_PRODUCER_WAITING)).toBe(0);
    expect(writer.awaitRoom(1000)).toBe(true);
  });

  it('sees no room when the head of a dying host is nonsense', () => {
    const { region } = newRegion();
    const writer = new RingWriter(region, AT, SIZE);
    region.store(AT + RING_HEAD, 12_345);
    expect(writer.reserve(8)).toBe(-1);
    expect(writer.available()).toBeLessThan(0);
  });
});
