// The process runtime through the C ABI: servers live, replicate, restart and refuse what is wrong, and the host lives on.
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../src-ts/core/codes.generated.ts';
import {
  C,
  eventually,
  freePort,
  removeDirectory,
  temporaryDirectory,
  TestServer,
  waiting,
} from './library.ts';

let directory = '';

beforeEach(() => {
  directory = temporaryDirectory();
  C.setLogger(null, 0);
});

afterEach(() => {
  removeDirectory(directory);
});

function config(id: number, ports: readonly number[], changes: Record<string, unknown> = {}): string {
  return JSON.stringify({
    id,
    cluster_id: 7,
    waldir: path.join(directory, `wal${id}`),
    snapdir: path.join(directory, `snap${id}`),
    tickms: 20,
    peers: ports.map((port, i) => ({ id: i + 1, url: `http://127.0.0.1:${port}` })),
    ...changes,
  });
}

/** RAFT_LastError is a thread's own, so the failing call is made on this one. Returns that text. */
function refused(text: string): { text: string } {
  const raft = C.newServer(null, text) as number;
  if (raft !== 0) {
    C.deleteServer(raft);
    throw new Error(`accepted: ${text}`);
  }
  return { text: C.lastError() as string };
}

describe('one server', () => {
  it('commits, applies in order, restarts from its log, and stops', async () => {
    const port = await freePort();
    const server = new TestServer();
    expect(await server.start(config(1, [port]))).toBe(0);
    for (let i = 0; i < 20; i++) {
      const data = Buffer.from(`entry ${i}`);
      expect(await waiting(C.proposeWait, server.handle, data, data.length, 10_000, [0], [0])).toBe(0);
    }
    expect(server.applied.map((entry) => entry.data)).toEqual(
      Array.from({ length: 20 }, (_, i) => `entry ${i}`),
    );
    expect(server.states[server.states.length - 1]).toBe(2);
    expect(await server.stop()).toBe(0);

    const again = new TestServer();
    expect(await again.start(config(1, [port]))).toBe(0);
    await eventually(() => again.applied.length === 20, 'the log is applied again');
    expect(again.applied).toEqual(server.applied);
    const status = [' '.repeat(16_384)];
    expect(C.getStatus(again.handle, status, 16_384)).toBe(0);
    const parsed = JSON.parse(status[0]!.split('\0')[0]!) as Record<string, unknown>;
    expect(parsed).toMatchObject({ id: '1', runtime: 'process', role: 'leader' });
    expect(C.getStatus(again.handle, [' '.repeat(8)], 8)).toBe(ErrorCode.BUFFER_TOO_SMALL);
    expect(await again.stop()).toBe(0);
    expect(C.getStatus(again.handle, [' '.repeat(64)], 64)).toBe(ErrorCode.UNKNOWN_HANDLE);
  });

  it('takes empty proposals and those of exactly max_proposal_bytes, and refuses one byte more', async () => {
    const port = await freePort();
    const server = new TestServer();
    expect(await server.start(config(1, [port], { max_proposal_bytes: 3_000_000 }))).toBe(0);
    const large = Buffer.alloc(3_000_001, 'x');
    const index = [0];
    expect(await waiting(C.proposeWait, server.handle, null, 0, 10_000, index, [0])).toBe(0);
    expect(server.applied).toEqual([]);
    expect(await waiting(C.proposeWait, server.handle, large, 3_000_000, 10_000, [0], [0])).toBe(0);
    expect(server.applied).toHaveLength(1);
    expect(server.applied[0]!.index).toBe(Number(index[0]) + 1);
    expect(server.applied[0]!.data).toBe('x'.repeat(3_000_000));
    expect(C.proposeAsync(server.handle, large, 3_000_001, 0, null, null)).toBe(ErrorCode.TOO_LARGE);
    expect(C.lastError()).toContain('max_proposal_bytes');
    await server.stop();
  });
});

describe('three servers of one host', () => {
  it('elect a leader and apply the same sequence', async () => {
    const ports = [await freePort(), await freePort(), await freePort()];
    const servers = [new TestServer(), new TestServer(), new TestServer()];
    for (const [i, server] of servers.entries()) expect(await server.start(config(i + 1, ports))).toBe(0);
    await eventually(
      () => servers.some((server) => server.states[server.states.length - 1] === 2),
      'a leader',
    );
    for (let i = 0; i < 30; i++) {
      const data = Buffer.from(`${i}`);
      const server = servers[i % 3]!;
      expect(await waiting(C.proposeWait, server.handle, data, data.length, 10_000, [0], [0])).toBe(0);
    }
    await eventually(() => servers.every((server) => server.applied.length === 30), 'everything everywhere');
    expect(servers[1]!.applied).toEqual(servers[0]!.applied);
    expect(servers[2]!.applied).toEqual(servers[0]!.applied);
    for (const server of servers) expect(await server.stop()).toBe(0);
  });
});

