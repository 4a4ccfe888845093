// raft_client in the forms that the README shows, with directories and ports of this test's own.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { LineProcess } from '../../scripts/tools/line-process.ts';
import { buildDirectory } from '../scenario/figures.ts';
import { waitUntil } from '../scenario/wait-until.ts';

const TIMEOUT_MS = 30_000;
const program = join(buildDirectory, 'examples/raft_client');
const FORMS = [...readFileSync('README.md', 'utf8').matchAll(/^ {4}(\.\/raft_client .*)$/gm)].map(
  (match) => match[1]!,
);

let directory = '';
const clients: LineProcess[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'polyraft-client-'));
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.kill('SIGKILL')));
  rmSync(directory, { recursive: true, force: true });
});

/** A form as it is typed, but that nothing outside this test's directory and ports is touched. */
function type(form: string, ports: readonly number[], ...more: readonly string[]): LineProcess {
  const words = form
    .replaceAll('/tmp/raft', join(directory, 'raft'))
    .replace(/900([123])/g, (_, digit) => String(ports[Number(digit) - 1]))
    .split(' ')
    .slice(1);
  const client = new LineProcess('raft_client', program, [...words, ...more], {
    // Those that name no port listen on this one.
    environment: form.includes('--port') ? {} : { POLYRAFT_ADVERTISE: `127.0.0.1:${ports[0]!}` },
  });
  clients.push(client);
  return client;
}

function lineOf(client: LineProcess, begin: RegExp): Promise<string> {
  return client.waitForLine((line) => begin.test(line), TIMEOUT_MS, String(begin));
}

function ask(client: LineProcess, line: string, begin: RegExp): Promise<string> {
  const answer = lineOf(client, begin);
  client.send(line);
  return answer;
}

const LETTERS = /letters in \d+ commands/;
const OUTCOME = /^(not )?applied/;

async function quit(client: LineProcess, line: string | null = 'Q'): Promise<string> {
  const statistics = lineOf(client, /^applied \d+/);
  if (line === null) client.closeInput();
  else client.send(line);
  const text = await statistics;
  expect(await client.exited, client.errors.join('\n')).toEqual({ code: 0, signal: null });
  expect(client.errors.join('\n')).toMatch(/applied_index +\d+/);
  return text;
}

test('the README shows three forms: in memory, with a directory, and a cluster of three', () => {
  expect(FORMS).toEqual([
    './raft_client --single -i',
    './raft_client --dir /tmp/raft -i',
    './raft_client --dir /tmp/raft_A --port 9001 --peers localhost:9002,localhost:9003 -i',
    './raft_client --dir /tmp/raft_B --port 9002 --peers localhost:9003,localhost:9001 -i',
    './raft_client --dir /tmp/raft_C --port 9003 --peers localhost:9001,localhost:9002 -i',
  ]);
});

test('in memory: lines are counted, a snapshot is taken, and the next start knows nothing', async () => {
  const ports = await freePorts(1);
  const client = type(FORMS[0]!, ports);
  expect(await ask(client, 'Hello, world!', OUTCOME)).toBe('applied; 10 letters so far');
  expect(await ask(client, 'zz', OUTCOME)).toBe('applied; 12 letters so far');
  expect(await ask(client, 'S', /snapshot/)).toBe('snapshot taken');
  expect(await ask(client, '?', LETTERS)).toMatch(
    /^d 1, e 1, h 1, l 3, o 2, r 1, w 1, z 2; 12 letters in 2 /,
  );
  expect(await quit(client)).toMatch(/^applied 2 \([\d.]+ ms on average, [\d.]+ ms at most\)$/);
  const again = type(FORMS[0]!, ports);
  expect(await ask(again, '?', LETTERS)).toMatch(/^0 letters in 0 commands/);
  await quit(again, null);
}, 60_000);

