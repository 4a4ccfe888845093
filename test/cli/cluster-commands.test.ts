/** The commands over the admin endpoint, against real servers. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterView } from '../../src-ts/admin/cluster-view.ts';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { eventually, RealCluster, TOKEN } from '../admin/real-cluster.ts';
import { polyraft as runPolyraft } from './polyraft.ts';

let cluster: RealCluster;

async function polyraft(...parameters: string[]): Promise<{ code: number; out: string; problems: string }> {
  const { code, out, problems } = await runPolyraft(...parameters);
  return { code, out: out.join('\n'), problems: problems.join('\n') };
}

const at = (id: number): string[] => ['--admin', cluster.url(id)];
const withToken = (id: number): string[] => [...at(id), '--token-file', cluster.tokenFile];

beforeAll(async () => {
  delete process.env['POLYRAFT_ADMIN'];
  delete process.env['POLYRAFT_TOKEN_FILE'];
  cluster = await RealCluster.of(3, {}, 1);
  await cluster.commit(20);
}, 60_000);

afterAll(() => cluster.close());

describe('polyraft status and members', () => {
  it('shows the cluster to people and to programs', async () => {
    const leader = await cluster.leader();
    const shown = await eventually('a row with a role for each node', async () => {
      const found = await polyraft('status', ...at(2));
      return !found.out.includes('unknown') && found.out.includes(`leader ${leader},`) ? found : null;
    });
    expect(shown.code).toBe(0);
    expect(shown.out).toMatch(
      /^cluster 9, term \d+, leader \d, 3 of 3 voters can be reached \(seen by node 2\)$/m,
    );
    expect(shown.out).toMatch(new RegExp(`^ *${leader}  leader `, 'm'));
    expect(shown.out).toMatch(/^ {2}\d.* ago: node \d, term \d/m);
    const json = JSON.parse((await polyraft('status', '--json', ...at(2))).out) as ClusterView;
    expect(json.nodes).toHaveLength(3);
    const members = await polyraft('members', 'list', ...at(1));
    for (const id of [1, 2, 3]) expect(members.out).toContain(cluster.raftUrl(id));
  });

  it('changes members, leader and snapshots', async () => {
    const added = await polyraft('members', 'add', '4', cluster.raftUrl(4), '--learner', ...withToken(1));
    expect(added).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^member 4 added at index \d+$/) as string,
    });
    await cluster.start(4, 3, true);
    await eventually(
      'the learner to be promoted',
      async () => (await polyraft('members', 'promote', '4', ...withToken(1))).code === 0,
    );
    expect((await polyraft('members', 'remove', '4', '--json', ...withToken(1))).out).toMatch(
      /^\{"index":\d+\}$/,
    );
    await cluster.stop(4);
    const to = (await cluster.leader()) === 1 ? 2 : 1;
    expect(await polyraft('transfer', String(to), ...withToken(3))).toEqual({
      code: 0,
      out: `node ${to} leads`,
      problems: '',
    });
    expect((await polyraft('snapshot', ...withToken(2))).out).toMatch(/^snapshot of index \d+ is on disk$/);
  }, 60_000);

  it('shows transfers as what they are, and does not warn about them', async () => {
    const first = await cluster.leader();
    for (let step = 1; step <= 4; step++)
      expect((await polyraft('transfer', String(((first + step - 1) % 3) + 1), ...withToken(1))).code).toBe(
        0,
      );
    for (const id of [1, 2, 3]) {
      const { warnings } = await eventually('four transfers', async () => {
        const view = JSON.parse((await polyraft('status', '--json', ...at(id))).out) as ClusterView;
        return view.elections.filter((election) => election.handed_over).length >= 4 ? view : null;
      });
      expect(warnings.filter(({ text }) => text.includes('election'))).toEqual([]);
    }
    expect((await polyraft('status', ...at(2))).out).toMatch(/ago: node \d, term \d+, handed over/);
  }, 60_000);

  it('says what is missing or refused, with an exit code for each', async () => {
    expect(await polyraft('status')).toMatchObject({
      code: 2,
      problems: expect.stringContaining('give --admin URL') as string,
    });
    expect(await polyraft('status', '--admin', 'http://nowhere')).toMatchObject({
      code: 2,
      problems: '--admin "http://nowhere" has no port; write http://host:port',
    });
    const [port] = await freePorts(1);
    expect(await polyraft('status', '--admin', `http://127.0.0.1:${port}`)).toMatchObject({
      code: 3,
      problems: expect.stringContaining('cannot be reached') as string,
    });
    expect(await polyraft('snapshot', ...at(1))).toMatchObject({
      code: 2,
      problems: expect.stringContaining('give --token-file FILE') as string,
    });
    const wrong = join(cluster.directory, 'wrong');
    writeFileSync(wrong, 'not-the-secret-at-all');
    const refused = await polyraft('snapshot', ...at(1), '--token-file', wrong);
    expect(refused).toMatchObject({
      code: 2,
      problems: 'the secret is not the one in admin_token_file (REJECTED)',
    });
    expect(JSON.stringify(refused)).not.toContain(TOKEN);
    expect((await polyraft('members', 'remove', '77', ...withToken(1))).problems).toContain('UNKNOWN_MEMBER');
    expect((await polyraft('status', '--admin', cluster.raftUrl(1))).code).toBe(2);
  });
});

describe('polyraft doctor', () => {
  const checks = async (path: string): Promise<{ code: number; by: Record<string, string>; out: string }> => {
    const { code, out } = await polyraft('doctor', '--json', path);
    const { findings } = JSON.parse(out) as { findings: { check: string; result: string; text: string }[] };
    const by: Record<string, string> = {};
    for (const { check, result, text } of findings) by[check] = `${result} ${text}`;
    return { code, by, out };
  };

  it('finds a running node in order, but for what the machine is', async () => {
    const path = join(cluster.directory, 'good.json');
    writeFileSync(path, cluster.configText(1, 3));
    const { by } = await checks(path);
    expect(by['configuration']).toMatch(/^ok /);
    expect(by['address']).toBe(`ok ${cluster.raftUrl(1)} is in use by a raft server, which answers`);
    expect(by['admin_url']).toMatch(/^ok .* is in use by a raft server/);
    expect(by['admin_token_file']).toMatch(/^ok /);
    expect(by['disk']).toMatch(/a sync takes [\d.]+ ms \(median\)/);
    expect(by['peer 2']).toContain(`${cluster.raftUrl(2)} answers in`);
    const shown = await polyraft('doctor', path);
    expect(shown.out).toMatch(/\d+ in order, \d+ warnings?, \d+ problems?$/);
  }, 60_000);

  it('names what is wrong', async () => {
    const path = join(cluster.directory, 'bad.json');
    const good = JSON.parse(cluster.configText(2, 3)) as Record<string, unknown>;
    const [free] = await freePorts(1);
    writeFileSync(join(cluster.directory, 'file'), '');
    const bad = {
      ...good,
      waldir: join(cluster.directory, 'file'),
      admin_token_file: join(cluster.directory, 'none'),
      peers: [
        { id: 2, url: cluster.url(3) },
        { id: 5, url: `http://127.0.0.1:${free}` },
        { id: 6, url: cluster.url(1) },
      ],
    };
    writeFileSync(path, JSON.stringify(bad));
    const { code, by } = await checks(path);
    expect(code).toBe(1);
    expect(by['waldir']).toMatch(/^problem .*file is not a directory/);
    expect(by['admin_token_file']).toMatch(/^problem .* cannot be read/);
    expect(by['address']).toBe(`problem ${cluster.url(3)} is in use by another program`);
    expect(by['peer 5']).toMatch(/^warning .* cannot be reached/);
    expect(by['peer 6']).toMatch(/^problem .* not as a raft server does \(status 404\)/);
    writeFileSync(path, '{"id": 1}');
    expect((await checks(path)).by['configuration']).toMatch(/^problem waldir is required/);
  }, 60_000);
});

describe('polyraft bench', () => {
  it('measures a cluster, and leaves nothing behind', async () => {
    const { code, out } = await polyraft(
      'bench',
      '--json',
      '--nodes',
      '1',
      '--seconds',
      '1',
      '--window',
      '50',
      '--directory',
      cluster.directory,
    );
    expect(code).toBe(0);
    const result = JSON.parse(out) as { window_in_flight: { commits_per_second: number } };
    expect(result.window_in_flight.commits_per_second).toBeGreaterThan(0);
    expect((await polyraft('bench', '--nodes', '9')).code).toBe(2);
  }, 60_000);
});
