/** The codecs of raftpb against protobufjs: the same bytes, the same values, and a clear error for everything else. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EntryBatch, encodeEntries, proposalsOf } from '../../src-ts/core/entry-batch.ts';
import { nodeIdFromBigint, nodeIdToBigint, type NodeId } from '../../src-ts/core/node-id.ts';
import {
  decodeConfChange,
  decodeConfChangeV2,
  decodeConfState,
  encodeConfChange,
  encodeConfChangeV2,
  encodeConfState,
} from '../../src-ts/core/raftpb/conf-change.ts';
import { EntryCollector } from '../../src-ts/core/raftpb/entry.ts';
import {
  decodeHardState,
  decodeMessage,
  decodeSnapshot,
  decodeSnapshotMetadata,
  encodeHardState,
  encodeMessage,
  encodeSnapshot,
  encodeSnapshotMetadata,
} from '../../src-ts/core/raftpb/message.ts';
import { DecodeError, Reader, Writer } from '../../src-ts/core/raftpb/varint.ts';
import {
  type ConfChangeTransition,
  type ConfChangeType,
  type ConfState,
  makeMessage,
  type Message,
  type MessageType,
  type Snapshot,
  type SnapshotMetadata,
} from '../../src-ts/core/types.ts';
import { decodeWalMetadata, encodeWalMetadata } from '../../src-ts/storage/wal/wal-metadata.ts';
import { decodeWalSnapshot, encodeWalSnapshot } from '../../src-ts/storage/wal/wal-record.ts';
import { oracleDecode, oracleEncode } from './schema.ts';

const RUNS = Number(process.env['POLYRAFT_RUNS'] ?? 500);
/** Everything that a counter may be, with the edges of the encoding more often. */
const counter = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(300),
  fc.constantFrom(
    0,
    127,
    128,
    2 ** 28 - 1,
    2 ** 28,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 35,
    2 ** 49,
    2 ** 53 - 1,
  ),
);
/** A few ids above 2^53, from a fixed set: they are interned for good. */
const id: fc.Arbitrary<NodeId> = fc.oneof(
  fc.maxSafeNat(),
  fc.constantFrom(2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n).map(nodeIdFromBigint),
);
const bytes = fc.uint8Array({ maxLength: 200 });
const optionalBytes = fc.option(bytes, { nil: null });
const ids = fc.array(id, { maxLength: 5 });
const confState: fc.Arbitrary<ConfState> = fc.record({
  voters: ids,
  learners: ids,
  votersOutgoing: ids,
  learnersNext: ids,
  autoLeave: fc.boolean(),
});
const snapshotMetadata = fc.record({ confState, index: counter, term: counter });
const snapshot = fc.record({ data: bytes, metadata: snapshotMetadata });
const hardState = fc.record({ term: counter, vote: id, commit: counter });
const batch = fc
  .record({
    firstIndex: fc.integer({ min: 0, max: 2 ** 53 - 100 }),
    term: counter,
    payloads: fc.array(bytes, { minLength: 1, maxLength: 6 }),
    types: fc.array(fc.nat(2), { minLength: 6, maxLength: 6 }),
  })
  .map(({ firstIndex, term, payloads, types }) =>
    encodeEntries(
      1 + firstIndex,
      term,
      proposalsOf(payloads, Uint8Array.from(types.slice(0, payloads.length))),
    ),
  );
const leaf = {
  type: fc.nat(23),
  to: id,
  from: id,
  term: counter,
  logTerm: counter,
  index: counter,
  commit: counter,
};
const rest = { vote: id, reject: fc.boolean(), rejectHint: counter, context: optionalBytes };
// A snapshot at index 0 without data stands for none.
const presentSnapshot = snapshot.filter(({ data, metadata }) => metadata.index > 0 || data.length > 0);
const plainMessage = fc.record({
  ...leaf,
  ...rest,
  entries: fc.array(batch, { maxLength: 1 }),
  snapshot: fc.option(presentSnapshot, { nil: null }),
});
const message: fc.Arbitrary<Message> = fc
  .record({ outer: plainMessage, responses: fc.array(plainMessage, { maxLength: 2 }) })
  .map(({ outer, responses }) => {
    const made = (fields: typeof outer, inner: Message[]): Message =>
      makeMessage({ ...fields, type: fields.type as MessageType, responses: inner });
    return made(
      outer,
      responses.map((fields) => made(fields, [])),
    );
  });

