/** Transports over TLS: what works, and each way of being wrong with the text that tells it, on both sides. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { makeMessage, MessageType } from '../../src-ts/core/types.ts';
import type { TlsFiles } from '../../src-ts/tls/files.ts';
import { ListenerTable } from '../../src-ts/transport/rafthttp.ts';
import { HostMessageError } from '../../src-ts/transport/types.ts';
import {
  freePort,
  makeNode,
  patternSource,
  stopAll,
  until,
  untilConnected,
  type TestNode,
} from '../transport/harness.ts';
import { CertificateDirectory } from './certificates.ts';

const directory = new CertificateDirectory();
const authority = directory.authority('ca');
const stranger = directory.authority('stranger');
const own = authority.issue('own');

const nodes: TestNode[] = [];
afterEach(async () => {
  await stopAll(nodes.splice(0));
});
afterAll(() => {
  directory.remove();
});

/** Two nodes that know each other, started; `second` is what differs at node 2. */
async function pair(
  first: TlsFiles | undefined,
  second: TlsFiles | undefined,
): Promise<[TestNode, TestNode]> {
  const files = [first, second];
  const urls: string[] = [];
  for (const each of files) {
    urls.push(`${each === undefined ? 'http' : 'https'}://127.0.0.1:${await freePort()}`);
  }
  return pairOf(urls, urls, files);
}

/** `dialled`: the URLs that each is known by to the other. */
async function pairOf(
  listening: readonly string[],
  dialled: readonly string[],
  files: readonly (TlsFiles | undefined)[],
): Promise<[TestNode, TestNode]> {
  const addresses = dialled.map((url, i) => ({ id: i + 1, urls: [url] }));
  const made = listening.map((url, i) =>
    makeNode(i + 1, url, addresses, files[i] === undefined ? {} : { tls: files[i] }),
  );
  nodes.push(...made);
  await Promise.all(made.map((node) => node.transport.start()));
  return made as [TestNode, TestNode];
}

function lineWith(node: TestNode, text: string): Promise<void> {
  return until(
    () => node.logger.lines.some((line) => line.includes(text)),
    `"${text}" among:\n${node.logger.lines.join('\n')}`,
    30_000,
  ).catch((error: unknown) => {
    throw new Error(`not told: "${text}"; told:\n${node.logger.lines.join('\n')}`, { cause: error });
  });
}

/** Nothing came through. */
function expectStrangers(a: TestNode, b: TestNode): void {
  for (const node of [a, b]) {
    expect(node.events.messages).toEqual([]);
    expect(node.logger.lines.filter((line) => /stream from peer \w+ is up/.test(line))).toEqual([]);
  }
}

describe('nodes with good certificates', () => {
  test('exchange messages, snapshots and host messages', async () => {
    const [a, b] = await pair(own, authority.issue('second'));
    await untilConnected([a, b]);
    a.transport.send([makeMessage({ type: MessageType.Heartbeat, from: 1, to: 2, term: 3 })]);
    await until(() => b.events.messages.length === 1, 'the heartbeat');
    const snapshot = makeMessage({
      type: MessageType.Snap,
      from: 1,
      to: 2,
      term: 3,
      snapshot: {
        metadata: {
          index: 7,
          term: 3,
          confState: { voters: [1, 2], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false },
        },
        data: new Uint8Array(0),
      },
    });
    a.transport.sendSnapshot(snapshot, patternSource(3_000_000), null);
    await until(() => a.events.snapshotResults.length === 1, 'the snapshot');
    expect(a.events.snapshotResults).toEqual([{ id: 2, success: true }]);
    expect(b.events.sinks[0]!.bytes).toBe(3_000_000);
    const answer = await a.transport.sendHostMessage(2, Buffer.from('hello'));
    expect(Buffer.from(answer).toString()).toBe('hello');
    // A large frame through the socket's own buffer.
    await until(() => b.transport.peers()[0]!.roundTripMs >= 0, 'a round trip', 30_000);
  });

  test('go on with certificates that are changed under way, of another CA as well', async () => {
    const both = authority.issue('both');
    const [a, b] = await pair(authority.issue('changing-1'), authority.issue('changing-2'));
    await untilConnected([a, b]);
    // Both CAs are trusted first, then the certificates change, then the old CA goes.
    const trusted = `${readFileSync(authority.file, 'utf8')}${readFileSync(stranger.file, 'utf8')}`;
    expect(both.caFile).toBe(authority.file);
    const before = readFileSync(authority.file);
    writeFileSync(authority.file, trusted);
    const read = 'peer_tls: the certificates were read again';
    const readTimes = (node: TestNode): number =>
      node.logger.lines.filter((line) => line.includes(read)).length;
    /** Connections are what makes it look. */
    const knock = async (times: number): Promise<void> => {
      await until(
        () => {
          for (const node of [a, b])
            net
              .connect(Number(new URL(node.url).port))
              .on('error', () => undefined)
              .end();
          return readTimes(a) >= times && readTimes(b) >= times;
        },
        'the new files',
        30_000,
      );
    };
    await knock(1);
    stranger.issue('changing-1');
    stranger.issue('changing-2');
    await knock(2);
    copyFileSync(stranger.file, authority.file);
    await knock(3);
    // New connections, with the new certificates only.
    for (const node of [a, b]) {
      node.transport.updatePeer(3 - node.id, [`https://localhost:${new URL((node === a ? b : a).url).port}`]);
    }
    stranger.issue('changing-1', { names: ['IP:127.0.0.1', 'DNS:localhost'] });
    stranger.issue('changing-2', { names: ['IP:127.0.0.1', 'DNS:localhost'] });
    await knock(4);
    const upTimes = (node: TestNode): number =>
      node.logger.lines.filter((line) => /stream from peer \w+ is up/.test(line)).length;
    await until(() => upTimes(a) >= 4 && upTimes(b) >= 4, 'streams anew', 30_000);
    a.transport.send([makeMessage({ type: MessageType.Heartbeat, from: 1, to: 2, term: 3 })]);
    await until(() => b.events.messages.length > 0, 'the heartbeat');
    writeFileSync(authority.file, before);
  }, 120_000);

  test('take names that are allowed', async () => {
    const files = { ...authority.issue('named', { commonName: 'member' }), allowedNames: ['member', 'x'] };
    const [a, b] = await pair(files, files);
    await untilConnected([a, b]);
  });

  test('without client_cert_auth nobody but who listens shows a certificate', async () => {
    const files = { ...own, clientCertAuth: false };
    const [a, b] = await pair(files, files);
    await untilConnected([a, b]);
    const { status } = await get(a, { ca: readFileSync(authority.file) });
    expect(status).toBe(200);
  });
});

