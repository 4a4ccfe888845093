// Proposals that lie in the arena: taken where they lie, refused outside of it, and only while their ticket stands.
import { describe, expect, it } from 'vitest';
import * as P from '../../src-ts/bridge/protocol.generated.ts';
import { BridgeError, Region } from '../../src-ts/bridge/region.ts';
import { RingReader } from '../../src-ts/bridge/ring-reader.ts';
import { SubmitDrain, type ProposalTarget } from '../../src-ts/bridge/submit-drain.ts';
import type { Proposals } from '../../src-ts/core/entry-batch.ts';
import { FakeBinding, HostProducer, pattern, patternText, textOf } from './fake-host.ts';

const { RecordFlag, RecordType } = P;
const AT = 4096;
const SIZE = 8192;
const ARENA_BYTES = 4 * 1024 * 1024;
const TICKETS = 2 ** P.TICKET_INDEX_BITS;
/** Gigabytes of addresses; a little of them is touched. */
const buffer = new ArrayBuffer(P.ARENA_AT + P.ARENA_TICKETS_BYTES + ARENA_BYTES);

class Target implements ProposalTarget {
  acceptsProposals = true;
  readonly got: { readonly sequence: number; readonly data: string }[] = [];
  calls = 0;
  shared = true;

  propose({ count, bytes, starts, ends }: Proposals, sequences: Float64Array): void {
    this.calls++;
    this.shared &&= bytes.buffer === buffer;
    for (let i = 0; i < count; i++)
      this.got.push({ sequence: sequences[i]!, data: textOf(bytes.subarray(starts[i], ends[i])) });
  }
}

class Parts {
  readonly binding: FakeBinding;
  readonly host: HostProducer;
  readonly drain: SubmitDrain;
  readonly target = new Target();
  readonly late: number[] = [];

  constructor() {
    new Uint8Array(buffer).fill(0, 0, AT + SIZE + 4096);
    this.binding = new FakeBinding(buffer);
    const region = new Region(this.binding);
    this.host = new HostProducer(this.binding, AT, SIZE);
    this.drain = new SubmitDrain(
      region,
      new RingReader(region, AT, SIZE, 'submit'),
      ARENA_BYTES,
      (sequence) => this.late.push(sequence),
    );
  }

  /** The bytes in the arena, `at` from where its blocks begin. */
  put(at: number, data: Uint8Array): void {
    this.binding.bytes.set(data, P.ARENA_AT + P.ARENA_TICKETS_BYTES + at);
  }

  /** A record of one that lies `at` from where blocks begin. */
  submit(
    sequence: number,
    at: number,
    length: number,
    flags = 0,
    deadlineUs = Number.MAX_SAFE_INTEGER,
  ): void {
    const told = Buffer.alloc(24);
    told.writeBigUInt64LE(BigInt(P.ARENA_TICKETS_BYTES + at), 0);
    told.writeBigUInt64LE(BigInt(length), 8);
    told.writeBigUInt64LE(BigInt(deadlineUs), 16);
    const all = flags | RecordFlag.WANT_COMPLETION;
    expect(this.host.write(RecordType.PROPOSE_SHARED, all, sequence, 24, told)).toBe(true);
  }

  ticket(sequence: number): number {
    return (P.ARENA_AT >>> 2) + (sequence % TICKETS);
  }
}

function sequenceOf(generation: number, index: number): number {
  return generation * TICKETS + index;
}

