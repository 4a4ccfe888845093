/** Links that break, stall or are slow: streams come back, queues stay bounded, the server is told. */
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeEntries, proposalsOf } from '../../src-ts/core/entry-batch.ts';
import { makeMessage, MessageType } from '../../src-ts/core/types.ts';
import {
  CLUSTER,
  collectGarbage,
  freeUrl,
  makeCluster,
  makeNode,
  pause,
  stopAll,
  until,
  untilConnected,
  type TestNode,
} from './harness.ts';

let nodes: TestNode[] = [];
const servers: net.Server[] = [];
const sockets: net.Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
  await stopAll(nodes);
  nodes = [];
});

const vote = (from: number, to: number, term: number) =>
  makeMessage({ type: MessageType.Vote, from, to, term });

describe('broken links', () => {
  it('reconnect after a peer was away, and messages flow again', async () => {
    nodes = await makeCluster(2);
    await untilConnected(nodes);
    const [first, second] = nodes as [TestNode, TestNode];
    await second.transport.stop();
    first.transport.send([vote(1, 2, 1)]);
    await until(() => first.events.unreachableIds.includes(2), 'unreachable is reported');
    await until(() => !first.transport.peers()[0]!.active, 'not active');

    const back = makeNode(2, second.url, [{ id: 1, urls: [first.url] }]);
    nodes = [first, back];
    await back.transport.start();
    await until(
      () => first.transport.peers()[0]!.active && back.transport.peers()[0]!.active,
      'active again',
    );
    await until(() => {
      first.transport.send([vote(1, 2, 2)]);
      return back.events.messages.length > 0;
    }, 'a message arrives');
  });

  it('report unreachable at a bounded rate', async () => {
    nodes = [makeNode(1, await freeUrl(), [{ id: 2, urls: [await freeUrl()] }])];
    const node = nodes[0]!;
    await node.transport.start();
    const start = performance.now();
    while (performance.now() - start < 550) {
      for (let i = 0; i < 50; i++) node.transport.send([vote(1, 2, 1)]);
      await pause(5);
    }
    expect(node.events.unreachableIds.length).toBeGreaterThanOrEqual(3);
    expect(node.events.unreachableIds.length).toBeLessThanOrEqual(8);
  });

  it('follow a changed URL', async () => {
    const url = await freeUrl();
    const wrong = await freeUrl();
    const target = makeNode(2, url, []);
    const node = makeNode(1, await freeUrl(), [{ id: 2, urls: [wrong] }]);
    nodes = [node, target];
    target.transport.addPeer(1, [node.url]);
    await Promise.all(nodes.map((each) => each.transport.start()));
    await pause(150);
    node.transport.updatePeer(2, [wrong, url]);
    await until(
      () => node.logger.lines.some((line) => line.includes('msgapp stream from peer 2 is up')),
      'stream to the second URL',
    );
    node.transport.removePeer(2);
    expect(node.transport.peers()).toEqual([]);
  });

  it('close streams that are silent, and keep idle ones alive by heartbeats', async () => {
    // A peer that opens streams and then says nothing.
    const mute = net.createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'));
    });
    servers.push(mute);
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const muteUrl = `http://127.0.0.1:${(mute.address() as net.AddressInfo).port}`;
    const urls = [await freeUrl(), await freeUrl()];
    const timeouts = { readMs: 300 };
    const one = makeNode(
      1,
      urls[0]!,
      [
        { id: 2, urls: [urls[1]!] },
        { id: 3, urls: [muteUrl] },
      ],
      { timeouts },
    );
    const two = makeNode(2, urls[1]!, [{ id: 1, urls: [urls[0]!] }], { timeouts });
    nodes = [one, two];
    await Promise.all(nodes.map((node) => node.transport.start()));
    await until(() => sockets.length >= 4, 'the mute peer is dialled again', 5_000);
    expect(
      one.logger.lines.some((line) => /lost the \w+ stream from peer 3: nothing came for 300 ms/.test(line)),
    ).toBe(true);
    await pause(1_000);
    expect(one.logger.lines.some((line) => /lost.*peer 2/.test(line))).toBe(false);
  });

  it('drop what a slow reader does not take, within a bound, and close the stream in the end', async () => {
    const bound = 4 * 1024 * 1024;
    const node = makeNode(1, await freeUrl(), [{ id: 2, urls: [] }], {
      limits: { streamQueueBytes: bound },
      timeouts: { writeMs: 700, readMs: 600 },
    });
    nodes = [node];
    await node.transport.start();
    const port = Number(new URL(node.url).port);
    const reader = net.connect(port, '127.0.0.1');
    sockets.push(reader);
    reader.on('error', () => undefined);
    reader.pause();
    reader.write(
      `GET /raft/stream/msgapp/2 HTTP/1.1\r\nHost: x\r\nX-Raft-To: 1\r\nX-Server-From: 2\r\nX-Server-Version: 3.5.0\r\n` +
        `X-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-ID: ${CLUSTER.toString(16)}\r\n\r\n`,
    );
    await until(() => node.logger.lines.some((line) => line.includes('opened its msgapp')), 'the stream');
    const before = process.memoryUsage().arrayBuffers;
    let index = 0;
    for (let round = 0; round < 300; round++) {
      const entries = [encodeEntries(index + 1, 1, proposalsOf([new Uint8Array(256 * 1024)]))];
      node.transport.send([
        makeMessage({ type: MessageType.App, from: 1, to: 2, term: 1, logTerm: 1, index, entries }),
      ]);
      index++;
      if (round % 10 === 0) await pause(1);
    }
    expect(node.logger.lines.some((line) => /dropped: \d+ bytes wait/.test(line))).toBe(true);
    collectGarbage();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(300 * 256 * 1024);
    await until(() => node.events.unreachableIds.includes(2), 'unreachable');
    await until(
      () => node.logger.lines.some((line) => line.includes('took nothing for 700 ms')),
      'the stream is closed',
    );
    expect(node.transport.peers()[0]!.active).toBe(false);
  });

  it('do not accept what a peer must not send on a stream', async () => {
    nodes = await makeCluster(2);
    await untilConnected(nodes);
    const [first, second] = nodes as [TestNode, TestNode];
    first.transport.send([
      makeMessage({ type: MessageType.Hup, from: 1, to: 2 }),
      makeMessage({ type: MessageType.Unreachable, from: 1, to: 2 }),
      vote(7, 2, 1),
      vote(1, 2, 9),
    ]);
    await until(() => second.events.messages.length === 1, 'the good one');
    await pause(50);
    expect(second.events.messages).toMatchObject([{ type: MessageType.Vote, from: 1, term: 9 }]);
  });

  it('give up on a stream that brings damaged frames, and dial again', async () => {
    let accepted = 0;
    const broken = net.createServer((socket) => {
      accepted++;
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.once('data', () =>
        socket.write(
          'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n\xff\xff\xff\xff\xff\xff\xff\xff\r\n',
          'latin1',
        ),
      );
    });
    servers.push(broken);
    await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(broken.address() as net.AddressInfo).port}`;
    nodes = [makeNode(1, await freeUrl(), [{ id: 2, urls: [url] }])];
    await nodes[0]!.transport.start();
    await until(() => accepted >= 6, 'several attempts');
    expect(accepted).toBeLessThan(12);
    expect(nodes[0]!.events.messages).toEqual([]);
  });
});
