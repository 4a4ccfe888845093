/** What requests are answered with: rafthttp's status codes, and nothing that a stranger can do harm with. */
import http from 'node:http';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeMessage } from '../../src-ts/core/raftpb/message.ts';
import { makeMessage, MessageType, type Message } from '../../src-ts/core/types.ts';
import { ListenerTable } from '../../src-ts/transport/listener-table.ts';
import {
  CLUSTER,
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
afterEach(async () => {
  await stopAll(nodes);
  nodes = [];
});

interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

const GOOD = {
  'X-Etcd-Cluster-ID': CLUSTER.toString(16),
  'X-Server-From': '1',
  'X-Server-Version': '3.5.0',
  'X-Min-Cluster-Version': '3.0.0',
  'X-Raft-To': '2',
};

/** Sends a request; of an answer that does not end, only the head. */
function ask(
  url: string,
  method: string,
  headers: Record<string, string | undefined> = {},
  body: Uint8Array | null = null,
): Promise<Reply> {
  const all: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...GOOD, ...headers }))
    if (value !== undefined) all[name] = value;
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers: all, agent: false }, (response) => {
      const status = response.statusCode!;
      if (method === 'GET' && status === 200 && url.includes('/stream/')) {
        resolve({ status, headers: response.headers, text: '' });
        request.destroy();
        return;
      }
      let text = '';
      response.on('data', (piece: Buffer) => (text += piece.toString()));
      response.on('end', () => resolve({ status, headers: response.headers, text: text.trim() }));
    });
    request.on('error', reject);
    request.end(body ?? undefined);
  });
}

const vote = (fields: Partial<Message> = {}): Uint8Array =>
  encodeMessage(
    makeMessage({ type: MessageType.Vote, from: 1, to: 2, term: 1, index: 1, logTerm: 1, ...fields }),
  );

