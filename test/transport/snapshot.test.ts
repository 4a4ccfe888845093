/** Snapshots: streamed both ways with bounded memory, in the order of fields that any protobuf writer may choose. */
import http from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage } from '../../src-ts/core/raftpb/message.ts';
import { makeMessage, MessageType, type Message } from '../../src-ts/core/types.ts';
import { encodeSnapshotHead, findSnapshotData } from '../../src-ts/transport/snapshot-codec.ts';
import {
  CLUSTER,
  collectGarbage,
  makeCluster,
  patternSource,
  pause,
  RecordingSink,
  stopAll,
  until,
  untilConnected,
  type TestNode,
} from './harness.ts';

/** To send or to take a snapshot of any size. */
const MEMORY_BYTES_MAX = 40 * 1024 * 1024;

let nodes: TestNode[] = [];
afterEach(async () => {
  await stopAll(nodes);
  nodes = [];
});

const confState = { voters: [1, 2], learners: [3], votersOutgoing: [], learnersNext: [], autoLeave: false };

function snapshotMessage(data = new Uint8Array(0), index = 77): Message {
  return makeMessage({
    type: MessageType.Snap,
    from: 1,
    to: 2,
    term: 4,
    snapshot: { data, metadata: { confState, index, term: 3 } },
  });
}

function post(url: string, path: string, body: Uint8Array, pieces = 1, from = '1'): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.request(`${url}${path}`, {
      method: 'POST',
      headers: {
        'X-Etcd-Cluster-ID': CLUSTER.toString(16),
        'X-Server-From': from,
        'X-Server-Version': '3.5.0',
        'X-Min-Cluster-Version': '3.0.0',
        'Content-Length': body.length,
      },
    });
    request.on('response', (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode!));
    });
    request.on('error', reject);
    const size = Math.ceil(body.length / pieces);
    const write = (at: number): void => {
      if (at >= body.length) request.end();
      else
        request.write(body.subarray(at, at + size), () =>
          setTimeout(() => write(at + size), pieces > 1 ? 2 : 0),
        );
    };
    write(0);
  });
}