/** `GET /raft/probing`. */
function get(node: TestNode, options: https.RequestOptions): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const { port } = new URL(node.url);
    https
      .get({ host: '127.0.0.1', port, path: '/raft/probing', agent: false, ...options }, (response) => {
        let body = '';
        response.on('data', (piece: Buffer) => (body += piece.toString()));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      })
      .on('error', reject);
  });
}

describe('certificates that the other side does not take', () => {
  test('expired', async () => {
    const short = authority.issue('short');
    const [a, b] = await pair(own, short);
    await untilConnected([a, b]);
    await stopAll(nodes.splice(0));
    // The files change after the start: what is wrong at the start refuses to start.
    const expired = authority.issue('expired', { days: -1 });
    const server = https.createServer({
      cert: readFileSync(expired.certFile),
      key: readFileSync(expired.keyFile),
    });
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    try {
      const c = makeNode(
        1,
        `https://127.0.0.1:${await freePort()}`,
        [{ id: 2, urls: [`https://127.0.0.1:${port}`] }],
        {
          tls: own,
        },
      );
      nodes.push(c);
      await c.transport.start();
      await lineWith(c, 'peer 2 cannot be reached for its msgapp stream: its certificate has expired');
      await expect(
        get(c, {
          ca: readFileSync(authority.file),
          cert: readFileSync(expired.certFile),
          key: readFileSync(expired.keyFile),
        }),
      ).rejects.toThrow();
      await lineWith(c, 'was refused: its certificate has expired');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test('for another name', async () => {
    const [a, b] = await pair(
      own,
      authority.issue('elsewhere', { names: ['DNS:elsewhere', 'IP:127.0.0.9'] }),
    );
    await lineWith(
      a,
      'peer 2 cannot be reached for its msgapp stream: its certificate is for elsewhere, elsewhere, 127.0.0.9, not for 127.0.0.1',
    );
    await expect(a.transport.sendHostMessage(2, Buffer.from('x'))).rejects.toThrow(
      'its certificate is for elsewhere, elsewhere, 127.0.0.9, not for 127.0.0.1',
    );
    // The other way it is good: node 2 is who listens under a wrong name.
    await lineWith(b, 'stream from peer 1 is up');
  });

  test('of an unknown CA', async () => {
    const [a, b] = await pair(own, stranger.issue('unknown'));
    const text = 'its certificate is not signed by a CA of peer_tls.ca_file';
    await lineWith(a, `peer 2 cannot be reached for its msgapp stream: ${text}`);
    await lineWith(b, `peer 1 cannot be reached for its msgapp stream: ${text}`);
    await expect(a.transport.sendHostMessage(2, Buffer.from('x'))).rejects.toThrow(text);
    expectStrangers(a, b);
  });

  test('of an unknown CA, shown by who connects', async () => {
    // It takes ours, so that only its own is refused.
    const files = { ...stranger.issue('guest'), caFile: authority.file };
    const [a, b] = await pair(own, files);
    await lineWith(a, 'was refused: its certificate is not signed by a CA of peer_tls.ca_file');
    await lineWith(
      b,
      "peer 1 cannot be reached for its msgapp stream: the peer closed it without an answer; if it does not accept this node's certificate, its log says why",
    );
    expectStrangers(a, b);
  });

  test('for servers only, shown by who connects', async () => {
    const [a, b] = await pair(own, authority.issue('server-only', { usage: 'serverAuth' }));
    await lineWith(
      a,
      'was refused: its certificate is not meant for this use; its extended key usage needs serverAuth and clientAuth',
    );
    await lineWith(a, 'stream from peer 2 is up');
    expect(b.logger.lines.filter((line) => line.includes('stream from peer 1 is up'))).toEqual([]);
  });

  test('none at all', async () => {
    const [a] = await pair(own, own);
    await expect(get(a, { ca: readFileSync(authority.file) })).rejects.toThrow();
    await lineWith(a, 'was refused: it shows no certificate');
  });

  test('with a name that is not allowed', async () => {
    const picky = { ...own, allowedNames: ['member'] };
    const [a, b] = await pair(picky, authority.issue('outsider'));
    const text = 'its certificate is for outsider, 127.0.0.1, and peer_tls.allowed_names has none of these';
    await lineWith(a, `peer 2 cannot be reached for its msgapp stream: ${text}`);
    await lineWith(a, `was refused: ${text}`);
    await lineWith(b, `peer 1 cannot be reached for its msgapp stream: HTTP status 403 ${text}`);
    expectStrangers(a, b);
  });
});

describe('TLS on one side only', () => {
  test('plain HTTP to a TLS address', async () => {
    const ports = [await freePort(), await freePort()];
    const plain = ports.map((port) => `http://127.0.0.1:${port}`);
    const [a, b] = await pairOf([plain[0]!, `https://127.0.0.1:${ports[1]}`], plain, [undefined, own]);
    await lineWith(
      a,
      'peer 2 cannot be reached for its msgapp stream: the peer closed it without an answer; if it takes TLS, write https:// in its URL',
    );
    await lineWith(b, 'was refused: it speaks plain HTTP, and this address takes TLS');
    await expect(a.transport.sendHostMessage(2, Buffer.from('x'))).rejects.toThrow(HostMessageError);
    expect(b.events.messages).toEqual([]);
  });

  test('TLS to a plain address', async () => {
    const ports = [await freePort(), await freePort()];
    const secure = ports.map((port) => `https://127.0.0.1:${port}`);
    const [a, b] = await pairOf([secure[0]!, `http://127.0.0.1:${ports[1]}`], secure, [own, own]);
    await lineWith(
      a,
      'peer 2 cannot be reached for its msgapp stream: it does not speak TLS: write http:// in its URL, or give it peer_tls',
    );
    await lineWith(b, 'was refused: it speaks TLS, and this address takes plain HTTP');
    await expect(a.transport.sendHostMessage(2, Buffer.from('x'))).rejects.toThrow(
      'it does not speak TLS: write http:// in its URL, or give it peer_tls',
    );
    expect(b.events.messages).toEqual([]);
  });

  test('an https URL without certificates', async () => {
    const url = `https://127.0.0.1:${await freePort()}`;
    expect(() => makeNode(1, url, [])).toThrow(
      `"${url}": https needs peer_tls in the configuration of this node`,
    );
    const node = makeNode(1, `http://127.0.0.1:${await freePort()}`, [{ id: 2, urls: [url] }]);
    nodes.push(node);
    await node.transport.start();
    await lineWith(
      node,
      `peer 2 cannot be dialled: "${url}": https needs peer_tls in the configuration of this node`,
    );
  });

  test('what stays in its handshake is closed at the end', async () => {
    const [a] = await pair(own, own);
    const silent = net.connect(Number(new URL(a.url).port), '127.0.0.1');
    silent.on('error', () => undefined);
    await new Promise((resolve) => silent.once('connect', resolve));
    const closed = new Promise((resolve) => silent.once('close', resolve));
    await stopAll(nodes.splice(0));
    await closed;
  });

  test('clusters share an address with the same certificates only', async () => {
    const url = `https://127.0.0.1:${await freePort()}`;
    const listeners = new ListenerTable();
    const first = makeNode(1, url, [], { tls: own, listeners, clusterId: 1n });
    const same = makeNode(1, url, [], { tls: { ...own }, listeners, clusterId: 2n });
    const other = makeNode(1, url, [], { tls: { ...own, clientCertAuth: false }, listeners, clusterId: 3n });
    const plain = makeNode(1, url.replace('https', 'http'), [], { listeners, clusterId: 4n });
    nodes.push(first, same, other, plain);
    await first.transport.start();
    await same.transport.start();
    const text =
      'a server of another cluster listens there with another peer_tls, or without TLS; use the same, or another port';
    await expect(other.transport.start()).rejects.toThrow(`cannot listen on ${url}: ${text}`);
    await expect(plain.transport.start()).rejects.toThrow(text);
  });
});