describe('a proposal in the arena', () => {
  it('is handed over where it lies, in order with those that lie in the ring', () => {
    const one = new Parts();
    const { drain, host, target } = one;
    one.put(0, pattern(100, 1));
    one.put(5000, pattern(3000, 2));
    one.submit(7, 0, 100);
    host.write(RecordType.PROPOSE, RecordFlag.WANT_COMPLETION, 8, 5, pattern(5, 3));
    one.submit(9, 5000, 3000);
    one.submit(10, 0, 0);
    expect(drain.drain(target)).toBe(true);
    expect(target.got).toEqual([
      { sequence: 7, data: patternText(100, 1) },
      { sequence: 8, data: patternText(5, 3) },
      { sequence: 9, data: patternText(3000, 2) },
      { sequence: 10, data: '' },
    ]);
    expect(target.calls).toBe(1);
    expect(target.shared).toBe(true);
    expect(drain.shared).toEqual({ proposals: 2, bytes: 3100 });
  });

  it('without bytes is a barrier, and no command that is counted', () => {
    const parts = new Parts();
    parts.submit(1, 0, 0);
    parts.drain.drain(parts.target);
    expect(parts.target.got).toHaveLength(1);
    expect(parts.drain.shared).toEqual({ proposals: 0, bytes: 0 });
  });

  it('is asked about again after two MiB: more are taken only while the server takes any', () => {
    const parts = new Parts();
    const { drain, target } = parts;
    for (let i = 0; i < 6; i++) parts.submit(i + 1, 0, 1024 * 1024);
    const propose = target.propose.bind(target);
    target.propose = (proposals, sequences) => {
      propose(proposals, sequences);
      target.acceptsProposals = false;
    };
    drain.drain(target);
    expect(target.got).toHaveLength(2);
    expect(drain.isEmpty).toBe(false);
    target.acceptsProposals = true;
    drain.drain(target);
    expect(target.got.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
  });

  it.each([
    ['among the tickets', -1, 1],
    ['beyond the end', ARENA_BYTES, 1],
    ['across the end', ARENA_BYTES - 10, 11],
    ['of a length beyond all numbers', 0, 2 ** 63],
    ['at an offset beyond all numbers', 2 ** 63, 1],
  ])('%s ends the engine', (_what, at, length) => {
    const parts = new Parts();
    parts.submit(1, at, length);
    expect(() => parts.drain.drain(parts.target)).toThrow(BridgeError);
    expect(parts.target.got).toEqual([]);
  });

  it.each([
    ['too short', 16, 0],
    ['too long', 32, 0],
    ['in chunks', 24, RecordFlag.MORE],
    ['as a continuation', 24, RecordFlag.CONTINUATION],
  ])('that is told %s ends the engine', (_what, length, flags) => {
    const { drain, host, target } = new Parts();
    host.write(RecordType.PROPOSE_SHARED, flags, 1, length, new Uint8Array(length));
    expect(() => drain.drain(target)).toThrow(BridgeError);
  });

  it('up to the last byte of the arena is one', () => {
    const parts = new Parts();
    parts.submit(1, ARENA_BYTES - 10, 10);
    parts.drain.drain(parts.target);
    expect(parts.target.got).toHaveLength(1);
  });
});

describe('a proposal with a ticket', () => {
  it('takes it: from then on the host cannot take it back', () => {
    const parts = new Parts();
    const { words } = parts.binding;
    const sequence = sequenceOf(3, 17);
    Atomics.store(words, parts.ticket(sequence), 3);
    parts.submit(sequence, 0, 10, RecordFlag.TIMED);
    parts.drain.drain(parts.target);
    expect(parts.target.got.map((one) => one.sequence)).toEqual([sequence]);
    expect(Atomics.load(words, parts.ticket(sequence))).toBe(0);
  });

  it('that was taken back is skipped, and not counted; what follows is not held up', () => {
    const parts = new Parts();
    const { words } = parts.binding;
    const [first, second] = [sequenceOf(1, 4), sequenceOf(1, 5)];
    Atomics.store(words, parts.ticket(first), 0);
    Atomics.store(words, parts.ticket(second), 1);
    parts.submit(first, 0, 10, RecordFlag.TIMED);
    parts.submit(second, 0, 10, RecordFlag.TIMED);
    parts.drain.drain(parts.target);
    expect(parts.target.got.map((one) => one.sequence)).toEqual([second]);
    expect(parts.drain.shared).toEqual({ proposals: 1, bytes: 10 });
    expect(parts.drain.isEmpty).toBe(true);
    expect(parts.late, 'its host knows').toEqual([]);
  });

  it('that comes after its deadline is told as late, though nobody took it back', () => {
    const parts = new Parts();
    const { words } = parts.binding;
    const [late, early, untimed] = [sequenceOf(1, 4), sequenceOf(1, 5), sequenceOf(1, 6)];
    const nowUs = Number(process.hrtime.bigint() / 1000n);
    Atomics.store(words, parts.ticket(late), 1);
    Atomics.store(words, parts.ticket(early), 1);
    parts.submit(late, 0, 10, RecordFlag.TIMED, nowUs - 1);
    parts.submit(early, 0, 10, RecordFlag.TIMED, nowUs + 60_000_000);
    parts.submit(untimed, 0, 10, 0, 0);
    parts.drain.drain(parts.target);
    expect(parts.target.got.map((one) => one.sequence)).toEqual([early, untimed]);
    expect(parts.late).toEqual([late]);
    expect(Atomics.load(words, parts.ticket(late)), 'no longer for the host to take back').toBe(0);
    expect(parts.drain.shared).toEqual({ proposals: 2, bytes: 20 });
  });

  it('of an earlier generation leaves the ticket of the present one alone', () => {
    const parts = new Parts();
    const { words } = parts.binding;
    const [old, present] = [sequenceOf(2 ** 31, 6), sequenceOf(2 ** 31 + 1, 6)];
    Atomics.store(words, parts.ticket(present), 2 ** 31 + 1);
    parts.submit(old, 0, 10, RecordFlag.TIMED);
    parts.drain.drain(parts.target);
    expect(parts.target.got).toEqual([]);
    parts.submit(present, 0, 10, RecordFlag.TIMED);
    parts.drain.drain(parts.target);
    expect(parts.target.got.map((one) => one.sequence)).toEqual([present]);
  });
});