describe('what is wrong', () => {
  let squatter: Server | null = null;

  afterEach(() => {
    squatter?.close();
    squatter = null;
  });

  it('in the configuration is named', async () => {
    const port = await freePort();
    expect(refused('nonsense').text).toContain('not JSON');
    expect(refused(config(1, [port], { id: 0 })).text).toContain('id must not be 0');
    expect(refused(config(2, [port])).text).toContain('peers does not have this node');
    expect(refused(config(1, [port], { tickms: 'x' })).text).toContain('tickms');
    expect(refused(config(1, [port], { runtime: 'wasm' })).text).toContain('runtime');
  });

  it('with the address is named', async () => {
    const port = await freePort();
    const blocking = createServer();
    squatter = blocking;
    await new Promise<void>((resolve) => blocking.listen(port, '127.0.0.1', resolve));
    const { text } = refused(config(1, [port], { boostrap_timeout: 0 }));
    expect(text).toContain(String(port));
    expect(text).toContain('another process uses the address');
  });

  it('with the directories is named', async () => {
    const port = await freePort();
    const file = path.join(directory, 'file');
    writeFileSync(file, 'x');
    expect(refused(config(1, [port], { waldir: path.join(file, 'wal') })).text).toContain(file);
  });

  it('with who uses the directory is named', async () => {
    const ports = [await freePort(), await freePort()];
    const server = new TestServer();
    expect(await server.start(config(1, [ports[0]!]))).toBe(0);
    const { text } = refused(config(1, [ports[1]!]));
    expect(text).toContain('in use');
    expect(text).toContain(directory);
    await server.stop();
    const other = refused(config(1, [ports[0]!], { cluster_id: 8 }));
    expect(other.text).toContain('cluster');
    const node = refused(
      JSON.stringify({
        ...(JSON.parse(config(1, [ports[0]!])) as object),
        id: 5,
        peers: [{ id: 5, url: `http://127.0.0.1:${ports[0]}` }],
      }),
    );
    expect(node.text).toContain('node');
  });

  it('in the arguments gives a code and never ends the host', async () => {
    expect(C.newServerWith(null, [0])).toBe(ErrorCode.INVALID_ARGUMENT);
    expect(C.newServer(null, null)).toBe(0);
    const data = Buffer.from('x');
    for (const handle of [0n, 1n, 12345n, 2n ** 64n - 1n]) {
      expect(C.proposeAsync(handle, data, 1, 0, null, null)).toBe(ErrorCode.UNKNOWN_HANDLE);
      expect(await waiting(C.proposeWait, handle, data, 1, 0, [0], [0])).toBe(ErrorCode.UNKNOWN_HANDLE);
      expect(await waiting(C.stopServer, handle)).toBe(ErrorCode.UNKNOWN_HANDLE);
      expect(C.propose(handle, data, 1)).toBe(ErrorCode.UNKNOWN_HANDLE);
      expect(C.snapshot(handle)).toBe(ErrorCode.UNKNOWN_HANDLE);
      expect(C.addServer(handle, 9, 'http://127.0.0.1:1')).toBe(ErrorCode.UNKNOWN_HANDLE);
      expect(C.delServer(handle, 9)).toBe(ErrorCode.UNKNOWN_HANDLE);
      expect(C.changeServer(handle, 9, 'http://127.0.0.1:1')).toBe(ErrorCode.UNKNOWN_HANDLE);
      expect(C.getStatus(handle, [' '.repeat(64)], 64)).not.toBe(0);
    }
    const port = await freePort();
    const server = new TestServer();
    expect(await server.start(config(1, [port]))).toBe(0);
    expect(C.proposeAsync(server.handle, null, 5, 0, null, null)).toBe(ErrorCode.INVALID_ARGUMENT);
    expect(C.propose(server.handle, data, -1)).toBe(ErrorCode.INVALID_ARGUMENT);
    expect(await waiting(C.changeMember, server.handle, 0, 9, null, 1000, [0])).not.toBe(0);
    expect(await waiting(C.changeMember, server.handle, 0, 9, 'nonsense', 1000, [0])).toBe(ErrorCode.URL);
    expect(await waiting(C.changeMember, server.handle, 0, 0, 'http://127.0.0.1:1', 1000, [0])).toBe(
      ErrorCode.INVALID_ARGUMENT,
    );
    expect(await waiting(C.changeMember, server.handle, 99, 9, 'http://127.0.0.1:1', 1000, [0])).toBe(
      ErrorCode.INVALID_ARGUMENT,
    );
    expect(await waiting(C.changeMember, server.handle, 1, 9, null, 1000, [0])).toBe(
      ErrorCode.UNKNOWN_MEMBER,
    );
    expect(C.setLogger('/nowhere/at/all.log', 0)).toBe(1);
    expect(C.setLogLevel(99)).toBe(ErrorCode.INVALID_ARGUMENT);
    expect(C.strError(9999)).toBeTypeOf('string');
    await server.stop();
    expect(C.proposeAsync(server.handle, data, 1, 0, null, null)).toBe(ErrorCode.UNKNOWN_HANDLE);
  });
});