test('with a directory: all is there again, from the log and from a snapshot, also after SIGKILL', async () => {
  const ports = await freePorts(1);
  let client = type(FORMS[1]!, ports);
  await ask(client, 'abc', OUTCOME);
  await ask(client, 'S', /^snapshot taken/);
  await ask(client, 'abcd', OUTCOME);
  const letters = await ask(client, '?', LETTERS);
  expect(letters).toMatch(/^a 2, b 2, c 2, d 1; 7 letters in 2 commands/);
  await quit(client);
  client = type(FORMS[1]!, ports);
  expect(await ask(client, 'e', OUTCOME)).toBe('applied; 8 letters so far');
  const before = await ask(client, '?', LETTERS);
  await client.kill('SIGKILL');
  client = type(FORMS[1]!, ports);
  await ask(client, 'f', OUTCOME);
  const after = await ask(client, '?', LETTERS);
  expect(after).toContain('9 letters in 4 commands');
  expect(before).toContain('8 letters in 3 commands');
  await quit(client);
}, 60_000);

test('runs by itself, with a snapshot after every period', async () => {
  const [port] = await freePorts(1);
  const client = type('./raft_client --single', [port!], '-n', '25', '-w', '100', '-s', '10');
  let snapshots = 0;
  client.on('line', (line) => {
    if (line === 'snapshot taken') snapshots++;
  });
  // Both are waited for from now on: they may come at once.
  await Promise.all([lineOf(client, /^25 runs made/), lineOf(client, /^applied 25 /)]);
  expect(await client.exited).toEqual({ code: 0, signal: null });
  expect(snapshots).toBe(2);
}, 60_000);

test('three of them: one leads, the others say who, the state is the same, and one may be killed', async () => {
  const ports = await freePorts(3);
  const three = FORMS.slice(2).map((form) => type(form, ports));
  const answers = [];
  for (const client of three) answers.push(await ask(client, 'hello', OUTCOME));
  const leader = answers.findIndex((answer) => answer === 'applied; 5 letters so far');
  expect(leader, answers.join('\n')).toBeGreaterThanOrEqual(0);
  answers.forEach((answer, i) => {
    if (i !== leader)
      expect(answer).toMatch(new RegExp(`^not applied: .*; that is 127.0.0.1:${ports[leader]!}$`));
  });
  const stateOf = (client: LineProcess): Promise<string> => ask(client, '?', LETTERS);
  const expectSame = async (clients: readonly LineProcess[]): Promise<string> => {
    let states: string[] = [];
    await waitUntil('the same letters', TIMEOUT_MS, async () => {
      states = [];
      for (const client of clients) states.push(await stateOf(client));
      return states.every((state) => state === states[0]);
    });
    return states[0]!;
  };
  expect(await expectSame(three)).toContain('e 1, h 1, l 2, o 1; 5 letters in 1 commands');

  await three[leader]!.kill('SIGKILL');
  const left = three.filter((_, i) => i !== leader);
  await waitUntil('another leader', TIMEOUT_MS, async () => {
    const outcomes = [];
    for (const client of left) outcomes.push(await ask(client, 'x', OUTCOME));
    return outcomes.some((outcome) => outcome.startsWith('applied'));
  });
  three[leader] = type(FORMS[2 + leader]!, ports);
  const state = await expectSame(three);
  expect(state).toMatch(/^e 1, h 1, l 2, o 1, x \d+;/);
  for (const client of three) await quit(client);
}, 120_000);

test('says how it is used, and what is wrong', async () => {
  for (const words of [
    [],
    ['--single'],
    ['-i', 'more'],
    ['-n', 'x'],
    ['--port', '70000', '-i'],
    ['--nothing', '-i'],
  ]) {
    const client = new LineProcess('raft_client', program, words);
    expect((await client.exited).code, words.join(' ')).toBe(2);
    expect(client.errors.join('\n')).toContain('usage: raft_client');
  }
  const unresolvable = new LineProcess('raft_client', program, ['--peers', 'nowhere.invalid:1', '-i']);
  expect((await unresolvable.exited).code).toBe(1);
  expect(unresolvable.errors.join('\n')).toContain('nowhere.invalid');
}, 60_000);
