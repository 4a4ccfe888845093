/** The example programs as a reader of the README would use them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { LineProcess } from '../../scripts/tools/line-process.ts';
import { buildDirectory, runtimes } from './figures.ts';
import { KvCluster, KvConnection, type KvNode } from './kv-cluster.ts';
import { waitUntil } from './wait-until.ts';

describe.each(runtimes())('%s runtime', (runtime) => {
  let cluster: KvCluster | null = null;
  const connections: KvConnection[] = [];
  afterEach(async () => {
    for (const connection of connections.splice(0)) connection.end();
    await cluster?.end();
    cluster = null;
  });

  function connectTo(node: KvNode): KvConnection {
    const connection = new KvConnection(node);
    connections.push(connection);
    return connection;
  }

  async function digestOf(node: KvNode): Promise<string> {
    const answer = await connectTo(node).ask('1.1 DIGEST');
    return /keys=\d+ writes=\d+ repeats=\d+ digest=\w+/.exec(answer)?.[0] ?? answer;
  }

  async function expectOneDigest(nodes: readonly KvNode[]): Promise<string> {
    let digests: string[] = [];
    await waitUntil('equal digests', 30_000, async () => {
      digests = await Promise.all(nodes.map((node) => digestOf(node)));
      return digests.every((digest) => digest === digests[0]);
    });
    return digests[0]!;
  }

  test('a write that is sent twice, to two servers, is carried out once', async () => {
    cluster = new KvCluster(runtime);
    await cluster.start(3);
    const [first, second, third] = cluster.nodes.map((node) => connectTo(node));
    expect(await first!.ask('7.1 SET color blue')).toBe('7.1 OK');
    expect(await second!.ask('8.1 SET color deep red')).toBe('8.1 OK');
    expect(await third!.ask('7.1 SET color blue')).toBe('7.1 OK');
    expect(await first!.ask('9.1 GET color')).toBe('9.1 OK deep red');
    expect(await second!.ask('7.2 DEL color')).toBe('7.2 OK 1');
    expect(await third!.ask('7.2 DEL color')).toBe('7.2 OK 1');
    expect(await third!.ask('7.3 DEL color')).toBe('7.3 OK 0');
    expect(await second!.ask('9.2 GET color')).toBe('9.2 ERR NOKEY no such key');
    expect(await expectOneDigest(cluster.nodes)).toMatch(/^keys=0 writes=4 repeats=2 /);
  }, 60_000);

  test('many requests in one packet, one in two, wrong ones, and a line that never ends', async () => {
    cluster = new KvCluster(runtime);
    await cluster.start(1);
    const [node] = cluster.nodes;
    const connection = connectTo(node!);
    const count = 500;
    const lines = Array.from({ length: count }, (_, i) => `5.${i + 1}.1 SET key-${i} ${i}\r\n`).join('');
    connection.send(lines.slice(0, 1001));
    connection.send(lines.slice(1001));
    const answers = new Set<string>();
    while (answers.size < count) answers.add(await connection.nextAnswer());
    expect(answers).toEqual(new Set(Array.from({ length: count }, (_, i) => `5.${i + 1} OK`)));
    expect(await connection.ask('5.501.1 GET key-499')).toBe('5.501 OK 499');
    expect(await connection.ask('hello')).toMatch(/^0\.0 ERR BAD a line begins with its id/);
    expect(await connection.ask('5.502 FLY')).toBe('5.502 ERR BAD this verb is not known');
    expect(await connection.ask('5.5000.1 SET far away')).toMatch(/^5\.5000 ERR WINDOW/);
    expect(await connection.ask('5.503 ADD x http://127.0.0.1:1')).toMatch(/^5\.503 ERR FAILED/);
    const endless = connectTo(node!);
    endless.send('x'.repeat(2 ** 20 + 2 ** 16));
    await endless.closed;
    expect(await connection.ask('5.504 GET key-0')).toBe('5.504 OK 0');
  }, 60_000);

  test('members, snapshots, a server that is added and one that is removed', async () => {
    cluster = new KvCluster(runtime, { snap_count: 300, snapshot_entries: 100 });
    await cluster.start(3);
    const initial = [...cluster.nodes];
    expect((await cluster.client(initial, 'load', '1000')).output).toMatch(/^acknowledged 1000 of 1000/);
    expect((await cluster.client(initial, 'snapshot')).output).toMatch(/^\d+$/);
    const [raftPort] = await freePorts(1);
    const added = await cluster.client(initial, 'add', '4', `http://127.0.0.1:${raftPort!}`);
    expect(added).toMatchObject({ isSuccess: true });
    const fourth = await cluster.join(4, raftPort!);
    await expectOneDigest(cluster.nodes);
    expect((await cluster.client([fourth], 'verify', '1000')).output).toMatch(/^verified 1000 of 1000/);
    expect((await cluster.client([fourth], 'members')).output).toContain(`127.0.0.1:${initial[0]!.raftPort}`);

    const removed = initial[0]!;
    const told = cluster.waitFor(removed, 'removed');
    expect(await cluster.client(cluster.nodes, 'remove', String(removed.id))).toMatchObject({
      isSuccess: true,
    });
    await told;
    expect(await removed.process.exited).toEqual({ code: 0, signal: null });
    const left = cluster.nodes.filter((node) => node !== removed);
    expect((await cluster.client(left, 'set', 'after', 'the removal')).output).toBe('OK');
    expect((await cluster.client(left, 'get', 'after')).output).toBe('the removal');
    await expectOneDigest(left);
    const refused = await cluster.client(left, 'remove', '99');
    expect(refused).toMatchObject({ isSuccess: false });
    expect(refused.errors).toMatch(/^ERR FAILED/);
  }, 120_000);

  test('SIGTERM ends a server in order, and what it was told is there again', async () => {
    cluster = new KvCluster(runtime);
    await cluster.start(1);
    const [node] = cluster.nodes;
    await cluster.client(cluster.nodes, 'load', '2000');
    const before = await digestOf(node!);
    expect(await node!.process.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    await cluster.restart(node!);
    await waitUntil('the replayed log', 30_000, async () => (await digestOf(node!)) === before);
  }, 60_000);

  test('hello_raft says what the README says', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'polyraft-hello-'));
    try {
      const [port] = await freePorts(1);
      const source = readFileSync('examples-c/hello_raft.c', 'utf8').replace(':9001', `:${port!}`);
      writeFileSync(join(directory, 'hello_raft.c'), source);
      const library = join(buildDirectory, 'lib');
      const warnings = ['-std=c11', '-Wall', '-Wextra', '-Wpedantic', '-Werror'];
      const links = [`-L${library}`, `-Wl,-rpath,${library}`, '-lpolyraft'];
      const files = ['hello_raft.c', '-o', 'hello_raft'];
      execFileSync('cc', [...warnings, `-I${join(process.cwd(), 'include')}`, ...files, ...links], {
        cwd: directory,
      });
      const hello = (): string =>
        execFileSync('./hello_raft', {
          cwd: directory,
          encoding: 'utf8',
          env: { ...process.env, POLYRAFT_RUNTIME: runtime },
        });
      const line = 'index 3, term 2: hello, raft\n';
      expect(readFileSync('README.md', 'utf8')).toContain(`    ${line}`);
      expect(hello()).toBe(line);
      expect(hello()).toBe(`${line}index 5, term 3: hello, raft\n`);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }, 60_000);
});

test('kv_client and kv_server say how they are used, and what is wrong', async () => {
  const wrong = await new LineProcess('kv_client', KvCluster.program('kv_client'), ['nonsense', 'get', 'k'])
    .exited;
  expect(wrong.code).toBe(2);
  const server = new LineProcess('kv_server', KvCluster.program('kv_server'), ['/nonexistent.json', '1']);
  expect((await server.exited).code).toBe(1);
  expect(server.errors.join('\n')).toContain('/nonexistent.json');
  const [port] = await freePorts(1);
  const nobody = new LineProcess('kv_client', KvCluster.program('kv_client'), [
    '--patience',
    '300',
    `1=127.0.0.1:${port!}`,
    'get',
    'k',
  ]);
  expect((await nobody.exited).code).toBe(1);
  expect(nobody.errors.join('\n')).toContain('no answer for 300 ms');
});