describe('snapshots', () => {
  it('puts the data last, in bytes that any reader of raftpb.Message understands', () => {
    const data = Uint8Array.from({ length: 1_000 }, (_, i) => i);
    const head = encodeSnapshotHead(snapshotMessage(), data.length);
    const decoded = decodeMessage(Buffer.concat([head, data]));
    expect(decoded.snapshot!.metadata).toEqual(snapshotMessage().snapshot!.metadata);
    expect(Buffer.compare(decoded.snapshot!.data, data)).toBe(0);
    for (let cut = 0; cut < head.length; cut++)
      expect(findSnapshotData(head.subarray(0, cut), false)).toBe(null);
    expect(findSnapshotData(head, false)).toMatchObject({
      dataBytes: 1_000,
      headBytes: head.length,
      snapshotTailBytes: 0,
    });
  });

  it('streams 64 MiB with little memory, and hands over members', async () => {
    nodes = await makeCluster(2);
    await untilConnected(nodes);
    const [sender, receiver] = nodes as [TestNode, TestNode];
    const dataBytes = 64 * 1024 * 1024;
    const members = JSON.stringify({ members: [{ id: '1', url: 'http://á' }], removed: [] });
    collectGarbage();
    const before = process.memoryUsage();
    const used = (): number => {
      const now = process.memoryUsage();
      return now.arrayBuffers + now.heapUsed - before.arrayBuffers - before.heapUsed;
    };
    let peak = 0;
    const sample = setInterval(() => {
      // Beside other work the collector may be late: what it has left lying is not held by anything.
      if (used() >= MEMORY_BYTES_MAX) collectGarbage();
      peak = Math.max(peak, used());
    }, 2);
    receiver.events.makeSink = (message, bytes, text) => {
      const sink = new RecordingSink(message, bytes, text);
      const write = sink.write.bind(sink);
      // A disk that is slower than the network: the sender is held back.
      let writes = 0;
      sink.write = async (chunk) => {
        await write(chunk);
        if (++writes % 64 === 0) await pause(10);
      };
      return sink;
    };
    sender.transport.sendSnapshot(snapshotMessage(), patternSource(dataBytes), members);
    await until(() => sender.events.snapshotResults.length > 0, 'the result', 25_000);
    clearInterval(sample);
    expect(sender.events.snapshotResults).toEqual([{ id: 2, success: true }]);
    const sink = receiver.events.sinks[0]!;
    expect(sink).toMatchObject({ dataBytes, bytes: dataBytes, members, aborted: false });
    expect(sink.message.snapshot!.metadata.index).toBe(77);
    expect(receiver.events.messages).toEqual([sink.committed]);
    expect(peak).toBeLessThan(MEMORY_BYTES_MAX);
  });

  it.each([1, 7, 60])(
    'takes the bytes that etcd writes (data before metadata), in %i pieces',
    async (pieces) => {
      nodes = await makeCluster(2);
      const receiver = nodes[1]!;
      const data = Uint8Array.from({ length: 3_000 }, (_, i) => i);
      expect(await post(receiver.url, '/raft', encodeMessage(snapshotMessage(data)), pieces)).toBe(204);
      const sink = receiver.events.sinks[0]!;
      expect(sink).toMatchObject({ dataBytes: 3_000, bytes: 3_000, aborted: false });
      expect(sink.committed!.snapshot!.metadata).toEqual(snapshotMessage().snapshot!.metadata);
      expect(receiver.events.messages[0]!.snapshot!.data.length).toBe(0);
    },
  );

  it('takes a snapshot without data, and one on /raft/snapshot', async () => {
    nodes = await makeCluster(2);
    const receiver = nodes[1]!;
    expect(await post(receiver.url, '/raft', encodeMessage(snapshotMessage()))).toBe(204);
    expect(receiver.events.sinks[0]).toMatchObject({ dataBytes: 0, aborted: false });
    const message = encodeMessage(snapshotMessage(Uint8Array.of(1, 2, 3)));
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(message.length));
    const database = new Uint8Array(100_000).fill(9);
    expect(await post(receiver.url, '/raft/snapshot', Buffer.concat([length, message, database]), 3)).toBe(
      204,
    );
    expect(receiver.events.sinks[1]).toMatchObject({ dataBytes: 100_003, bytes: 100_003, aborted: false });
    expect(receiver.events.messages.length).toBe(2);
  });

  it('aborts the sink when the sender breaks off or lies about lengths', async () => {
    nodes = await makeCluster(2, { timeouts: { readMs: 300 } });
    const receiver = nodes[1]!;
    const whole = Buffer.concat([encodeSnapshotHead(snapshotMessage(), 50_000), new Uint8Array(40_000)]);
    expect(await post(receiver.url, '/raft', whole, 2)).toBe(400);
    expect(receiver.events.sinks[0]).toMatchObject({ aborted: true, committed: null });
    const noIndex = encodeMessage(snapshotMessage(Uint8Array.of(1), 0));
    expect(await post(receiver.url, '/raft', noIndex)).toBe(400);
    expect(receiver.events.sinks[1]).toMatchObject({ aborted: true, committed: null });

    const silent = http.request(`${receiver.url}/raft`, {
      method: 'POST',
      headers: {
        'X-Etcd-Cluster-ID': CLUSTER.toString(16),
        'X-Server-From': '1',
        'X-Server-Version': '3.5.0',
        'X-Min-Cluster-Version': '3.0.0',
        'Content-Length': 100_000,
      },
    });
    silent.on('error', () => undefined);
    silent.write(encodeSnapshotHead(snapshotMessage(), 90_000));
    silent.write(new Uint8Array(10_000));
    await until(() => receiver.events.sinks[2]?.aborted === true, 'the silent sender is given up');
    expect(receiver.events.messages).toEqual([]);
  });

  it('ends the sink of a snapshot that is arriving when the server stops', async () => {
    nodes = await makeCluster(2);
    await untilConnected(nodes);
    const [sender, receiver] = nodes as [TestNode, TestNode];
    const endless = {
      dataBytes: 1_000_000,
      read: async (chunk: (bytes: Uint8Array) => unknown) => {
        await chunk(new Uint8Array(1_000));
        await pause(60_000);
      },
    };
    sender.transport.sendSnapshot(snapshotMessage(), endless, null);
    await until(() => receiver.events.sinks[0]?.bytes === 1_000, 'the first piece');
    await receiver.transport.stop();
    expect(receiver.events.sinks[0]).toMatchObject({ aborted: true, committed: null });
    await until(() => sender.events.snapshotResults.length === 1, 'the sender is told at once');
    expect(sender.events.snapshotResults).toEqual([{ id: 2, success: false }]);
  });

  it('reports failure when the receiver refuses, is away, or the source is wrong', async () => {
    nodes = await makeCluster(2);
    await untilConnected(nodes);
    const [sender, receiver] = nodes as [TestNode, TestNode];
    const results = sender.events.snapshotResults;
    receiver.events.wantSnapshot = false;
    sender.transport.sendSnapshot(snapshotMessage(), patternSource(8 * 1024 * 1024), null);
    await until(() => results.length === 1, 'refused');
    receiver.events.wantSnapshot = true;
    sender.transport.sendSnapshot(snapshotMessage(), { ...patternSource(1_000), dataBytes: 2_000 }, null);
    await until(() => results.length === 2, 'source too short');
    const broken = { dataBytes: 1_000, read: () => Promise.reject(new Error('disk error')) };
    sender.transport.sendSnapshot(snapshotMessage(), broken, null);
    await until(() => results.length === 3, 'source broken');
    sender.transport.sendSnapshot(snapshotMessage(), patternSource(10), 'm'.repeat(100_000));
    await until(() => results.length === 4, 'members too long');
    await receiver.transport.stop();
    sender.transport.sendSnapshot(snapshotMessage(), patternSource(1_000), null);
    await until(() => results.length === 5, 'receiver away');
    expect(results.every((result) => result.id === 2 && !result.success)).toBe(true);
    await until(() => receiver.events.sinks.every((sink) => sink.aborted), 'all sinks are ended');
    expect(sender.logger.lines.join('\n')).toMatch(/disk error/);
  });
});
