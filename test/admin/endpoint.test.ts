/** The admin endpoint over real sockets: what it tells, what it refuses, and what it survives. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Agent, get, request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ClusterView } from '../../src-ts/admin/cluster-view.ts';
import type { Sample } from '../../src-ts/admin/sampler.ts';
import { eventually, RealCluster, TOKEN } from './real-cluster.ts';

const isFull = process.env['POLYRAFT_TEST_FULL'] === '1';

let cluster: RealCluster;

beforeAll(async () => {
  cluster = await RealCluster.of(3, {}, 1);
  await cluster.leader();
  await cluster.commit(200);
}, 60_000);

afterAll(() => cluster.close());

const view = async (id: number): Promise<ClusterView> =>
  (await (await fetch(cluster.url(id, '/cluster'))).json()) as ClusterView;

interface ChangeAnswer {
  readonly status: number;
  readonly body: {
    readonly index?: number;
    readonly leader?: string;
    readonly error?: { readonly code: number; readonly name: string; readonly text: string };
  };
}

async function post(
  id: number,
  path: string,
  body: string,
  headers: Record<string, string> = { Authorization: `Bearer ${TOKEN}` },
): Promise<ChangeAnswer> {
  const response = await fetch(cluster.url(id, path), { method: 'POST', body, headers });
  return { status: response.status, body: (await response.json()) as ChangeAnswer['body'] };
}

/** Sends bytes as they are; resolves with what came back when the connection has ended, or after `limitMs`. */
function raw(port: number, bytes: Buffer, limitMs = 20_000): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1');
    const timer = setTimeout(() => socket.destroy(), limitMs);
    socket.on('connect', () => socket.end(bytes));
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
  });
}

describe('what everybody may read', () => {
  test('all of it over one connection, where the client keeps it', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<number | undefined>();
    for (const path of ['/', '/metrics', '/healthz', '/readyz', '/status', '/cluster', '/samples']) {
      const port = await new Promise<number | undefined>((resolve, reject) => {
        const asked = get(cluster.url(1, path), { agent }, (response) => {
          const { localPort } = response.socket;
          response.resume().on('end', () => setImmediate(resolve, localPort));
        });
        asked.on('error', reject);
      });
      ports.add(port);
    }
    agent.destroy();
    expect(ports.size).toBe(1);
  });

  test('each path has its answer, and headers that keep it where it is', async () => {
    for (const [path, type] of [
      ['/', 'text/html; charset=utf-8'],
      ['/metrics', 'text/plain; version=0.0.4; charset=utf-8'],
      ['/healthz', 'text/plain; charset=utf-8'],
      ['/readyz', 'text/plain; charset=utf-8'],
      ['/status', 'application/json'],
      ['/cluster', 'application/json'],
      ['/samples', 'application/json'],
    ] as const) {
      const response = await fetch(cluster.url(1, path));
      expect([path, response.status, response.headers.get('content-type')]).toEqual([path, 200, type]);
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
      const text = await response.text();
      expect(text.length).toBeGreaterThan(0);
      const head = await fetch(cluster.url(1, path), { method: 'HEAD' });
      expect(head.status).toBe(200);
      expect(await head.text()).toBe('');
    }
    expect(await (await fetch(cluster.url(1, '/metrics'))).text()).toContain('polyraft_commit_index{');
    expect(JSON.parse(await (await fetch(cluster.url(2, '/status'))).text())).toHaveProperty('id', '2');
  });

  test('the page is bound to itself', async () => {
    const policy = (await fetch(cluster.url(1))).headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/^default-src 'none'/);
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
  });

  test('any member shows the roles, terms and logs of all', async () => {
    const leader = await cluster.leader();
    for (const id of [1, 2, 3]) {
      const seen = await eventually(`the whole cluster, seen by ${id}`, async () => {
        const found = await view(id);
        const complete = found.nodes.every(
          (node) => node.role !== null && node.match_index === node.last_index && node.behind === 0,
        );
        return complete && found.leader === String(leader) ? found : null;
      });
      expect(seen.node).toBe(String(id));
      expect(seen.nodes.map((node) => node.id)).toEqual(['1', '2', '3']);
      expect(seen.nodes.filter((node) => node.role === 'leader').map((node) => node.id)).toEqual([
        String(leader),
      ]);
      expect(seen).toMatchObject({ voters: 3, voters_reachable: 3 });
      expect(seen.elections[0]).toMatchObject({ leader: String(leader) });
      expect(new Set(seen.nodes.map((node) => node.term))).toEqual(new Set([seen.term]));
    }
  });

  test('samples come once a second, and only the new ones are sent', async () => {
    const samples = async (after: number): Promise<Sample[]> =>
      (
        (await (await fetch(cluster.url(1, `/samples?after=${after}`))).json()) as {
          samples: Sample[];
        }
      ).samples;
    const first = await eventually('samples', async () => {
      const found = await samples(0);
      return found.length >= 2 ? found : null;
    });
    expect(first.map((sample) => sample.sequence)).toEqual(first.map((_, i) => i + 1));
    const last = first[first.length - 1]!.sequence;
    for (const sample of await samples(last)) expect(sample.sequence).toBeGreaterThan(last);
    expect((await fetch(cluster.url(1, '/samples?after=x'))).status).toBe(400);
  });

  test('other paths and methods are refused', async () => {
    expect((await fetch(cluster.url(1, '/nothing'))).status).toBe(404);
    expect((await fetch(cluster.url(1, '/../etc/passwd'))).status).toBe(404);
    for (const [method, path, allow] of [
      ['POST', '/metrics', 'GET, HEAD'],
      ['DELETE', '/', 'GET, HEAD'],
      ['GET', '/members', 'POST'],
      ['PUT', '/snapshot', 'POST'],
    ] as const) {
      const response = await fetch(cluster.url(1, path), { method });
      expect([method, path, response.status, response.headers.get('allow')]).toEqual([
        method,
        path,
        405,
        allow,
      ]);
    }
  });

  test('a name of elsewhere that points here is not answered', async () => {
    const status = await new Promise<number>((resolve, reject) => {
      request(
        cluster.url(1, '/status'),
        { headers: { Host: `rebound.example:${cluster.adminPort(1)}` } },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        },
      )
        .on('error', reject)
        .end();
    });
    expect(status).toBe(421);
  });
});

