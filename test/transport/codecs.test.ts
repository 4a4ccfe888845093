/** Stream formats: the very bytes of msgappv2, any chunking, any damage. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeEntries, proposalsOf, type EntryBatch } from '../../src-ts/core/entry-batch.ts';
import { encodeMessage } from '../../src-ts/core/raftpb/message.ts';
import { DecodeError } from '../../src-ts/core/raftpb/varint.ts';
import { makeMessage, MessageType, type Message } from '../../src-ts/core/types.ts';
import type { FrameDecoder, FrameEncoder } from '../../src-ts/transport/frame.ts';
import { HttpFormatError, ResponseReader, type ResponseHead } from '../../src-ts/transport/http-response.ts';
import { MessageDecoder, MessageEncoder } from '../../src-ts/transport/message-codec.ts';
import { MsgAppV2Decoder } from '../../src-ts/transport/msgappv2-decoder.ts';
import { AppEntriesFrames, MsgAppV2Encoder } from '../../src-ts/transport/msgappv2-encoder.ts';
import { decodeOutcomes, encodeOutcomes } from '../../src-ts/transport/outcomes.ts';
import { findSnapshotData } from '../../src-ts/transport/snapshot-codec.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const LIMIT = 1024 * 1024;

function append(
  index: number,
  logTerm: number,
  term: number,
  commit: number,
  batches: EntryBatch[],
): Message {
  return makeMessage({
    type: MessageType.App,
    from: 1,
    to: 2,
    index,
    logTerm,
    term,
    commit,
    entries: batches,
  });
}

/** The stream's bytes with HTTP chunks around them. */
function encoded(encoder: FrameEncoder, messages: readonly Message[]): Buffer {
  const parts: Uint8Array[] = [];
  let size = 0;
  for (const message of messages) size += encoder.encode(message, parts);
  const bytes = Buffer.concat(parts);
  expect(bytes.length).toBe(size);
  return bytes;
}

/** The body of a chunked response, read in pieces that end at the cuts. */
function unchunked(bytes: Uint8Array, cuts: readonly number[] = []): Buffer {
  const out: Buffer[] = [];
  const reader = new ResponseReader({
    head: () => undefined,
    body: (piece, start, end) => void out.push(Buffer.from(piece.slice(start, end))),
    end: () => undefined,
  });
  const head = text('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
  reader.push(head, 0, head.length);
  let at = 0;
  for (const cut of [...cuts, bytes.length]) {
    reader.push(bytes, at, cut);
    at = cut;
  }
  return Buffer.concat(out);
}

function decoded(decoder: FrameDecoder, bytes: Uint8Array, cuts: readonly number[] = []): Message[] {
  const messages: Message[] = [];
  let at = 0;
  for (const cut of [...cuts, bytes.length]) {
    // A reader's buffer is overwritten by the next read: so is this one.
    const piece = Uint8Array.prototype.slice.call(bytes, at, cut);
    decoder.push(piece, 0, piece.length, messages);
    piece.fill(0xee);
    at = cut;
  }
  return messages;
}

const canonical = (messages: readonly Message[]): string[] =>
  messages.map((message) => Buffer.from(encodeMessage(message)).toString('hex'));

describe('msgappv2', () => {
  it('has the bytes of the format', () => {
    const encoder = new MsgAppV2Encoder(new AppEntriesFrames());
    const first = append(4, 1, 2, 3, [encodeEntries(5, 2, proposalsOf([text('a')]))]);
    const second = append(5, 2, 2, 5, [encodeEntries(6, 2, proposalsOf([text('b'), text('')]))]);
    const third = append(7, 2, 2, 7, []);
    const whole = Buffer.from(encodeMessage(first));
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(whole.length));
    const u64 = (value: number): string => value.toString(16).padStart(16, '0');
    const expected = [
      // A message that does not continue the stream travels whole.
      `02${length.toString('hex')}${whole.toString('hex')}`,
      // Two entries (Type, Term, Index, Data; an empty one has no Data), then the commit index.
      `01${u64(2)}${u64(9)}080010021806220162${u64(6)}080010021807${u64(5)}`,
      `01${u64(0)}${u64(7)}`,
    ].join('');
    const bytes = encoded(encoder, [first, second, third]);
    expect(unchunked(bytes).toString('hex')).toBe(expected);
    expect(bytes.subarray(0, 10).toString()).toMatch(/^[0-9a-f]{8}\r\n$/);
    expect(unchunked(encoder.heartbeat).toString('hex')).toBe('00');
    expect(canonical(decoded(new MsgAppV2Decoder(2, 1, LIMIT), unchunked(bytes)))).toEqual(
      canonical([first, second, third]),
    );
  });

  it('goes back to whole messages when term or position breaks', () => {
    const encoder = new MsgAppV2Encoder(new AppEntriesFrames());
    const messages = [
      append(4, 2, 2, 3, [encodeEntries(5, 2, proposalsOf([text('a')]))]),
      append(5, 2, 3, 3, [encodeEntries(6, 3, proposalsOf([text('new term')]))]),
      append(6, 3, 3, 3, [encodeEntries(7, 3, proposalsOf([text('continues')]))]),
      append(4, 2, 3, 3, [
        encodeEntries(5, 2, proposalsOf([text('probe')])),
        encodeEntries(6, 3, proposalsOf([text('x')])),
      ]),
      append(6, 3, 3, 4, [encodeEntries(7, 3, proposalsOf([text('again')]))]),
    ];
    const kinds = messages.map((message) => unchunked(encoded(encoder, [message]))[0]);
    expect(kinds).toEqual([2, 2, 1, 2, 1]);
    const fresh = new MsgAppV2Encoder(new AppEntriesFrames());
    const bytes = unchunked(encoded(fresh, messages));
    expect(canonical(decoded(new MsgAppV2Decoder(2, 1, LIMIT), bytes))).toEqual(canonical(messages));
  });

  it('shares one frame among followers, by value and only then', () => {
    const frames = new AppEntriesFrames();
    const batch = encodeEntries(5, 2, proposalsOf([text('a'), text('b'), text('c')]));
    const frame = frames.get([batch.slice(5, 7)], 9);
    expect(frames.get([batch.slice(5, 7)], 9)).toBe(frame);
    expect(frames.get([batch.slice(5, 7)], 10)).not.toBe(frame);
    const other = frames.get([batch.slice(5, 8)], 10);
    expect(frames.get([batch.slice(6, 8)], 10)).not.toBe(other);
    expect(frames.get([batch], 10)).toEqual(other);
  });
});

