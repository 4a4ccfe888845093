/** Ids above 2^53 take a place in a table that is never cleared: whoever reaches the port cannot fill it. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { encodeEntries, EntryType, proposalsOf } from '../../src-ts/core/entry-batch.ts';
import { StepError } from '../../src-ts/core/errors.ts';
import { internedNodeIds, nodeIdFromBigint } from '../../src-ts/core/node-id.ts';
import { Writer } from '../../src-ts/core/raftpb/varint.ts';
import { makeMessage, MessageType } from '../../src-ts/core/types.ts';
import { decodeForwardContext } from '../../src-ts/server/forward-context.ts';
import { Cluster } from '../core/cluster.ts';
import { CLUSTER, collectGarbage, makeCluster, stopAll, type TestNode } from './harness.ts';

const MILLION = 1_000_000;
const FIRST = 2n ** 60n;
/** Strangers that tell their URLs, and ids that peers tell of others. */
const ANNOUNCED_MAX = 64;
const TOLD_MAX = 65_536;

let next = FIRST;

/** Fields of ids that nobody has seen; each is a varint of nine bytes. */
function idFields(tag: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count * 10);
  for (let i = 0; i < count; i++) {
    bytes[10 * i] = tag;
    let value = next++;
    for (let at = 1; at < 9; at++, value >>= 7n) bytes[10 * i + at] = Number(value & 127n) | 128;
    bytes[10 * i + 9] = Number(value);
  }
  return bytes;
}

/** A field whose content is `parts`. */
function field(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  const writer = new Writer(content.length + 16);
  writer.bytesField(tag, content);
  return writer.finish();
}

/** Type, receiver and sender of a message. */
function envelope(type: MessageType): Uint8Array {
  const writer = new Writer();
  writer.uintField(0x08, type);
  writer.idField(0x10, 2);
  writer.idField(0x18, 1);
  return writer.finish();
}

function snapshotWith(ids: Uint8Array): Uint8Array {
  const position = Uint8Array.of(0x10, 9, 0x18, 1);
  return Buffer.concat([envelope(MessageType.Snap), field(0x4a, field(0x12, field(0x0a, ids), position))]);
}

let nodes: TestNode[] = [];

async function post(body: Uint8Array, from = '1', urls = ''): Promise<number> {
  const response = await fetch(`${nodes[1]!.url}/raft`, {
    method: 'POST',
    headers: {
      'X-Etcd-Cluster-ID': CLUSTER.toString(16),
      'X-Server-From': from,
      'X-Server-Version': '3.5.0',
      'X-Min-Cluster-Version': '3.0.0',
      ...(urls === '' ? {} : { 'X-PeerURLs': urls }),
    },
    body,
  });
  await response.arrayBuffer();
  return response.status;
}

let before = 0;
const added = (): number => internedNodeIds() - before;

beforeAll(async () => {
  nodes = await makeCluster(2);
});
afterAll(() => stopAll(nodes));
afterEach(() => {
  expect(nodes[1]!.events.messages).toEqual([]);
});

describe('ids above 2^53 that nobody knows', () => {
  it('are not remembered when a million come in messages', async () => {
    before = internedNodeIds();
    collectGarbage();
    const heap = process.memoryUsage().heapUsed;
    const third = Math.ceil(MILLION / 3);
    // Of a field that comes again the last counts, and each is read.
    for (const tag of [0x10, 0x18, 0x68])
      expect(await post(Buffer.concat([envelope(MessageType.Vote), idFields(tag, third)]))).toBe(
        tag === 0x68 ? 204 : 400,
      );
    expect(next - FIRST).toBeGreaterThanOrEqual(MILLION);
    expect(added()).toBe(0);
    expect(nodes[1]!.events.messages.splice(0)).toHaveLength(1);
    collectGarbage();
    expect(process.memoryUsage().heapUsed - heap).toBeLessThan(16 * 1024 * 1024);
  });

  it('are not remembered of strangers, but for a few that tell their URLs', async () => {
    before = internedNodeIds();
    const body = envelope(MessageType.Vote);
    const stranger = (): string => (next++).toString(16);
    for (let i = 0; i < 200; i++) expect(await post(body, stranger())).toBe(404);
    expect(added()).toBe(0);
    for (let i = 0; i < 200; i++) expect(await post(body, stranger(), 'http://127.0.0.1:1')).toBe(404);
    expect(added()).toBe(ANNOUNCED_MAX);
  });

  it('are not remembered as origins of forwarded proposals', () => {
    before = internedNodeIds();
    const bytes = new Uint8Array(20);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 0x70726631);
    for (let i = 0; i < 1_000; i++) {
      view.setBigUint64(4, next++);
      expect(decodeForwardContext(bytes)).toBeNull();
    }
    expect(added()).toBe(0);
  });

  it('are remembered up to a bound as members in snapshots and in forwarded changes', async () => {
    before = internedNodeIds();
    expect(await post(snapshotWith(idFields(0x08, 1_000)))).toBe(204);
    expect(added()).toBe(1_000);
    nodes[1]!.events.messages.length = 0;
    for (let i = 0; i < 3; i++) expect(await post(snapshotWith(idFields(0x08, MILLION / 3)))).toBe(400);
    expect(added()).toBe(TOLD_MAX);
    expect(await post(snapshotWith(idFields(0x08, 1)))).toBe(400);

    const cluster = new Cluster([1, 2, 3], {});
    const leader = cluster.elect(1);
    const change = (id: Uint8Array): void => {
      const proposals = proposalsOf([id], Uint8Array.of(EntryType.ConfChange));
      leader.raft.step(
        makeMessage({ type: MessageType.Prop, from: 2, to: 1, entries: [encodeEntries(0, 0, proposals)] }),
      );
    };
    const last = leader.raft.lastIndex;
    expect(() => {
      change(idFields(0x18, 1));
    }).toThrow(StepError);
    expect(leader.raft.lastIndex).toBe(last);
    expect(added()).toBe(TOLD_MAX);
    // What this node's own program has named goes on.
    const own = next;
    nodeIdFromBigint(own);
    change(idFields(0x18, 1));
    expect(leader.raft.lastIndex).toBe(last + 1);
    next = own;
    expect(await post(snapshotWith(idFields(0x08, 1)))).toBe(204);
    nodes[1]!.events.messages.length = 0;
  });
});