describe('changes', () => {
  test('need the secret', async () => {
    const without = await post(1, '/snapshot', '', {});
    expect(without.status).toBe(401);
    expect(without.body.error?.text).toContain('Authorization: Bearer');
    for (const wrong of ['x', `${TOKEN}x`, TOKEN.toUpperCase(), TOKEN.slice(1)]) {
      const refused = await post(1, '/snapshot', '', { Authorization: `Bearer ${wrong}` });
      expect(refused.status).toBe(403);
      expect(JSON.stringify(refused.body)).not.toContain(TOKEN);
    }
    expect(cluster.hosts.get(1)!.snapshotsTaken).toEqual([]);
    expect(cluster.lines.join('\n')).not.toContain(TOKEN);
  });

  test('a new secret needs no restart, and an unusable file is told', async () => {
    writeFileSync(cluster.tokenFile, 'another-secret-of-some-length\n');
    expect((await post(1, '/snapshot', '')).status).toBe(403);
    writeFileSync(cluster.tokenFile, 'short\n');
    const short = await post(1, '/snapshot', '');
    expect(short.status).toBe(503);
    expect(short.body.error?.text).toMatch(/must have 16 to 1024 characters; make one: head -c 32/);
    writeFileSync(cluster.tokenFile, `${TOKEN}\n`);
    expect((await post(1, '/snapshot', '')).status).toBe(200);
    expect(cluster.hosts.get(1)!.snapshotsTaken.length).toBe(1);
  });

  test('bodies that make no sense name what is wrong', async () => {
    for (const [path, body, status, text] of [
      ['/members', '{', 400, /the body is not JSON/],
      ['/members', '7', 400, /must be a JSON object/],
      ['/members', '{"operation":"join","id":4}', 400, /"operation" must be one of add, remove/],
      ['/members', '{"operation":"remove","id":0}', 400, /"id" must be the id of a node/],
      ['/members', '{"operation":"remove","id":18446744073709551616}', 400, /"id" must be the id/],
      ['/members', '{"operation":"add","id":4}', 400, /"url" is needed to add/],
      ['/members', '{"operation":"add","id":4,"url":"ftp://x"}', 400, /has the scheme "ftp"/],
      ['/members', '{"operation":"remove","id":4,"uri":1}', 400, /"uri" is not a key/],
      ['/members', '{"operation":"remove","id":"18446744073709551615"}', 404, /18446744073709551615/],
      ['/transfer', '{"to":9}', 404, /member 9 does not exist/],
      ['/snapshot', '{"now":true}', 400, /"now" is not a key of this request/],
      ['/snapshot', ' '.repeat(17_000), 413, /the limit is 16384/],
    ] as const) {
      const answered = await post(1, path, body);
      expect([body.slice(0, 60), answered.status]).toEqual([body.slice(0, 60), status]);
      expect(answered.body.error?.text).toMatch(text);
    }
  });

  test('leadership is handed over, and members come and go', async () => {
    const to = (await cluster.leader()) === 2 ? 3 : 2;
    expect(await post(1, '/transfer', `{"to":"${to}"}`)).toMatchObject({
      status: 200,
      body: { leader: String(to) },
    });
    await eventually('the new leader', async () => (await cluster.leader()) === to);
    const learner = JSON.stringify({ operation: 'add-learner', id: 4, url: cluster.raftUrl(4) });
    const added = await post(1, '/members', learner);
    expect(added).toMatchObject({ status: 200 });
    await cluster.start(4, 3, true);
    await eventually('the learner in sync', async () => {
      const row = (await view(to)).nodes.find((node) => node.id === '4');
      return row?.learner === true && row.behind === 0;
    });
    expect((await post(1, '/members', '{"operation":"promote","id":4}')).status).toBe(200);
    await eventually('four voters', async () => (await view(4)).voters === 4);
    expect((await post(1, '/members', '{"operation":"remove","id":4}')).status).toBe(200);
    await eventually('three members', async () => (await view(1)).nodes.length === 3);
    await eventually(
      'the removed one says so',
      async () => (await fetch(cluster.url(4, '/readyz'))).status === 503,
    );
    await cluster.stop(4);
  }, 60_000);
});