const payloads = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.nat(3_000).map((size) => new Uint8Array(size).fill(size)),
  ),
  { minLength: 0, maxLength: 12 },
);
const steps = fc.array(
  fc.record({
    payloads,
    types: fc.boolean(),
    newTerm: fc.boolean(),
    gap: fc.boolean(),
    commit: fc.nat(1_000_000),
  }),
  { minLength: 1, maxLength: 8 },
);

/** A plausible stream of appends. */
function streamOf(
  list: { payloads: Uint8Array[]; types: boolean; newTerm: boolean; gap: boolean; commit: number }[],
): Message[] {
  let term = 1;
  let index = 2 ** 33;
  return list.map((step) => {
    const logTerm = term;
    if (step.newTerm) term += 200;
    if (step.gap) index += 300;
    const types = step.types ? Uint8Array.from(step.payloads, (_, i) => i % 3) : null;
    const entries =
      step.payloads.length === 0 ? [] : [encodeEntries(index + 1, term, proposalsOf(step.payloads, types))];
    const message = append(index, logTerm, term, step.commit, entries);
    index += step.payloads.length;
    return message;
  });
}

const fractions = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 });
const cutsOf = (share: readonly number[], length: number): number[] =>
  share.map((part) => Math.floor(part * length)).sort((a, b) => a - b);

describe('any chunking', () => {
  it('gives the same messages from msgappv2', () => {
    fc.assert(
      fc.property(steps, fractions, fractions, (list, cuts, outerCuts) => {
        const messages = streamOf(list);
        const chunked = encoded(new MsgAppV2Encoder(new AppEntriesFrames()), messages);
        const bytes = unchunked(chunked, cutsOf(outerCuts, chunked.length));
        const got = decoded(new MsgAppV2Decoder(2, 1, LIMIT), bytes, cutsOf(cuts, bytes.length));
        expect(canonical(got)).toEqual(canonical(messages));
        const single = Array.from({ length: Math.min(bytes.length, 3_000) }, (_, i) => i);
        expect(canonical(decoded(new MsgAppV2Decoder(2, 1, LIMIT), bytes, single))).toEqual(
          canonical(messages),
        );
      }),
      { numRuns: 150 },
    );
  });

  it('gives the same messages from the message stream, heartbeats left out', () => {
    fc.assert(
      fc.property(steps, fractions, (list, cuts) => {
        const messages = streamOf(list);
        const encoder = new MessageEncoder();
        const parts = messages.flatMap((message) => [encoded(encoder, [message]), encoder.heartbeat]);
        const bytes = unchunked(Buffer.concat(parts));
        expect(canonical(decoded(new MessageDecoder(LIMIT), bytes, cutsOf(cuts, bytes.length)))).toEqual(
          canonical(messages),
        );
      }),
      { numRuns: 100 },
    );
  });

  it('reads a response head in pieces, with and without chunks', () => {
    const body = text('0123456789');
    for (const response of [
      'HTTP/1.1 200 OK\r\nX-A: b \r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\n012\r\n7\r\n3456789\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nx-a:b\r\nContent-Length: 10\r\n\r\n0123456789',
      'HTTP/1.0 200\r\nX-A:b\r\n\r\n0123456789',
    ]) {
      for (let step = 1; step < 12; step++) {
        let head: ResponseHead | null = null;
        const got: number[] = [];
        const reader = new ResponseReader({
          head: (value) => void (head = value),
          body: (bytes, start, end) => void got.push(...bytes.subarray(start, end)),
          end: () => undefined,
        });
        const bytes = text(response);
        for (let at = 0; at < bytes.length; at += step)
          reader.push(bytes, at, Math.min(bytes.length, at + step));
        expect(head).toMatchObject({ status: 200, headers: { 'x-a': 'b' } });
        expect(Uint8Array.from(got)).toEqual(body);
      }
    }
  });
});