describe('answers', () => {
  it('has rafthttp’s codes for streams', async () => {
    nodes = await makeCluster(2);
    const { url, events } = nodes[1]!;
    const stream = `${url}/raft/stream/msgapp/1`;
    const good = await ask(stream, 'GET');
    expect(good.status).toBe(200);
    expect(good.headers).toMatchObject({
      'x-server-version': '3.5.0',
      'x-etcd-cluster-id': '1234',
      'transfer-encoding': 'chunked',
      'x-polyraft': '1',
    });
    expect((await ask(`${url}/raft/stream/message/1`, 'GET')).status).toBe(200);
    expect(await ask(`${url}/raft/stream/msgapp/63`, 'GET')).toMatchObject({
      status: 404,
      text: 'error sender not found',
    });
    expect(await ask(`${url}/raft/stream/msgapp/xyz`, 'GET')).toMatchObject({
      status: 404,
      text: 'invalid from',
    });
    expect(await ask(`${url}/raft/stream/other/1`, 'GET')).toMatchObject({ status: 404 });
    expect(await ask(stream, 'POST')).toMatchObject({ status: 405, headers: { allow: 'GET' } });
    expect(await ask(stream, 'GET', { 'X-Raft-To': '3' })).toMatchObject({
      status: 412,
      text: 'to field mismatch',
    });
    expect(await ask(stream, 'GET', { 'X-Etcd-Cluster-ID': '99' })).toMatchObject({
      status: 412,
      text: 'cluster ID mismatch',
      headers: { 'x-etcd-cluster-id': '1234' },
    });
    const old = { 'X-Server-Version': undefined };
    expect(await ask(stream, 'GET', old)).toMatchObject({ status: 412, text: 'incompatible version' });
    const future = { 'X-Min-Cluster-Version': '4.0.0', 'X-Server-Version': '4.1.0' };
    expect(await ask(stream, 'GET', future)).toMatchObject({ status: 412, text: 'incompatible version' });
    expect(
      (await ask(stream, 'GET', { 'X-Server-Version': '3.7.3', 'X-Min-Cluster-Version': '3.0.0' })).status,
    ).toBe(200);
    events.removed.add(1);
    expect(await ask(stream, 'GET')).toMatchObject({ status: 410, text: 'removed member' });
  });

  it('has rafthttp’s codes for the pipeline', async () => {
    nodes = await makeCluster(2);
    const { url, events } = nodes[1]!;
    expect(await ask(`${url}/raft`, 'POST', {}, vote())).toMatchObject({ status: 204, text: '' });
    expect(events.messages.length).toBe(1);
    expect((await ask(`${url}/raft`, 'GET')).status).toBe(405);
    expect((await ask(`${url}/raft`, 'POST', {}, Uint8Array.of(8, 255, 255))).status).toBe(400);
    expect((await ask(`${url}/raft`, 'POST', { 'X-Etcd-Cluster-ID': undefined }, vote())).status).toBe(412);
    expect((await ask(`${url}/raft`, 'POST', { 'X-Server-From': undefined }, vote())).status).toBe(400);
    expect((await ask(`${url}/raft`, 'POST', { 'X-Server-From': '77' }, vote())).status).toBe(404);
    expect((await ask(`${url}/raft`, 'POST', {}, vote({ to: 3 }))).status).toBe(400);
    expect((await ask(`${url}/raft`, 'POST', {}, vote({ from: 5 }))).status).toBe(400);
    for (const type of [0, 1, 10, 11, 12, 19, 20, 21, 22, 23] as const) {
      expect((await ask(`${url}/raft`, 'POST', {}, vote({ type }))).status).toBe(400);
    }
    events.removed.add(1);
    expect((await ask(`${url}/raft`, 'POST', {}, vote())).status).toBe(403);
    expect(events.messages.length).toBe(1);
  });

  it('answers probing without a cluster id, host messages with a decimal one, and 404 elsewhere', async () => {
    nodes = await makeCluster(2);
    const { url, events } = nodes[1]!;
    const probing = await ask(`${url}/raft/probing`, 'GET', { 'X-Etcd-Cluster-ID': undefined });
    expect(probing.status).toBe(200);
    expect(JSON.parse(probing.text)).toMatchObject({ OK: true });
    expect(Number.isNaN(Date.parse((JSON.parse(probing.text) as { Now: string }).Now))).toBe(false);
    events.answer = async (body) => Buffer.concat([Buffer.from('got '), body]);
    const decimal = { 'X-Etcd-Cluster-ID': CLUSTER.toString(10) };
    expect(await ask(`${url}/message`, 'POST', decimal, Buffer.from('it'))).toMatchObject({
      status: 200,
      text: 'got it',
    });
    expect((await ask(`${url}/message`, 'POST', {}, Buffer.from('it'))).status).toBe(412);
    events.answer = () => Promise.reject(new Error('no'));
    expect((await ask(`${url}/message`, 'POST', decimal, Buffer.from('it'))).status).toBe(500);
    for (const path of ['/', '/rafts', '/metrics', '/raft/', '/raft/x', '/raft/polyraft/other']) {
      expect((await ask(`${url}${path}`, 'GET')).status).toBe(404);
    }
  });

  it('lets the server admit a member that it did not know', async () => {
    nodes = await makeCluster(2);
    const { url, events, transport } = nodes[1]!;
    const headers = { 'X-Server-From': '9', 'X-PeerURLs': 'http://127.0.0.1:1,http://127.0.0.1:2' };
    expect((await ask(`${url}/raft`, 'POST', headers, vote({ from: 9 }))).status).toBe(404);
    expect(events.urls.at(-1)).toEqual({ id: 9, urls: ['http://127.0.0.1:1', 'http://127.0.0.1:2'] });
    events.onPeerUrls = (id, urls) => transport.addPeer(id, urls);
    expect((await ask(`${url}/raft`, 'POST', headers, vote({ from: 9 }))).status).toBe(204);
    expect(events.messages.at(-1)).toMatchObject({ from: 9 });
  });

  it('looks at few large ids of strangers only', async () => {
    nodes = await makeCluster(2);
    const { url, events } = nodes[1]!;
    for (let i = 0; i < 80; i++) {
      const headers = {
        'X-Server-From': (2n ** 60n + BigInt(i)).toString(16),
        'X-PeerURLs': 'http://127.0.0.1:1',
      };
      expect((await ask(`${url}/raft`, 'POST', headers, vote())).status).toBe(404);
    }
    expect(events.urls.length).toBe(64);
  });

  it('bounds bodies and headers', async () => {
    nodes = await makeCluster(2, { limits: { messageBytes: 10_000, hostMessageBytes: 1_000 } });
    const { url } = nodes[1]!;
    const big = vote({ context: new Uint8Array(20_000) });
    expect((await ask(`${url}/raft`, 'POST', {}, big)).status).toBe(413);
    const decimal = { 'X-Etcd-Cluster-ID': CLUSTER.toString(10) };
    expect((await ask(`${url}/message`, 'POST', decimal, new Uint8Array(1_001))).status).toBe(413);
    expect((await ask(`${url}/message`, 'POST', decimal, new Uint8Array(1_000))).status).toBe(200);
    expect(
      (
        await ask(`${url}/raft`, 'POST', { 'X-Long': 'x'.repeat(70_000) }, vote()).catch(() => ({
          status: 431,
        }))
      ).status,
    ).toBeGreaterThanOrEqual(400);
  });

  it('survives connections that speak no HTTP, or stop half-way', async () => {
    nodes = await makeCluster(2);
    const { url, events, logger } = nodes[1]!;
    const port = Number(new URL(url).port);
    const sockets: net.Socket[] = [];
    for (const bytes of [
      '\0\0\0\0garbage\r\n\r\n',
      'GET /raft HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n',
      'POST /raft HT',
      '',
    ]) {
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.resume();
      socket.write(bytes);
      sockets.push(socket);
    }
    await until(() => sockets.filter((socket) => socket.destroyed).length >= 2, 'bad connections are closed');
    for (const socket of sockets) socket.destroy();
    expect((await ask(`${url}/raft`, 'POST', {}, vote())).status).toBe(204);
    expect(events.messages.length).toBe(1);
    expect(logger.lines.some((line) => line.includes('does not speak HTTP'))).toBe(true);
  });

  it('tells a removed node on streams and on the pipeline', async () => {
    nodes = await makeCluster(2);
    await untilConnected(nodes);
    const [first, second] = nodes as [TestNode, TestNode];
    second.events.removed.add(1);
    second.transport.removePeer(1);
    await until(() => first.events.removedBy.includes(2), '410 on a stream');
    const before = first.events.removedBy.length;
    first.transport.send([makeMessage({ type: MessageType.Vote, from: 1, to: 2, term: 1 })]);
    await until(() => first.events.removedBy.length > before, '403 on the pipeline');
    expect(second.events.messages).toEqual([]);
  });
});

