/** The example programs of raft_step. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { LineProcess } from '../../scripts/tools/line-process.ts';
import { buildDirectory } from './figures.ts';
import { waitUntil } from './wait-until.ts';

const program = (name: string): string => join(buildDirectory, 'examples', name);

/** Without libnode neither the library is built nor what uses it. */
const hasLibrary = existsSync(join(buildDirectory, 'lib/libpolyraft-craft.so'));

describe.skipIf(!hasLibrary)('step_loop', () => {
  const run = (seed: number): string =>
    execFileSync(program('step_loop'), [String(seed)], { encoding: 'utf8' });

  test('goes through its phases, in the same way for the same seed', () => {
    const first = run(7);
    expect([...first.matchAll(/ms {2}([A-Z]+(?: UP)?):/g)].map((match) => match[1])).toEqual([
      'ELECT',
      'REPLICATE',
      'PARTITION',
      'CRASH',
      'TRANSFER',
      'CATCH UP',
      'DONE',
    ]);
    for (const color of ['red', 'green', 'blue', 'violet', 'white'])
      expect(first).toMatch(new RegExp(`committed by server \\d: "${color}"`));
    expect(first).not.toContain('"lost"');
    expect(run(7)).toBe(first);
    expect(run(8)).not.toBe(first);
  });
});

const PATIENCE_MS = 60_000;

/** One step_uv, with what it has said. */
class Server {
  readonly id: number;
  readonly directory: string;
  readonly process: LineProcess;
  state = '';
  entriesAtStart = 0;
  readonly applied: string[] = [];

  constructor(id: number, directory: string, addresses: readonly string[]) {
    this.id = id;
    this.directory = directory;
    this.process = new LineProcess(`step_uv ${id}`, program('step_uv'), [
      String(id),
      directory,
      ...addresses,
    ]);
    this.process.on('line', (line) => {
      const words = /^(?:applied \d+ (.*)|(\w+ of term \d+)|server \d+ at \S+ has (\d+) entries)$/.exec(line);
      if (words?.[1] !== undefined) this.applied.push(words[1]);
      if (words?.[2] !== undefined) this.state = words[2];
      if (words?.[3] !== undefined) this.entriesAtStart = Number(words[3]);
    });
  }
}

class Cluster {
  private directory = '';
  private addresses: string[] = [];
  readonly servers = new Map<number, Server>();

  async start(): Promise<void> {
    this.directory = mkdtempSync(join(tmpdir(), 'polyraft-step-uv-'));
    this.addresses = (await freePorts(3)).map((port) => `127.0.0.1:${port}`);
    for (const id of [1, 2, 3]) this.startServer(id);
  }

  startServer(id: number): Server {
    const server = new Server(id, join(this.directory, String(id)), this.addresses);
    this.servers.set(id, server);
    return server;
  }

  async kill(server: Server): Promise<void> {
    this.servers.delete(server.id);
    expect(await server.process.kill('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });
  }

  get leader(): Server | undefined {
    const term = ({ state }: Server): number => Number(/\d+$/.exec(state)?.[0] ?? 0);
    const leaders = [...this.servers.values()].filter(({ state }) => state.startsWith('leader'));
    return leaders.sort((a, b) => term(b) - term(a))[0];
  }

  private report(): string {
    const lines = [...this.servers.values()].flatMap(({ id, state, applied, process }) => [
      `${id}: ${state}; ${applied.join()}`,
      ...process.errors,
    ]);
    return lines.join('\n');
  }

  /** All have applied it; asked for again where the leader has changed meanwhile. */
  async commit(text: string): Promise<void> {
    let asked = '';
    const isCommitted = (): boolean => {
      const { leader } = this;
      if (leader !== undefined && asked !== `${leader.id} ${leader.state}`) {
        asked = `${leader.id} ${leader.state}`;
        leader.process.send(text);
      }
      return [...this.servers.values()].every(({ applied }) => applied.includes(text));
    };
    await waitUntil(text, PATIENCE_MS, isCommitted).catch((error: unknown) => {
      throw new Error(this.report(), { cause: error });
    });
  }

  async end(): Promise<void> {
    await Promise.all([...this.servers.values()].map(({ process }) => process.kill('SIGKILL')));
    this.servers.clear();
    if (this.directory !== '') rmSync(this.directory, { recursive: true, force: true });
  }
}

describe.skipIf(!existsSync(program('step_uv')))('step_uv', () => {
  const cluster = new Cluster();
  afterEach(() => cluster.end());

  test('three processes elect, replicate, lose their leader, and go on from their files', async () => {
    await cluster.start();
    await cluster.commit('red');
    await cluster.commit('green');

    const killed = cluster.leader!;
    await cluster.kill(killed);
    await cluster.commit('blue');
    expect(cluster.leader!.id).not.toBe(killed.id);
    // As a crash leaves it in the middle of a write.
    appendFileSync(join(killed.directory, 'log'), 'torn');
    const restarted = cluster.startServer(killed.id);
    await cluster.commit('violet');
    // The last ones may have been committed by the others before its own disk had them.
    expect(restarted.entriesAtStart).toBeGreaterThanOrEqual(2);

    const before = [...cluster.servers.values()];
    for (const server of before) await cluster.kill(server);
    for (const { id } of before) cluster.startServer(id);
    await cluster.commit('white');
    const started = [...cluster.servers.values()];
    for (const { applied } of started)
      expect([...new Set(applied)]).toEqual(['red', 'green', 'blue', 'violet', 'white']);
    expect(started.filter(({ entriesAtStart }) => entriesAtStart >= 7).length).toBeGreaterThanOrEqual(2);
    const [last] = cluster.servers.values();
    expect(await last!.process.kill('SIGTERM')).toEqual({ code: 0, signal: null });
  }, 300_000);

  test('says how it is used, and what is wrong', async () => {
    const wrong = async (...args: string[]): Promise<string> => {
      const server = new LineProcess('step_uv', program('step_uv'), args);
      expect((await server.exited).code).not.toBe(0);
      return server.errors.join('\n');
    };
    expect(await wrong('1')).toContain('usage:');
    expect(await wrong('2', '/tmp', '127.0.0.1:1')).toContain('usage:');
    expect(await wrong('1', '/dev/null', '127.0.0.1:x')).toContain("'127.0.0.1:x' is not IPv4:port");
    const [port] = await freePorts(1);
    expect(await wrong('1', '/dev/null', `127.0.0.1:${port!}`)).toContain('/dev/null/log');
  });
});
