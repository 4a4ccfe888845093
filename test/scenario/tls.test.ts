/** Programs whose nodes speak TLS to each other, in both runtimes: they work, change certificates, and refuse strangers. */
import { mkdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { configOf } from '../../scripts/tools/cluster-config.ts';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { encodeMessage } from '../../src-ts/core/raftpb/message.ts';
import { makeMessage, MessageType } from '../../src-ts/core/types.ts';
import { polyraft } from '../cli/polyraft.ts';
import { Node } from '../linearizability/cluster.ts';
import { CertificateDirectory } from '../tls/certificates.ts';
import { tlsConfig } from '../tls/configuration.ts';
import { waitUntil } from './wait-until.ts';
import { runtimes, type Runtime } from './figures.ts';

const NODES = 3;
const ANSWER_MS = 10_000;
const PATIENCE_MS = 60_000;
/** More than the second in which files are looked at once. */
const RELOAD_MS = 1_500;

const directory = new CertificateDirectory();
const authority = directory.authority('ca');
const stranger = directory.authority('stranger');
afterAll(() => {
  directory.remove();
});

describe.each(runtimes())('%s runtime', (runtime: Runtime) => {
  const nodes: Node[] = [];
  let configs: string[] = [];
  let adminUrls: string[] = [];
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.kill()));
  });

  async function start(): Promise<void> {
    const ports = await freePorts(2 * NODES);
    const members = ports.slice(0, NODES).map((raftPort, i) => ({ id: i + 1, raftPort }));
    adminUrls = ports.slice(NODES).map((port) => `https://127.0.0.1:${port}`);
    configs = members.map(({ id }) => {
      const files = authority.issue(`${runtime}-${id}`);
      const tls = tlsConfig(files);
      const admin = { admin_url: adminUrls[id - 1]!, admin_tls: tls };
      return configOf(id, members, { tickms: 50, peer_tls: tls, ...admin });
    });
    for (const { id, raftPort } of members) {
      const path = join(directory.path, `${runtime}-node-${id}`);
      mkdirSync(path, { recursive: true });
      nodes.push(new Node(id, raftPort, path));
    }
    await Promise.all(nodes.map((node, i) => node.start(configs[i]!, runtime)));
  }

  const certificate = (id: number, kind: 'crt' | 'key'): string =>
    join(directory.path, `${runtime}-${id}.${kind}`);

  /** Written through one node, and read on each. */
  async function expectWorks(value: number): Promise<void> {
    const alive = nodes.filter((node) => node.process !== null);
    await waitUntil(`a write of ${value}`, PATIENCE_MS, async () => {
      return (await alive[0]!.ask(`put 1 ${value}`, ANSWER_MS))?.kind === 'ok';
    });
    for (const node of alive) {
      await waitUntil(`a read on ${node.id}`, PATIENCE_MS, async () => {
        const answer = await node.ask('get 1', ANSWER_MS);
        return answer?.kind === 'ok' && answer.value === value;
      });
    }
  }

  /** A heartbeat of a term that would depose every leader, said to be node 2's; null: the connection was refused. */
  function post(port: number, options: https.RequestOptions | null): Promise<number | null> {
    const message = makeMessage({ type: MessageType.Heartbeat, from: 2, to: 1, term: 1_000_000 });
    const body = encodeMessage(message);
    const request = {
      host: '127.0.0.1',
      port,
      path: '/raft',
      method: 'POST',
      agent: false,
      headers: {
        'X-Server-From': '2',
        'X-Server-Version': '3.5.0',
        'X-Min-Cluster-Version': '3.0.0',
        'X-Etcd-Cluster-ID': '1',
        'X-Raft-To': '1',
        'Content-Length': body.length,
      },
    } as const;
    return new Promise((resolve) => {
      const sent = options === null ? http.request(request) : https.request({ ...request, ...options });
      sent.on('response', (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      sent.on('error', () => {
        resolve(null);
      });
      sent.end(body);
    });
  }

  test(
    'nodes work, strangers neither read nor write, and certificates change under way',
    async () => {
      await start();
      await expectWorks(1);
      const trusted = readFileSync(authority.file);
      const guest = stranger.issue(`${runtime}-guest`);
      const { port } = nodes[0]!;
      const roles = nodes.map((node) => node.role);
      for (let attempt = 0; attempt < 5; attempt++) {
        expect(await post(port, null)).toBeNull();
        expect(await post(port, { ca: trusted })).toBeNull();
        const shown = { cert: readFileSync(guest.certFile), key: readFileSync(guest.keyFile) };
        expect(await post(port, { ca: trusted, ...shown })).toBeNull();
        // It trusts nobody here, so it does not even send its request.
        expect(await post(port, { ca: readFileSync(stranger.file), ...shown })).toBeNull();
      }
      await expectWorks(2);
      expect(roles.filter((role) => role === 'leader').length).toBeLessThanOrEqual(1);

      const own = ['--cert', certificate(1, 'crt'), '--key', certificate(1, 'key')];
      const admin = ['--admin', adminUrls[1]!, '--cacert', authority.file];
      expect((await polyraft('snapshot', ...admin, ...own)).out.join('\n')).toMatch(/^snapshot of index/);
      expect((await polyraft('snapshot', ...admin)).problems).toEqual([
        `${adminUrls[1]}: it does not answer without a certificate: give --cert FILE and --key FILE`,
      ]);

      for (const node of nodes) authority.issue(`${runtime}-${node.id}`);
      await delay(RELOAD_MS);
      const leader = nodes.find((node) => node.role === 'leader') ?? nodes[0]!;
      await leader.kill();
      await leader.start(configs[leader.id - 1]!, runtime);
      await expectWorks(3);
    },
    PATIENCE_MS * 4,
  );

  test('wrong certificates are told when a server starts', async () => {
    const [port] = await freePorts(1);
    const path = join(directory.path, `${runtime}-wrong`);
    mkdirSync(path, { recursive: true });
    const files = authority.issue(`${runtime}-wrong-1`);
    const other = authority.issue(`${runtime}-wrong-2`);
    const wrong = { ...files, keyFile: other.keyFile };
    const node = new Node(1, port!, path);
    nodes.push(node);
    const text = configOf(1, [{ id: 1, raftPort: port! }], { peer_tls: tlsConfig(wrong) });
    await expect(node.start(text, runtime)).rejects.toThrow(
      `configuration: peer_tls.key_file: the key in "${other.keyFile}" does not belong to the certificate in "${files.certFile}"`,
    );
  });
});
