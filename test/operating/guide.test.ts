/** What docs/operating.md names is there: its metrics, its commands, and its sections are rehearsed. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RealCluster } from '../admin/real-cluster.ts';
import { polyraft } from '../cli/polyraft.ts';
import { guide, printedLines, section } from './guide.ts';

let cluster: RealCluster;
let leader: number;

beforeAll(async () => {
  cluster = await RealCluster.of(3);
  await cluster.commit(10);
  leader = await cluster.leader();
}, 60_000);
afterAll(() => cluster.close());

describe('what to watch', () => {
  const named = [...section('What to watch').matchAll(/^\| [^\n]*/gm)].flatMap((row) =>
    [...row[0].matchAll(/`(polyraft_[a-z_]+)`/g)].map((match) => match[1]!),
  );

  test('every metric of the table is in /metrics of a leader', async () => {
    expect(named.length).toBeGreaterThan(7);
    const text = await (await fetch(cluster.url(leader, '/metrics'))).text();
    expect(named.filter((name) => !new RegExp(`^${name}(_bucket)?\\{`, 'm').test(text))).toEqual([]);
  });

  test('the line for a shell prints all of them', async () => {
    const [line] = printedLines('What to watch');
    const url = cluster.url(leader);
    const command = line!.replace('http://127.0.0.1:9101', url);
    expect(command).toContain(url);
    const { stdout } = await promisify(execFile)('sh', ['-c', command]);
    expect(named.filter((name) => !new RegExp(`^${name}[_{]`, 'm').test(stdout))).toEqual([]);
  });

  test('the paths are served', async () => {
    for (const path of ['/readyz', '/healthz', '/cluster'])
      expect((await fetch(cluster.url(leader, path))).status, path).toBe(200);
  });
});

test('every command of the guide is one, with these options', async () => {
  const flat = guide.replaceAll('\n', ' ');
  const inline = [...flat.matchAll(/`(polyraft [^`]+)`/g)].map((match) => match[1]!);
  const printed = [...guide.matchAll(/^ {4}(polyraft .*)$/gm)].map((match) => match[1]!);
  const commands = [...inline, ...printed.map((line) => line.replace(/ +# .*/, ''))];
  expect(commands.length).toBeGreaterThan(12);
  for (const command of commands) {
    const words = command.split(' ').slice(1);
    const options = words.filter((word) => word.startsWith('--'));
    const names = words.filter((word) => /^[a-z]+$/.test(word));
    const { code, out } = await polyraft(...names, '--help');
    expect(code, command).toBe(0);
    // The help of a group has its commands; that of a command, its options.
    expect(out.join('\n'), command).toMatch(new RegExp(`^Usage: polyraft ${names.join(' ')} `));
    for (const option of options) expect(out.join('\n'), command).toContain(option);
  }
});

test('each procedure has a test that names it', () => {
  const tests = readdirSync('test/operating').filter((name) => name.endsWith('.test.ts'));
  const sources = tests.map((name) => readFileSync(`test/operating/${name}`, 'utf8')).join('\n');
  const procedures = [...guide.matchAll(/^## (.*)$/gm)].map((match) => match[1]!);
  const advice = ['How many nodes', 'Times', 'Memory'];
  expect(procedures.length).toBeGreaterThan(10);
  const missing = procedures.filter((title) => !advice.includes(title) && !sources.includes(title));
  expect(missing).toEqual([]);
});