const text = (value: NodeId): string => nodeIdToBigint(value).toString();
interface ForOracle {
  confState(state: ConfState): object;
  metadata(value: SnapshotMetadata): object;
  snapshot(value: Snapshot): object;
  entries(batches: readonly EntryBatch[]): object[];
  message(value: Message): object;
}
const forOracle: ForOracle = {
  confState: (state: ConfState): object => ({
    voters: state.voters.map(text),
    learners: state.learners.map(text),
    voters_outgoing: state.votersOutgoing.map(text),
    learners_next: state.learnersNext.map(text),
    auto_leave: state.autoLeave,
  }),
  metadata: (value) => ({
    conf_state: forOracle.confState(value.confState),
    index: String(value.index),
    term: String(value.term),
  }),
  snapshot: (value) => ({
    ...(value.data.length > 0 ? { data: value.data } : {}),
    metadata: forOracle.metadata(value.metadata),
  }),
  entries: (batches: readonly EntryBatch[]): object[] =>
    batches.flatMap((entries) =>
      Array.from({ length: entries.count }, (_, i) => ({
        Type: String(entries.type(i)),
        Term: String(entries.term),
        Index: String(entries.firstIndex + i),
        ...(entries.dataSize(i) > 0 ? { Data: entries.data(i) } : {}),
      })),
    ),
  message: (value: Message): object => ({
    type: String(value.type),
    to: text(value.to),
    from: text(value.from),
    term: String(value.term),
    logTerm: String(value.logTerm),
    index: String(value.index),
    entries: forOracle.entries(value.entries),
    commit: String(value.commit),
    ...(value.snapshot === null ? {} : { snapshot: forOracle.snapshot(value.snapshot) }),
    reject: value.reject,
    rejectHint: String(value.rejectHint),
    ...(value.context === null ? {} : { context: value.context }),
    vote: text(value.vote),
    responses: value.responses.map((response) => forOracle.message(response)),
  }),
};

/** Entries as values: how they are cut into batches does not count. */
function flat(value: Message): unknown {
  return { ...value, entries: forOracle.entries(value.entries), responses: value.responses.map(flat) };
}

const same = (ours: Uint8Array, theirs: Uint8Array): void => {
  expect(Buffer.from(ours).toString('hex')).toBe(Buffer.from(theirs).toString('hex'));
};
const check = <T>(values: fc.Arbitrary<T>, property: (value: T) => void): void => {
  fc.assert(fc.property(values, property), { numRuns: RUNS });
};

