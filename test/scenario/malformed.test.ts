/**
 * What is malformed, to the port where peers speak, with and without TLS, and to the admin port: the node goes on serving.
 * A seed makes the
 * requests; a failure names it, and POLYRAFT_MALFORMED_SEED makes the same again.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { configOf, type ConfigValue } from '../../scripts/tools/cluster-config.ts';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import type { ClusterView } from '../../src-ts/admin/cluster-view.ts';
import type { TlsFiles } from '../../src-ts/tls/files.ts';
import { Node } from '../linearizability/cluster.ts';
import { CertificateDirectory } from '../tls/certificates.ts';
import { tlsConfig } from '../tls/configuration.ts';
import { figure, runtimes } from './figures.ts';
import { type Random, randomOf } from './random.ts';
import { waitUntil } from './wait-until.ts';

/** The four cases of peer ports together: 100,000; those of admin ports as many. */
const REQUESTS = figure(150, 25_000);
const AT_ONCE = 32;
const GIVE_UP_MS = 150;
const ANSWER_MS = 10_000;
const PATIENCE_MS = 60_000;

function bytes(random: Random, count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, () => random(256)));
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random(from.length)]!;
}

const PEER_PATHS = [
  '/raft',
  '/raft/snapshot',
  '/raft/outcomes',
  '/message',
  '/raft/stream/msgapp/2',
  '/raft/stream/message/ffffffffffffffff',
  '/raft/stream/message/zz',
  '/raft/stream/nothing/1',
  '/raft/probing',
  '/raft/../../etc/passwd',
  '/raft?%00%ff',
];
const ADMIN_PATHS = [
  '/',
  '/metrics',
  '/status',
  '/cluster',
  '/samples?after=-1',
  '/samples?after=99999999999999999999',
  '/samples?after=%ff&after=1',
  '/members',
  '/transfer',
  '/snapshot',
  '/../../etc/passwd',
  '//',
  '/%00',
];

