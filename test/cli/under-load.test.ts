/**
 * Every command against the three kv_servers of the demo while they are written to: what a person and a program get to see,
 * each exit code, and that no acknowledged write is lost by it.
 */
import { cpSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync, closeSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import type { ClusterView } from '../../src-ts/admin/cluster-view.ts';
import { makeProgram } from '../../src-ts/cli/program.ts';
import { PageCluster } from '../admin/page/page-cluster.ts';
import { eventually } from '../admin/real-cluster.ts';
import { runtimes } from '../scenario/figures.ts';
import { POLYRAFT, runCommand, type Ran } from './command.ts';
import { onTerminal } from './terminal.ts';

const WINDOW = 2;
const VERIFIES = 3;

let cluster: PageCluster;
const used = new Set<string>();
const codes = new Set<number>();
let commands: readonly { readonly name: string; readonly hasJson: boolean }[] = [];

/** In the working directory of the servers: their paths are meant so. */
async function polyraft(...parameters: string[]): Promise<Ran> {
  const ran = await runCommand(parameters, { cwd: cluster.kv.directory });
  const line = parameters.join(' ');
  const command = commands.find(({ name }) => line === name || line.startsWith(`${name} `));
  used.add(`${command?.name ?? line}${parameters.includes('--json') ? ' --json' : ''}`);
  codes.add(ran.code);
  return ran;
}

/** Of a command that has to go well. */
async function told(...parameters: string[]): Promise<string> {
  const { code, out, problems } = await polyraft(...parameters);
  expect({ code, problems }, parameters.join(' ')).toEqual({ code: 0, problems: '' });
  return out.trimEnd();
}

async function json<T = Record<string, unknown>>(...parameters: string[]): Promise<T> {
  return JSON.parse(await told(...parameters, '--json')) as T;
}

const at = (id: number): string[] => ['--admin', cluster.url(id, '')];
const change = (id: number): string[] => [...at(id), '--token-file', cluster.tokenFile];
const wal = (id: number): string => join(cluster.kv.directory, `wal${id}`);
const isGrowing = async (): Promise<void> => {
  const before = cluster.acknowledged;
  await eventually('more writes', () => cluster.acknowledged > before + 10, 60_000);
};

/** All commands that do something; `help` only tells about them. */
function leaves(command: Command, path: readonly string[] = []): typeof commands {
  if (command.commands.length === 0)
    return [{ name: path.join(' '), hasJson: command.options.some(({ long }) => long === '--json') }];
  return command.commands.flatMap((each) => leaves(each, [...path, each.name()]));
}

beforeAll(async () => {
  delete process.env['POLYRAFT_ADMIN'];
  delete process.env['POLYRAFT_TOKEN_FILE'];
  const ignore = (): void => undefined;
  commands = leaves(makeProgram({ line: ignore, problem: ignore }, ignore));
  cluster = await PageCluster.start(runtimes().at(-1)!, {
    snap_count: 20_000,
    max_snap_files: 2,
    max_size_per_msg: 1024 * 1024,
    max_inflight_msgs: 256,
  });
  cluster.startLoad(WINDOW);
  await cluster.leader();
  await isGrowing();
}, 120_000);

afterAll(() => cluster.end());

describe('under load', { timeout: 120_000 }, () => {
  it('status and members list show the cluster, in any width', async () => {
    const leader = await cluster.leader();
    const shown = await told('status', ...at(1));
    expect(shown).toMatch(
      /^cluster 4711, term \d+, leader \d, 3 of 3 voters can be reached \(seen by node 1\)\n\n/,
    );
    expect(shown).toMatch(new RegExp(`^ *${leader}  leader +\\d+( +[\\d,]+){4} +[\\d.]+ (B|KiB|MiB) `, 'm'));
    const { nodes } = await json<ClusterView>('status', ...at(2));
    expect(nodes.map(({ id, reachable }) => ({ id, reachable }))).toEqual(
      [1, 2, 3].map((id) => ({ id: String(id), reachable: true })),
    );
    const members = await told('members', 'list', ...at(3));
    expect(members).toMatch(
      /^node +member as +role +url\n( +\d +voter +(leader|follower) +http:\/\/127\.\S+\n?){3}$/,
    );
    expect(await json('members', 'list', ...at(3))).toHaveLength(3);

    for (const columns of [60, 120]) {
      const both = [`status ${at(1).join(' ')}`, `members list ${at(1).join(' ')}`];
      const line = both.map((command) => `${POLYRAFT} ${command}`).join(' && ');
      const { code, raw, lines } = await onTerminal(line, { columns });
      expect(code).toBe(0);
      expect(raw).not.toMatch(/\u001b\[[0-9;]*m/);
      for (const each of lines) expect(each.length, each).toBeLessThanOrEqual(columns);
      for (const id of [1, 2, 3])
        expect(lines.join('\n')).toContain(`127.0.0.1:${cluster.node(id).raftPort}`);
    }
  });

  it('transfer hands leadership over, and writes go on', async () => {
    for (const asJson of [false, true]) {
      const to = ((await cluster.leader()) % 3) + 1;
      if (asJson) expect(await json('transfer', String(to), ...change(1))).toEqual({ leader: String(to) });
      else expect(await told('transfer', String(to), ...change(1))).toBe(`node ${to} leads`);
      expect(await told('status', ...at(to))).toContain(`leader ${to},`);
      await isGrowing();
    }
  });

  it('snapshot takes one, and snap info tells about it', async () => {
    const index = Number(
      /^snapshot of index (\d+) is on disk$/.exec(await told('snapshot', ...change(2)))?.[1],
    );
    const later = await json<{ index: number }>('snapshot', ...change(2));
    expect(later.index).toBeGreaterThan(index);
    const shown = await told('snap', 'info', 'snap2');
    expect(shown).toMatch(
      new RegExp(
        `^\\S+\\.snap: index=${later.index} term=\\d+ data=\\d+ bytes voters=1,2,3 crc=[0-9a-f]{8} whole$`,
        'm',
      ),
    );
    expect(shown).toContain('members.json: as of entry 3');
    const { snapshots } = await json<{ snapshots: { file: string; whole: boolean }[] }>(
      'snap',
      'info',
      'snap2',
    );
    expect(snapshots.every(({ whole }) => whole)).toBe(true);
    expect(await told('snap', 'info', snapshots[0]!.file)).toMatch(/ whole$/);
    expect(await told('snap', 'extract', snapshots[0]!.file, 'state')).toMatch(
      /^state: \d+ bytes, the state after entry \d+$/,
    );
  });

  it('members come, are promoted, move and go', async () => {
    const [port, other, unused] = (await freePorts(3)) as [number, number, number];
    const url = (of: number): string => `http://127.0.0.1:${of}`;
    expect(await json('members', 'add', '4', url(port), '--learner', ...change(1))).toEqual({
      index: expect.any(Number) as number,
    });
    const fourth = await cluster.kv.join(4, port);
    await eventually('node 4 to be a learner', async () =>
      /^ +4 +learner +learner +http/m.test(await told('members', 'list', ...at(4))),
    );
    const promoted = await eventually('node 4 to be promoted', async () => {
      const { code, out } = await polyraft('members', 'promote', '4', ...change(2));
      return code === 0 ? out : null;
    });
    expect(promoted).toMatch(/^member 4 votes from index \d+\n$/);

    expect(await told('members', 'move', '4', url(other), ...change(4))).toMatch(
      /^member 4 moved at index \d+$/,
    );
    await fourth.process.kill('SIGTERM');
    const path = cluster.kv.configPath(4);
    writeFileSync(path, readFileSync(path, 'utf8').replace(url(port), url(other)));
    await cluster.kv.restart(fourth);
    await eventually('node 4 at its new address', async () =>
      (await polyraft('status', ...at(1))).out.includes('4 of 4 voters can be reached'),
    );
    expect(await json('members', 'move', '4', url(other), ...change(1))).toHaveProperty('index');
    expect(await json('members', 'remove', '4', ...change(1))).toHaveProperty('index');
    await fourth.process.kill('SIGTERM');

    // A voter that never comes is no harm to the other three.
    expect(await told('members', 'add', '5', url(unused), ...change(3))).toMatch(
      /^member 5 added at index \d+$/,
    );
    await isGrowing();
    expect(await told('members', 'remove', '5', ...change(3))).toMatch(/^member 5 removed at index \d+$/);
    const gone = await polyraft('members', 'promote', '5', '--json', ...change(3));
    expect(gone).toMatchObject({
      code: 2,
      out: '',
      problems: expect.stringContaining('UNKNOWN_MEMBER') as string,
    });
  });

  it('doctor looks at a running node, and at configurations that are wrong', async () => {
    const [healthy, asJson] = await Promise.all([
      polyraft('doctor', 'config1.json'),
      polyraft('doctor', 'config1.json', '--json'),
    ]);
    expect(healthy.out).toMatch(
      /^result +check +what was found\n(?:(?:ok|WARNING|PROBLEM) +\S+( \d)? +.+\n)+\n\d+ in order, /,
    );
    const { findings } = JSON.parse(asJson.out) as {
      findings: { check: string; result: string; text: string }[];
    };
    // How quick disk and processor of this machine are is not our doing.
    const ours = findings.filter(
      ({ check, result }) => !['disk', 'processor'].includes(check) && result !== 'ok',
    );
    expect(ours.filter(({ check }) => !check.endsWith('dir'))).toEqual([]);
    expect(findings.map(({ text }) => text).join('\n')).toContain(
      'is in use by a raft server, which answers',
    );

    const foreign = createServer((socket) => socket.end('something else\n')).listen(0, '127.0.0.1');
    const { port } = await new Promise<AddressInfo>((resolve) => {
      foreign.once('listening', () => {
        resolve(foreign.address() as AddressInfo);
      });
    });
    const good = JSON.parse(readFileSync(cluster.kv.configPath(1), 'utf8')) as Record<string, unknown>;
    const wrong: readonly (readonly [string, RegExp])[] = [
      ['{"id": 1,', /^PROBLEM +configuration .*JSON/m],
      [JSON.stringify({ ...good, tickms: -5 }), /^PROBLEM +configuration +tickms /m],
      [JSON.stringify({ ...good, waldir: 'config1.json/wal' }), /^PROBLEM +waldir /m],
      [
        JSON.stringify({ ...good, admin_url: `http://127.0.0.1:${port}` }),
        /^PROBLEM +admin_url .* another program/m,
      ],
      [
        JSON.stringify({ ...good, admin_token_file: 'nowhere' }),
        /^PROBLEM +admin_token_file .*cannot be read/m,
      ],
    ];
    await Promise.all(
      wrong.map(async ([text, problem], i) => {
        writeFileSync(join(cluster.kv.directory, `wrong${i}.json`), text);
        const { code, out } = await polyraft('doctor', `wrong${i}.json`);
        expect(out).toMatch(problem);
        expect(code, out).toBe(1);
      }),
    );
    foreign.close();
    expect(await polyraft('doctor', 'nowhere.json')).toEqual({
      code: 2,
      out: '',
      problems: 'nowhere.json: no such file or directory\n',
    });
  });

  it('the log of a running server is looked at, and never touched', async () => {
    for (let i = 0; i < VERIFIES; i++)
      expect(await told('wal', 'verify', 'wal1')).toMatch(
        /^wal1 is whole: \d+ records in \d+ segments?, \d+ entries, last index \d+ of term \d+, commit \d+; a server is writing to it$/,
      );
    const verified = await json<{ last_index: number }>('wal', 'verify', 'wal2');
    expect(verified).toMatchObject({ whole: true, in_use: true, problem: null });
    const from = String(verified.last_index - 2);
    const dumped = await polyraft('wal', 'dump', 'wal2', '--from', from);
    expect(dumped.code).toBe(0);
    expect(dumped.out).toMatch(
      new RegExp(`^ +\\d+  entry +index=${from} term=\\d+ type=normal size=\\d+ `, 'm'),
    );
    const { code, out } = await polyraft('wal', 'dump', 'wal2', '--from', from, '--json');
    expect(code).toBe(0);
    const indexes = out
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { index?: number }).index);
    expect(indexes).toContain(verified.last_index);

    const files = (): string[] => readdirSync(wal(1)).filter((name) => !name.endsWith('.wal'));
    for (const flags of [[], ['--discard']]) {
      const refused = await polyraft('wal', 'repair', ...flags, 'wal1');
      expect(refused).toEqual({ code: 2, out: '', problems: 'wal1 is in use: stop the server first\n' });
      expect(files().filter((name) => name.endsWith('.broken'))).toEqual([]);
    }
    await isGrowing();
  });

  it('the log of a stopped server is repaired, and the server goes on', async () => {
    const node = cluster.node(3);
    await node.process.kill('SIGTERM');
    expect(await polyraft('status', ...at(3))).toMatchObject({
      code: 3,
      problems: expect.stringMatching(/cannot be reached: .*; is the server running/) as string,
    });
    expect((await polyraft('status', '--json', ...at(3))).code).toBe(3);
    expect(await told('wal', 'verify', 'wal3')).toMatch(/^wal3 is whole: .* commit \d+$/);
    expect(await told('wal', 'repair', 'wal3')).toBe('wal3 is whole: there is nothing to repair');

    // As a machine leaves it that has lost its power: a frame of which some sectors were written.
    const name = readdirSync(wal(3))
      .filter((each) => each.endsWith('.wal'))
      .sort()
      .at(-1)!;
    const bytes = readFileSync(join(wal(3), name));
    let end = bytes.length;
    while (end > 0 && bytes[end - 1] === 0) end--;
    const unfinished = Buffer.alloc(1000, 'x');
    unfinished.writeBigUInt64LE(8000n, 0);
    const file = openSync(join(wal(3), name), 'r+');
    writeSync(file, unfinished, 0, unfinished.length, Math.ceil(end / 8) * 8);
    closeSync(file);
    const torn = await polyraft('wal', 'verify', 'wal3');
    expect(torn).toMatchObject({
      code: 1,
      out: '',
      problems: expect.stringMatching(
        /^wal3\/\S+\.wal at byte \d+: .*\(an unfinished write at the end\)\n/,
      ) as string,
    });
    const asJson = await polyraft('wal', 'verify', 'wal3', '--json');
    expect(asJson.code).toBe(1);
    expect(JSON.parse(asJson.out)).toMatchObject({
      whole: false,
      in_use: false,
      problem: { kind: 'torn', file: name },
    });

    // Damage within a copy, which is nobody's data.
    cpSync(wal(3), join(cluster.kv.directory, 'copy'), { recursive: true });
    const damaged = Buffer.from(bytes);
    damaged[Math.floor(end / 2)]! ^= 4;
    writeFileSync(join(cluster.kv.directory, 'copy', name), damaged);
    expect((await polyraft('wal', 'dump', 'copy', '--to', '0')).code).toBe(1);
    const kept = await polyraft('wal', 'repair', 'copy');
    expect(kept.code).toBe(2);
    expect(kept.problems).toContain('Restore this node from its peers');
    expect((await polyraft('wal', 'repair', '--discard', 'copy')).code).toBe(0);
    expect(await told('wal', 'verify', 'copy')).toContain('is whole');

    const repaired = await polyraft('wal', 'repair', 'wal3');
    expect(repaired.code).toBe(0);
    expect(repaired.out).toMatch(/^cut \S+\.wal at byte \d+; as it was, it is \S+\.wal\.broken\n$/);
    expect(await told('wal', 'verify', 'wal3')).toContain('is whole');
    await cluster.kv.restart(node);
    await eventually('node 3 to be back', async () =>
      (await polyraft('status', ...at(3))).out.includes('3 of 3 voters can be reached'),
    );
  });

  it('a cluster that cannot commit is told by the exit code', async () => {
    const down = [2, 3].map((id) => cluster.node(id));
    await Promise.all(down.map((node) => node.process.kill('SIGKILL')));
    const broken = await eventually('a warning', async () => {
      const ran = await polyraft('status', ...at(1));
      return ran.code === 1 ? ran : null;
    });
    expect(broken.out).toMatch(/^warnings\n(.*\n)* {2}!! /m);
    expect((await polyraft('status', '--json', ...at(1))).code).toBe(1);
    await Promise.all(down.map((node) => cluster.kv.restart(node)));
    await eventually('all to be well', async () => (await polyraft('status', ...at(1))).code === 0);
    await isGrowing();
  });

  it('bench measures beside it', async () => {
    const parameters = ['bench', '--nodes', '1', '--seconds', '1', '--window', '50', '--directory', '.'];
    const [shown, asJson] = await Promise.all([told(...parameters), json(...parameters)]);
    expect(shown).toMatch(/^1 node in this process, .*\n\nload .*\none in flight .*\n50 in flight .*$/);
    expect(asJson).toMatchObject({ nodes: 1, proposal_bytes: 100 });
    expect((await polyraft('bench', '--nodes', '9')).code).toBe(2);
  });

  it('what is refused says why', async () => {
    expect((await polyraft('snapshot', ...at(1))).problems).toContain('give --token-file FILE');
    expect((await polyraft('transfer', '9', ...change(1))).code).toBe(2);
    expect((await polyraft('status', '--admin', `http://127.0.0.1:${cluster.node(1).raftPort}`)).code).toBe(
      2,
    );
    for (const shell of ['bash', 'zsh', 'fish', 'powershell'])
      expect(await told('complete', shell)).toContain('polyraft');
  });

  it('nothing that was acknowledged is lost', async () => {
    await isGrowing();
    await cluster.stopLoad();
    const keys = cluster.acknowledged;
    expect(keys).toBeGreaterThan(1000);
    for (const id of [1, 2, 3]) {
      const { isSuccess, output, errors } = await cluster.verify(cluster.node(id), keys);
      expect(isSuccess, errors).toBe(true);
      expect(output).toContain(`verified ${keys} of ${keys}`);
    }
  });

  it('every command was among them, in both its forms, and every exit code', () => {
    const forms = commands.flatMap(({ name, hasJson }) => (hasJson ? [name, `${name} --json`] : [name]));
    expect(forms.filter((form) => !used.has(form))).toEqual([]);
    expect(forms).toEqual(expect.arrayContaining(['status --json', 'members add', 'wal repair', 'complete']));
    expect([...codes].sort()).toEqual([0, 1, 2, 3]);
    const page = readFileSync('docs/COMMAND.md', 'utf8');
    for (const { name } of commands) expect(page).toContain(`\`${name}`);
  });
});