describe('the same bytes as protobufjs with every scalar written, and back', () => {
  it('HardState', () => {
    check(hardState, (value) => {
      const encoded = encodeHardState(value);
      const { term, commit, vote } = value;
      same(
        encoded,
        oracleEncode('HardState', { term: String(term), vote: text(vote), commit: String(commit) }),
      );
      expect(decodeHardState(encoded)).toEqual(value);
    });
  });

  it('ConfState', () => {
    check(confState, (value) => {
      const encoded = encodeConfState(value);
      same(encoded, oracleEncode('ConfState', forOracle.confState(value)));
      expect(decodeConfState(encoded)).toEqual(value);
    });
  });

  it('SnapshotMetadata and Snapshot', () => {
    check(snapshot, (value) => {
      same(
        encodeSnapshotMetadata(value.metadata),
        oracleEncode('SnapshotMetadata', forOracle.metadata(value.metadata)),
      );
      expect(decodeSnapshotMetadata(encodeSnapshotMetadata(value.metadata))).toEqual(value.metadata);
      same(encodeSnapshot(value), oracleEncode('Snapshot', forOracle.snapshot(value)));
      expect(decodeSnapshot(encodeSnapshot(value))).toEqual(value);
    });
  });

  it('Message, with entries and nested responses', () => {
    check(message, (value) => {
      const encoded = encodeMessage(value);
      same(encoded, oracleEncode('Message', forOracle.message(value)));
      expect(flat(decodeMessage(encoded))).toEqual(flat(value));
    });
  });

  it('ConfChange and ConfChangeV2', () => {
    const change = fc.record({ id: counter, type: fc.nat(3), nodeId: id, context: optionalBytes });
    check(change, (value) => {
      const ours = { ...value, type: value.type as ConfChangeType };
      const context = value.context === null ? {} : { context: value.context };
      same(
        encodeConfChange(ours),
        oracleEncode('ConfChange', {
          id: String(value.id),
          type: String(value.type),
          node_id: text(value.nodeId),
          ...context,
        }),
      );
      expect(decodeConfChange(encodeConfChange(ours))).toEqual(ours);
    });
    const single = fc.record({ type: fc.nat(3), nodeId: id });
    const second = fc.record({
      transition: fc.nat(2),
      changes: fc.array(single, { maxLength: 4 }),
      context: optionalBytes,
    });
    check(second, (value) => {
      const ours = {
        transition: value.transition as ConfChangeTransition,
        changes: value.changes.map(({ type, nodeId }) => ({ type: type as ConfChangeType, nodeId })),
        context: value.context,
      };
      same(
        encodeConfChangeV2(ours),
        oracleEncode('ConfChangeV2', {
          transition: String(value.transition),
          changes: value.changes.map(({ type, nodeId }) => ({ type: String(type), node_id: text(nodeId) })),
          ...(value.context === null ? {} : { context: value.context }),
        }),
      );
      expect(decodeConfChangeV2(encodeConfChangeV2(ours))).toEqual(ours);
    });
  });

  it('entries, whatever batch they are in', () => {
    check(batch, (value) => {
      const theirs = forOracle.entries([value]).map((entry) => oracleEncode('Entry', entry));
      theirs.forEach((encoded, i) => same(value.bytes.subarray(value.start(i), value.end(i)), encoded));
      const half = value.firstIndex + (value.count >> 1);
      const slices = [value.slice(value.firstIndex, half), value.slice(half, value.lastIndex + 1)];
      expect(forOracle.entries(slices)).toEqual(forOracle.entries([value]));
      const collector = new EntryCollector(Buffer.concat(theirs));
      let at = 0;
      for (const { length } of theirs) collector.add(at, (at += length));
      const [collected] = collector.finish();
      same(collected!.bytes, value.bytes);
      expect([...collected!.ends]).toEqual([...value.ends]);
      expect(forOracle.entries([collected!])).toEqual(forOracle.entries([value]));
    });
  });

  it('records of the WAL', () => {
    check(
      fc.record({ index: counter, term: counter, confState: fc.option(confState, { nil: null }) }),
      (value) => {
        const encoded = encodeWalSnapshot(value);
        const { index, term } = value;
        const theirs = value.confState === null ? {} : { conf_state: forOracle.confState(value.confState) };
        same(encoded, oracleEncode('WalSnapshot', { index: String(index), term: String(term), ...theirs }));
        expect(decodeWalSnapshot(encoded)).toEqual(value);
      },
    );
    check(fc.record({ nodeId: id, clusterId: id.map(nodeIdToBigint) }), (value) => {
      const encoded = encodeWalMetadata(value);
      same(
        encoded,
        oracleEncode('WalMetadata', { NodeID: text(value.nodeId), ClusterID: String(value.clusterId) }),
      );
      expect(decodeWalMetadata(encoded)).toEqual(value);
    });
  });
});