describe('what it survives', () => {
  const pieces = [
    'GET / HTTP/1.1\r\n',
    'POST /members HTTP/1.1\r\n',
    'Host: x\r\n',
    '\r\n',
    'Content-Length: 99999999999999\r\n',
  ];
  const more = [
    'Transfer-Encoding: chunked\r\n',
    'zz\r\n',
    `X-Long: ${'y'.repeat(20_000)}\r\n`,
    '\0\0\0',
    'PRI * HTTP/2.0\r\n',
  ];

  function garbage(i: number): Buffer {
    if (i % 4 === 0) return randomBytes(1 + (i % 300));
    const all = [...pieces, ...more];
    let text = '';
    for (let k = 0; k <= i % 7; k++) text += all[randomBytes(1)[0]! % all.length]!;
    return Buffer.concat([Buffer.from(text, 'latin1'), randomBytes(i % 9)]);
  }

  test('malformed requests to the admin and peer ports leave the node serving', async () => {
    const count = isFull ? 100_000 : 150;
    for (const port of [cluster.adminPort(1), cluster.raftPort(1)]) {
      let next = 0;
      const worker = async (): Promise<void> => {
        while (next < count) await raw(port, garbage(next++));
      };
      await Promise.all(Array.from({ length: 32 }, worker));
    }
    expect(await (await fetch(cluster.url(1, '/healthz'))).text()).toBe('ok\n');
    await cluster.commit(10);
    const end = cluster.servers.get(await cluster.leader())!.figures().commitIndex;
    await eventually('the node follows', () => cluster.servers.get(1)!.figures().commitIndex >= end);
  }, 1_200_000);

  test('what is no HTTP is told so, and long headers are', async () => {
    expect(await raw(cluster.adminPort(1), Buffer.from('hello\r\n\r\n'))).toMatch(/^HTTP\/1.1 400 /);
    const long = Buffer.from(`GET / HTTP/1.1\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`);
    expect(await raw(cluster.adminPort(1), long)).toMatch(/^HTTP\/1.1 431 /);
  });

  test('more connections than it takes are closed, and it goes on', async () => {
    const sockets = Array.from({ length: 200 }, () => connect(cluster.adminPort(1), '127.0.0.1'));
    let closed = 0;
    for (const socket of sockets) {
      socket.on('error', () => undefined);
      socket.on('close', () => closed++);
    }
    await eventually('connections beyond the bound to be closed', () => closed >= 200 - 128);
    for (const socket of sockets) socket.destroy();
    await eventually('an answer', async () => {
      try {
        return (await fetch(cluster.url(1, '/healthz'))).status === 200;
      } catch {
        return false;
      }
    });
  });

  test.runIf(isFull)('a request that never ends is ended', async () => {
    const text = await new Promise<string>((resolve) => {
      let answered = '';
      const socket = connect(cluster.adminPort(1), '127.0.0.1', () => socket.write('GET / HT'));
      socket.on('data', (chunk) => (answered += chunk.toString()));
      socket.on('close', () => resolve(answered));
    });
    expect(text).toMatch(/^HTTP\/1.1 408 /);
  });
});
