/** The endpoint of servers that a C program has started: the same in both runtimes. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { runtimes } from '../scenario/figures.ts';
import { KvCluster } from '../scenario/kv-cluster.ts';
import { eventually, TOKEN } from './real-cluster.ts';

const WRITES = 300;

describe.each(runtimes())('%s runtime', (runtime) => {
  let cluster: KvCluster | null = null;
  afterEach(async () => {
    await cluster?.end();
    cluster = null;
  });

  test('serves metrics, health, status, the page, and a change with the secret', async () => {
    const [port] = await freePorts(1);
    const url = `http://127.0.0.1:${port!}`;
    const kv: KvCluster = new KvCluster(runtime, () => ({
      admin_url: url,
      admin_token_file: join(kv.directory, 'token'),
    }));
    cluster = kv;
    writeFileSync(join(kv.directory, 'token'), `${TOKEN}\n`, { mode: 0o600 });
    await kv.start(1);
    expect(await kv.client(kv.nodes, 'load', String(WRITES))).toMatchObject({ isSuccess: true });

    const get = async (path: string): Promise<string> => {
      const response = await fetch(`${url}${path}`);
      expect([path, response.status]).toEqual([path, 200]);
      return response.text();
    };
    expect(await get('/healthz')).toBe('ok\n');
    expect(await get('/readyz')).toBe('ok\n');
    const status = JSON.parse(await get('/status')) as Record<string, unknown>;
    expect(status).toMatchObject({ id: '1', role: 'leader', runtime });
    const metrics = await get('/metrics');
    const applied = /^polyraft_applied_index\{[^}]*\} (\d+)$/m.exec(metrics);
    expect(Number(applied?.[1])).toBeGreaterThanOrEqual(WRITES);
    const page = await get('/');
    expect(page).toMatch(/^<!doctype html>/);
    expect(JSON.parse(await get('/cluster'))).toMatchObject({ nodes: [{ role: 'leader', runtime }] });
    await eventually('a sample', async () => (await get('/samples')).includes('"sequence":1'));

    const change = { method: 'POST', headers: { Authorization: `Bearer ${TOKEN}` } };
    expect((await fetch(`${url}/snapshot`, { method: 'POST' })).status).toBe(401);
    const taken = (await (await fetch(`${url}/snapshot`, change)).json()) as { index: number };
    expect(taken.index).toBeGreaterThanOrEqual(WRITES);

    // Stopping the server frees the address.
    expect(await kv.nodes[0]!.process.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  }, 60_000);
});
