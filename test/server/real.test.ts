/** The same servers on real files and real sockets: what memory cannot show. */
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ErrorCode, EventCode } from '../../src-ts/core/codes.generated.ts';
import { proposalsOf } from '../../src-ts/core/entry-batch.ts';
import type { PeerConfig, RaftServer, ServerConfig, ServerEnvironment } from '../../src-ts/server/api.ts';
import type { Server } from '../../src-ts/server/raft-server.ts';
import { startServer } from '../../src-ts/server/start-server.ts';
import { NodeDisk } from '../../src-ts/storage/node-disk.ts';
import { createTransport, ListenerTable } from '../../src-ts/transport/rafthttp.ts';
import { FakeHost } from './fake-host.ts';

const lines: string[] = [];
const line = (id: number) => (text: string) => void lines.push(`${id} ${text}`);
const clock = {
  now: () => performance.now(),
  setTimer: (delayMs: number, callback: () => void) => {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

function environment(id: number, url: string, listeners: ListenerTable): ServerEnvironment {
  const logger = { debug: () => undefined, info: line(id), warning: line(id), error: line(id) };
  const random = (bound: number): number => randomInt(bound);
  return {
    disk: new NodeDisk(null),
    binding: null,
    clock,
    random,
    logger,
    createTransport: (config, peers, events) =>
      createTransport({
        clusterId: config.clusterId,
        id,
        localUrl: url,
        peers,
        events,
        clock,
        random,
        logger,
        listeners,
      }),
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

async function until(condition: () => boolean, what: string, limitMs = 15_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`${what} did not come\n${lines.slice(-30).join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('on files and sockets', () => {
  let directory: string;
  let peers: PeerConfig[];
  const listeners = new ListenerTable();
  const servers = new Map<number, RaftServer>();
  const hosts = new Map<number, FakeHost>();
  let sequence = 0;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'polyraft-server-'));
    peers = [];
    for (const id of [1, 2, 3, 4]) peers.push({ id, url: `http://127.0.0.1:${await freePort()}` });
    lines.length = 0;
  });

  afterEach(async () => {
    await Promise.all([...servers.values()].map((server) => server.stop(false)));
    servers.clear();
    hosts.clear();
    rmSync(directory, { recursive: true, force: true });
  });

  async function start(id: number, join_ = false): Promise<void> {
    const host = new FakeHost();
    const config: ServerConfig = {
      id,
      clusterId: 5n,
      walDirectory: join(directory, `wal${id}`),
      snapDirectory: join(directory, `snap${id}`),
      peers: join_ ? peers : peers.slice(0, 3),
      join: join_,
      tickMs: 30,
      electionTick: 10,
      heartbeatTick: 1,
      bootstrapTimeoutMs: 2000,
      snapCount: 200,
      snapshotEntries: 20,
      manualSnap: false,
      maxSizePerMsg: 1024 * 1024,
      maxInflightMsgs: 256,
      maxProposalBytes: 1024 * 1024,
      maxSnapFiles: 3,
      maxWalFiles: 3,
      purgeFileIntervalMs: 200,
      preVote: true,
      checkQuorum: true,
    };
    hosts.set(id, host);
    const server = await startServer(config, environment(id, peers[id - 1]!.url, listeners), host, {
      appliedIndex: 0,
    });
    host.server = server;
    servers.set(id, server);
  }

  const node = (id: number): Server['node'] => (servers.get(id) as Server).node;
  const leader = (): number => [...servers.keys()].find((id) => node(id).lead === id) ?? 0;
  const texts = (id: number): string[] => hosts.get(id)!.applied.map(({ text }) => text);

  async function commit(at: number, count: number): Promise<void> {
    const first = sequence;
    const encoder = new TextEncoder();
    for (let i = 0; i < count; i += 50) {
      const payloads = Array.from({ length: 50 }, () =>
        encoder.encode(`value ${sequence++} ${'x'.repeat(100)}`),
      );
      servers.get(at)!.propose(
        proposalsOf(payloads),
        Float64Array.from(payloads, (_, k) => sequence - 50 + k),
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { results } = hosts.get(at)!;
    await until(() => {
      for (let i = first; i < sequence; i++) if (!results.has(i)) return false;
      return true;
    }, 'outcomes');
    for (let i = first; i < sequence; i++) expect(results.get(i)).toMatchObject([{ code: ErrorCode.OK }]);
  }

  test(
    'replication, restart, snapshot to a follower, a member that comes and goes',
    { timeout: 60_000 },
    async () => {
      for (const id of [1, 2, 3]) await start(id);
      await until(() => leader() !== 0, 'a leader');
      const first = leader();
      const follower = [1, 2, 3].find((id) => id !== first)!;
      await commit(first, 100);
      await until(() => node(follower).lead === first, 'the follower to know');
      await commit(follower, 100);
      await servers.get(follower)!.stop(false);
      servers.delete(follower);
      await commit(first, 1000);
      await start(follower);
      await until(() => texts(follower).length === 1200, 'the snapshot at the follower');
      expect(hosts.get(follower)!.restores).toBeGreaterThan(0);
      expect(texts(follower)).toEqual(texts(first));

      await start(4, true);
      await servers.get(first)!.changeMember('add', 4, peers[3]!.url);
      await commit(first, 50);
      await until(() => texts(4).length === 1250, 'the new member');
      expect(texts(4)).toEqual(texts(first));
      const status = JSON.parse(servers.get(4)!.statusJson()) as {
        members: { id: number; urls: string[] }[];
      };
      expect(status.members.map(({ urls }) => urls[0]).sort()).toEqual(peers.map(({ url }) => url).sort());
      await servers
        .get(4)!
        .changeMember('remove', 4, null)
        .catch(() => undefined);
      await until(
        () => hosts.get(4)!.events.some(({ code }) => code === EventCode.REMOVED),
        'the news of the removal',
      );
      await commit(first, 50);

      await servers.get(first)!.stop(true);
      servers.delete(first);
      await until(() => ![0, first].includes(leader()), 'a successor');
      await commit(leader(), 50);
      await start(first);
      await until(() => texts(first).length === 1350, 'the old leader');
      expect(texts(first)).toEqual(texts(leader()));
    },
  );

  test('a member that slept through its removal is told by its peers', { timeout: 60_000 }, async () => {
    for (const id of [1, 2, 3]) await start(id);
    await until(() => leader() !== 0, 'a leader');
    const gone = [1, 2, 3].find((id) => id !== leader())!;
    await servers.get(gone)!.stop(false);
    servers.delete(gone);
    await servers.get(leader())!.changeMember('remove', gone, null);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await start(gone);
    await until(
      () => hosts.get(gone)!.events.some(({ code }) => code === EventCode.REMOVED),
      'the news of the removal',
    );
    expect(JSON.parse(servers.get(gone)!.statusJson())).toMatchObject({ role: 'removed' });
  });

  test('an address in use is named', async () => {
    await start(1);
    const other = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) =>
      other.listen(Number(new URL(peers[1]!.url).port), '127.0.0.1', resolve),
    );
    await expect(start(2)).rejects.toMatchObject({ code: ErrorCode.ADDRESS });
    await new Promise((resolve) => other.close(resolve));
    await start(2);
  });
});