describe('one address for several clusters', () => {
  it('tells clusters apart and refuses the same one twice', async () => {
    const listeners = new ListenerTable();
    const url = await freeUrl();
    const other = await freeUrl();
    const peers = [
      { id: 1, urls: [url] },
      { id: 2, urls: [other] },
    ];
    const here = [5n, 6n].map((clusterId) => makeNode(1, url, peers, { listeners, clusterId }));
    const there = [5n, 6n].map((clusterId) => makeNode(2, other, peers, { listeners, clusterId }));
    nodes = [...here, ...there];
    await Promise.all(nodes.map((node) => node.transport.start()));
    there[0]!.transport.send([makeMessage({ type: MessageType.Vote, from: 2, to: 1, term: 50 })]);
    there[1]!.transport.send([makeMessage({ type: MessageType.Vote, from: 2, to: 1, term: 60 })]);
    await until(() => here.every((node) => node.events.messages.length === 1), 'a message each');
    expect(here.map((node) => node.events.messages[0]!.term)).toEqual([50, 60]);
    expect((await ask(`${url}/raft`, 'POST', { 'X-Etcd-Cluster-ID': '7' }, vote())).status).toBe(412);

    const twin = makeNode(1, url, peers, { listeners, clusterId: 5n });
    await expect(twin.transport.start()).rejects.toMatchObject({
      code: 'cluster-already-served',
      message: expect.stringContaining(url),
    });
    await here[0]!.transport.stop();
    expect((await ask(`${url}/raft/probing`, 'GET')).status).toBe(200);
    const successor = makeNode(1, url, peers, { listeners, clusterId: 5n });
    nodes.push(successor);
    await successor.transport.start();
  });

  it('names the URL when the address is taken, is not of this machine, or is no URL', async () => {
    const url = await freeUrl();
    const taken = net.createServer();
    await new Promise<void>((resolve) => taken.listen(Number(new URL(url).port), '127.0.0.1', resolve));
    const node = makeNode(1, url, []);
    await expect(node.transport.start()).rejects.toMatchObject({
      code: 'address-in-use',
      message: expect.stringContaining(url),
    });
    await new Promise((resolve) => taken.close(resolve));
    const away = makeNode(1, 'http://192.0.2.7:2380', []);
    await expect(away.transport.start()).rejects.toMatchObject({ code: 'cannot-listen' });
    expect(() => makeNode(1, 'https://127.0.0.1:9', [])).toThrow(/https needs peer_tls/);
    for (const bad of ['127.0.0.1:90', 'http://', 'ftp://a:1', 'http://a:1/path', 'http://a:0', 'nonsense']) {
      expect(() => makeNode(1, bad, [])).toThrow();
    }
    // The address can be used again at once after a stop.
    const again = makeNode(1, url, []);
    await again.transport.start();
    await again.transport.stop();
    const third = makeNode(1, url, []);
    await third.transport.start();
    await third.transport.stop();
    await pause(1);
  });
});