/** A request that could be one, with something wrong in each part now and then. */
function request(random: Random, paths: readonly string[]): Buffer {
  const path = pick(random, [...paths, `/${'x'.repeat(random(9_000))}`]);
  const id = (): string =>
    pick(random, ['1', '2', '3', '0', '-1', '', 'ffffffffffffffff', '1'.repeat(400), 'g']);
  const body = bytes(random, pick(random, [0, 1, 7, 8, 9, 100, 5_000]));
  const length = pick(random, [
    String(body.length),
    String(body.length + 5),
    '99999999999999999999',
    '-1',
    '0x10',
    '549755813888',
  ]);
  const framing = pick(random, [
    `Content-Length: ${length}\r\n`,
    `Content-Length: ${length}\r\nContent-Length: 3\r\n`,
    'Transfer-Encoding: chunked\r\n',
    'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n',
    '',
  ]);
  const head =
    `${pick(random, ['GET', 'POST', 'POST', 'PUT', 'BREW', ''])} ${path} ${pick(random, ['HTTP/1.1', 'HTTP/1.1', 'HTTP/9.9', ''])}\r\n` +
    `Host: ${pick(random, ['127.0.0.1', '', '\u0000'])}\r\nX-Server-From: ${id()}\r\nX-Raft-To: ${id()}\r\n` +
    `X-Etcd-Cluster-ID: ${pick(random, ['1', '1', '1', '2', 'x', ''])}\r\n` +
    `X-Server-Version: ${pick(random, ['3.5.0', '3.5.0', '3.5.0', '9', '', 'a.b.c'])}\r\n` +
    `X-Min-Cluster-Version: ${pick(random, ['3.0.0', '3.0.0', '3.0.0', '99.0.0'])}\r\n` +
    `X-PeerURLs: ${pick(random, ['http://127.0.0.1:1', 'nonsense', ',,,,', 'x'.repeat(3_000)])}\r\n` +
    `X-Polyraft-Members: ${pick(random, ['e30', '!', 'x'.repeat(2_000)])}\r\n` +
    `Authorization: ${pick(random, ['', 'Bearer', 'Bearer x', `Bearer ${'y'.repeat(3_000)}`, 'Basic eDp5'])}\r\n${framing}\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
}

function malformed(random: Random, paths: readonly string[]): Buffer {
  const whole = request(random, paths);
  switch (random(6)) {
    case 0:
      return bytes(random, 1 + random(2_000));
    case 1:
      // A TLS hello that is none.
      return Buffer.concat([Buffer.from([0x16, 3, 1, 2, 0]), bytes(random, random(600))]);
    case 2:
      return whole.subarray(0, random(whole.length));
    case 3: {
      const damaged = Buffer.from(whole);
      for (let i = 0; i < 5; i++) damaged[random(damaged.length)] = random(256);
      return damaged;
    }
    case 4:
      return Buffer.concat([whole, request(random, paths)]);
    default:
      return whole;
  }
}

/** Resolves when the node has ended the connection, or nothing more comes of it. */
function send(open: () => Socket, data: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = open();
    const timer = setTimeout(() => socket.destroy(), GIVE_UP_MS);
    socket.on('error', () => undefined);
    socket.once('data', () => setTimeout(() => socket.destroy(), 5));
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.resume();
    socket.write(data);
  });
}

/** The whole answer, as it comes. */
function answerOf(socket: Socket, path: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('error', () => undefined);
    socket.once('close', () => {
      resolve(text);
    });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
  });
}

describe.each(runtimes())('%s runtime', (runtime) => {
  const directory = new CertificateDirectory();
  let node: Node | null = null;
  afterEach(async () => {
    await node?.kill();
    node = null;
  });
  afterAll(() => {
    directory.remove();
  });

  /** A server of its own that leads. */
  async function start(
    name: string,
    changes: Readonly<Record<string, ConfigValue>>,
  ): Promise<[Node, number]> {
    const [port] = await freePorts(1);
    const path = join(directory.path, name);
    mkdirSync(path);
    const started = new Node(1, port!, path);
    node = started;
    await started.start(configOf(1, [{ id: 1, raftPort: port! }], { tickms: 20, ...changes }), runtime);
    await waitUntil('a leader', PATIENCE_MS, async () => {
      return (await started.ask('put 1 1', ANSWER_MS))?.kind === 'ok';
    });
    return [started, port!];
  }

  async function sendAll(
    serving: Node,
    paths: readonly string[],
    open: (random: Random) => Socket,
  ): Promise<void> {
    const seed = Number(process.env.POLYRAFT_MALFORMED_SEED ?? Math.floor(Math.random() * 2 ** 32));
    const random = randomOf(seed);
    let left = REQUESTS;
    const sender = async (): Promise<void> => {
      while (left-- > 0) await send(() => open(random), malformed(random, paths));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, sender));
    expect(serving.process?.isRunning, `seed ${seed}`).toBe(true);
    expect(await serving.ask('put 1 2', ANSWER_MS), `seed ${seed}`).toMatchObject({ kind: 'ok' });
    expect(await serving.ask('get 1', ANSWER_MS), `seed ${seed}`).toEqual({ kind: 'ok', value: 2 });
    expect(serving.role, `seed ${seed}`).toBe('leader');
  }

  /** How to connect: over TLS half of the time as somebody with a good certificate. */
  function openerOf(port: number, files: TlsFiles | null): (random: Random) => Socket {
    if (files === null) return () => connect(port, '127.0.0.1');
    const shown = {
      cert: readFileSync(files.certFile),
      key: readFileSync(files.keyFile),
      ca: readFileSync(files.caFile!),
    };
    return (random) =>
      random(2) === 0 ? connectTls({ host: '127.0.0.1', port, ...shown }) : connect(port, '127.0.0.1');
  }

  const filesOf = (scheme: string, name: string): TlsFiles | null =>
    scheme === 'https' ? directory.authority(`ca-${name}`).issue(name) : null;

  test.each(['http', 'https'])(
    `${REQUESTS} malformed requests over %s leave the node serving`,
    async (scheme) => {
      const files = filesOf(scheme, 'node');
      const [serving, port] = await start(scheme, files === null ? {} : { peer_tls: tlsConfig(files) });
      await sendAll(serving, PEER_PATHS, openerOf(port, files));
    },
    PATIENCE_MS * 2 + REQUESTS * GIVE_UP_MS,
  );

  test.each(['http', 'https'])(
    `${REQUESTS} malformed requests to the admin port over %s leave the node serving`,
    async (scheme) => {
      const [adminPort] = await freePorts(1);
      const tokenFile = join(directory.path, 'token');
      writeFileSync(tokenFile, 'the-secret-of-this-test\n', { mode: 0o600 });
      const files = filesOf(scheme, 'admin');
      const [serving] = await start(`admin-${scheme}`, {
        admin_url: `${scheme}://127.0.0.1:${adminPort!}`,
        admin_token_file: tokenFile,
        ...(files === null ? {} : { admin_tls: tlsConfig(files) }),
      });
      const open = openerOf(adminPort!, files);
      await sendAll(serving, ADMIN_PATHS, open);
      const get = (path: string): Promise<string> =>
        answerOf(
          open(() => 0),
          path,
        );
      await waitUntil('a healthy node', PATIENCE_MS, async () =>
        (await get('/healthz')).endsWith('\r\nok\n'),
      );
      const { nodes } = JSON.parse((await get('/cluster')).split('\r\n\r\n')[1]!) as ClusterView;
      expect(nodes).toMatchObject([{ id: '1', role: 'leader' }]);
      // Who has a certificate may take a snapshot; nobody here has the secret.
      if (files === null) expect(nodes[0]?.snapshot_index).toBe(0);
    },
    PATIENCE_MS * 2 + REQUESTS * GIVE_UP_MS,
  );
});