describe('what other encoders may send', () => {
  it('fields that are left out are zero', () => {
    expect(decodeHardState(new Uint8Array(0))).toEqual({ term: 0, vote: 0, commit: 0 });
    expect(decodeMessage(new Uint8Array(0))).toEqual(makeMessage({ type: 0 }));
    expect(decodeConfState(new Uint8Array(0)).autoLeave).toBe(false);
    const collector = new EntryCollector(Uint8Array.of(0x18, 5));
    collector.add(0, 2);
    expect(collector.finish()[0]).toMatchObject({ firstIndex: 5, term: 0, count: 1 });
  });

  it('fields in another order, fields that nobody knows, and packed ids are understood', () => {
    const message = Uint8Array.of(
      0x30,
      9,
      0x7a,
      2,
      1,
      2,
      0xfd,
      1,
      1,
      2,
      3,
      4,
      0x08,
      4,
      0x79,
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
    );
    expect(decodeMessage(message)).toMatchObject({ type: 4, index: 9 });
    expect(decodeConfState(Uint8Array.of(0x0a, 3, 1, 2, 3, 0x08, 4)).voters).toEqual([1, 2, 3, 4]);
    const writer = new Writer();
    for (const [tag, value] of [
      [0x18, 7],
      [0x08, 0],
      [0x10, 3],
    ] as const)
      writer.uintField(tag, value);
    writer.bytesField(0x22, Uint8Array.of(1, 2));
    const encoded = writer.finish();
    const collector = new EntryCollector(encoded);
    collector.add(0, encoded.length);
    expect(forOracle.entries(collector.finish())).toEqual([
      { Type: '0', Term: '3', Index: '7', Data: Uint8Array.of(1, 2) },
    ]);
  });

  it('an empty snapshot field means none, as older peers write it', () => {
    const encoded = oracleEncode('Message', {
      type: '3',
      snapshot: { metadata: { conf_state: {}, index: '0', term: '0' } },
    });
    expect(decodeMessage(encoded).snapshot).toBeNull();
  });

  it('numbers above 2^53 are refused where they count, and kept where they are ids', () => {
    const writer = new Writer();
    writer.idField(0x30, nodeIdFromBigint(2n ** 64n - 1n));
    expect(() => decodeMessage(writer.finish())).toThrow('Message.index is above 2^53');
    const other = new Writer();
    other.idField(0x18, nodeIdFromBigint(2n ** 64n - 1n));
    expect(text(decodeMessage(other.finish()).from)).toBe('18446744073709551615');
  });

  it('varints of every length are read as protobufjs reads them', () => {
    check(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
      const encoded = oracleEncode('HardState', { vote: value.toString() });
      const reader = new Reader(encoded, 1);
      const found = reader.varintLossy();
      expect(found).toBe(Number(value));
      expect(reader.at).toBe(encoded.length);
      expect(new Reader(encoded, 1).uint32()).toBe(Number(value & 0xffff_ffffn));
      expect(oracleDecode('HardState', encoded)['vote']).toBe(value.toString());
    });
  });
});

describe('mutated bytes', () => {
  const decoders: [string, (input: Uint8Array) => unknown][] = [
    ['Message', (input) => decodeMessage(input)],
    ['Snapshot', decodeSnapshot],
    ['ConfState', decodeConfState],
    ['HardState', decodeHardState],
    ['ConfChange', decodeConfChange],
    ['ConfChangeV2', decodeConfChangeV2],
    ['WalSnapshot', decodeWalSnapshot],
    ['WalMetadata', decodeWalMetadata],
    [
      'Entry',
      (input) => {
        const collector = new EntryCollector(input);
        collector.add(0, input.length);
        return collector.finish();
      },
    ],
  ];
  const edit = fc.record({
    at: fc.nat(400),
    value: fc.nat(127),
    how: fc.constantFrom('set', 'insert', 'remove', 'cut'),
  });

  it('give a value or a DecodeError, never anything else', () => {
    const inputs = fc.record({
      value: message,
      raw: bytes,
      edits: fc.array(edit, { minLength: 1, maxLength: 4 }),
    });
    check(inputs, ({ value, raw, edits }) => {
      for (const source of [encodeMessage(value), raw]) {
        let input = [...source];
        for (const { at, value: byte, how } of edits) {
          const position = at % (input.length + 1);
          if (how === 'set') input[position] = byte;
          else if (how === 'insert') input.splice(position, 0, byte);
          else if (how === 'remove') input.splice(position, 1);
          else input = input.slice(0, position);
        }
        for (const [name, decode] of decoders) {
          try {
            decode(Uint8Array.from(input));
          } catch (error) {
            if (!(error instanceof DecodeError))
              throw new Error(`${name}: ${String(error)}`, { cause: error });
          }
        }
      }
    });
  });

  it('nested without end are refused', () => {
    let input: Uint8Array = new Uint8Array(0);
    for (let depth = 0; depth < 10_000; depth++) {
      const writer = new Writer(input.length + 8);
      writer.bytesField(0x72, input);
      input = writer.finish();
    }
    expect(() => decodeMessage(input)).toThrow('nested too deeply');
  });
});