describe('damage', () => {
  const runs = process.env['POLYRAFT_TEST_FULL'] === '1' ? 1_000_000 : 20_000;

  /** Mutates good bytes and feeds them: only DecodeError may come, and memory stays near the input's size. */
  async function attack(
    good: Uint8Array,
    run: (bytes: Uint8Array) => void,
    count: number,
  ): Promise<{ failed: number }> {
    // Not a Buffer, whose slices would share its bytes.
    const pristine = Uint8Array.from(good);
    let seed = 12_345;
    const random = (bound: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((seed / 0x1_0000_0000) * bound);
    };
    let failed = 0;
    for (let i = 0; i < count; i++) {
      // The test runner wants to hear from its workers now and then.
      if (i % 50_000 === 49_999) await new Promise((resolve) => setImmediate(resolve));
      const bytes = pristine.slice(0, random(4) === 0 ? random(good.length + 1) : good.length);
      for (let change = 1 + random(4); change > 0 && bytes.length > 0; change--) {
        bytes[random(bytes.length)] = random(3) === 0 ? 255 : random(256);
      }
      try {
        run(bytes);
      } catch (error) {
        if (!(error instanceof DecodeError) && !(error instanceof HttpFormatError)) throw error;
        failed++;
      }
    }
    return { failed };
  }

  const sample = streamOf([
    { payloads: [text('one'), text(''), text('three')], types: true, newTerm: false, gap: false, commit: 5 },
    { payloads: [text('four')], types: false, newTerm: false, gap: false, commit: 6 },
    { payloads: [], types: false, newTerm: true, gap: true, commit: 7 },
    { payloads: [text('five'), text('six')], types: false, newTerm: false, gap: false, commit: 8 },
  ]);

  it(`is survived by every decoder (${runs} inputs each)`, { timeout: 600_000 }, async () => {
    const v2 = unchunked(encoded(new MsgAppV2Encoder(new AppEntriesFrames()), sample));
    const before = process.memoryUsage().arrayBuffers;
    const results = [
      await attack(
        v2,
        (bytes) => decoded(new MsgAppV2Decoder(2, 1, LIMIT), bytes, [bytes.length >> 1]),
        runs,
      ),
      await attack(
        unchunked(encoded(new MessageEncoder(), sample)),
        (bytes) => decoded(new MessageDecoder(LIMIT), bytes),
        runs,
      ),
      await attack(encoded(new MessageEncoder(), sample), (bytes) => unchunked(bytes), runs),
      await attack(
        encodeOutcomes([{ sequence: 1, index: 2, term: 3, code: -1 }]),
        (bytes) => decodeOutcomes(Buffer.from(bytes)),
        runs,
      ),
      await attack(
        encodeMessage(
          makeMessage({
            type: MessageType.Snap,
            from: 1,
            to: 2,
            snapshot: {
              data: text('data'),
              metadata: {
                confState: {
                  voters: [1, 2],
                  learners: [],
                  votersOutgoing: [],
                  learnersNext: [],
                  autoLeave: false,
                },
                index: 5,
                term: 1,
              },
            },
          }),
        ),
        (bytes) => findSnapshotData(bytes, true),
        runs,
      ),
    ];
    for (const result of results) {
      expect(result.failed).toBeGreaterThan(runs / 20);
      expect(result.failed).toBeLessThanOrEqual(runs);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024 * 1024);
  });

  it('is refused by limits before memory is taken', () => {
    const huge = Buffer.alloc(17);
    huge.writeUInt8(1, 0);
    huge.writeBigUInt64BE(1n, 1);
    huge.writeBigUInt64BE(BigInt(LIMIT) + 1n, 9);
    expect(() => decoded(new MsgAppV2Decoder(2, 1, LIMIT), huge)).toThrow(/the limit is/);
    expect(() => decoded(new MsgAppV2Decoder(2, 1, LIMIT), Buffer.from('02ffffffffffffffff', 'hex'))).toThrow(
      /limit/,
    );
    expect(() => decoded(new MessageDecoder(LIMIT), Buffer.from('0000000000100001', 'hex'))).toThrow(/limit/);
    expect(() => decoded(new MsgAppV2Decoder(2, 1, LIMIT), Uint8Array.of(3))).toThrow(/unknown kind/);
    const skipping = append(4, 2, 2, 3, [encodeEntries(5, 2, proposalsOf([text('a')]))]);
    const encoder = new MsgAppV2Encoder(new AppEntriesFrames());
    encoded(encoder, [skipping]);
    const wrong = unchunked(
      encoded(encoder, [append(5, 2, 2, 3, [encodeEntries(7, 2, proposalsOf([text('a')]))])]),
    );
    expect(() => decoded(new MsgAppV2Decoder(2, 1, LIMIT), wrong)).toThrow(/index 7/);
  });
});
