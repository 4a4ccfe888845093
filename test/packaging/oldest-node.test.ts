/**
 * The bundles on the libnode that the embedded runtime has, as a program: Node 18.20 where it is Debian 12's, which is the oldest
 * that package.json promises. The other tests run on whatever Node is on PATH.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { withChildren } from '../../scripts/tools/process-facts.ts';
import { runCommand } from '../cli/command.ts';
import { buildDirectory, figure, runtimes } from '../scenario/figures.ts';
import { KvCluster } from '../scenario/kv-cluster.ts';

const WRITES = figure(3_000, 100_000);
const node = join(buildDirectory, 'test/node/node');

/** Without libnode there is no embedded runtime either, and no other Node to be had. */
const isHere = runtimes().includes('embedded');

describe.runIf(isHere)('the oldest Node', { timeout: 60_000 }, () => {
  let version: string;
  let directory: string;
  beforeAll(() => {
    version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
    directory = mkdtempSync(join(tmpdir(), 'polyraft-oldest-'));
  });
  afterAll(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  it('is new enough for what package.json says, and of the release that libnode is', () => {
    const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { engines: { node: string } };
    expect(engines.node).toBe('>=18.20');
    const [major, minor] = version.slice(1).split('.').map(Number) as [number, number];
    expect(major * 1000 + minor).toBeGreaterThanOrEqual(18_020);
    if (existsSync(join(buildDirectory, 'lib/polyraft/libnode.so.108')))
      expect(version).toMatch(/^v18\.20\./);
  });

  it('runs a cluster whose engines are the bundle in the process runtime', async () => {
    const [port] = await freePorts(1);
    const cluster = new KvCluster('process', (id) => ({
      node_path: node,
      snap_count: 1_000,
      ...(id === 1 ? { admin_url: `http://127.0.0.1:${port}` } : {}),
    }));
    try {
      await cluster.start(3);
      const loaded = await cluster.client(cluster.nodes, 'load', String(WRITES));
      expect(loaded.isSuccess, loaded.errors).toBe(true);
      for (const each of cluster.nodes) {
        const programs = withChildren(each.process.pid).map((pid) => readlinkSync(`/proc/${pid}/exe`));
        expect(programs).toContain(node);
      }
      // One of them goes and comes back over its own log and snapshots.
      const [first] = cluster.nodes;
      await first!.process.kill('SIGKILL');
      await cluster.restart(first!);
      const found = await cluster.client([first!], 'verify', String(WRITES));
      expect(found.output, found.errors).toContain(`verified ${WRITES} of ${WRITES}`);

      const where = { cwd: cluster.directory, environment: { POLYRAFT_NODE: node } };
      const status = await runCommand(['status', '--admin', `http://127.0.0.1:${port}`], where);
      expect(status, status.problems).toMatchObject({ code: 0 });
      expect(status.out).toContain('3 of 3 voters can be reached');
      expect((await runCommand(['snap', 'info', 'snap1'], where)).out).toMatch(/ whole$/m);
      expect((await runCommand(['wal', 'verify', 'wal2', '--json'], where)).code).toBe(0);
      expect((await runCommand(['doctor', 'config1.json'], where)).out).toMatch(/^ok +configuration /m);
    } finally {
      await cluster.end();
    }
  });

  it('runs the command', async () => {
    // That it is this Node which runs it: one that is not there does not.
    const environment = { POLYRAFT_NODE: node };
    expect(await runCommand(['--version'], { environment: { POLYRAFT_NODE: '/nowhere' } })).not.toMatchObject(
      { code: 0 },
    );
    expect(await runCommand(['--version'], { environment })).toMatchObject({ code: 0 });
    const load = ['bench', '--json', '--nodes', '3', '--seconds', '1', '--directory', directory];
    const bench = await runCommand(load, { environment });
    expect(bench, bench.problems).toMatchObject({ code: 0 });
    expect((JSON.parse(bench.out) as { nodes: number }).nodes).toBe(3);
    const none = join(directory, 'none');
    await Promise.all(
      ['wal dump', 'wal verify', 'snap info', 'doctor'].map(async (command) => {
        const { code, problems } = await runCommand([...command.split(' '), none], { environment });
        expect({ code, problems }).toEqual({ code: 2, problems: `${none}: no such file or directory\n` });
      }),
    );
    writeFileSync(join(directory, 'config.json'), '{}');
    expect((await runCommand(['doctor', join(directory, 'config.json')], { environment })).code).toBe(1);
    expect((await runCommand(['complete', '--', 'st'], { environment })).out).toContain('status\t');
  });
});
