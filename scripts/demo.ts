/**
 * The demo: three kv_servers, 20,000 writes, the leader killed midway. Everything that is printed at the end was
 * measured; a wrong figure ends the demo with status 1.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { configOf, type Member } from './tools/cluster-config.ts';
import { freePorts } from './tools/free-ports.ts';
import { LineProcess, run } from './tools/line-process.ts';
import { textTable } from './tools/text-table.ts';

const WRITES = 20_000;
const KILL_AT = 0.45;
const START_TIMEOUT_MS = 30_000;
const LEADER_TIMEOUT_MS = 30_000;
const CATCH_UP_TIMEOUT_MS = 30_000;
const BAR_WIDTH = 40;

const programs = resolve(process.env.POLYRAFT_BUILD_DIR ?? 'build', 'examples');
const isTerminal = process.stdout.isTTY;

interface Node extends Member {
  readonly clientPort: number;
  process: LineProcess | null;
}

interface Election {
  readonly id: number;
  readonly atMs: number;
}

class Demo {
  private readonly directory = mkdtempSync(join(tmpdir(), 'polyraft-demo-'));
  private readonly elections: Election[] = [];
  private nodes: Node[] = [];
  private shownAtMs = 0;

  async run(): Promise<boolean> {
    const ports = await freePorts(6);
    this.nodes = [1, 2, 3].map((id) => ({
      id,
      raftPort: ports[id - 1]!,
      clientPort: ports[id + 2]!,
      process: null,
    }));
    this.say(`three servers in ${this.directory}, raft on ${ports.slice(0, 3).join(', ')}`);
    await Promise.all(this.nodes.map((node) => this.start(node)));
    await this.waitFor('a leader', LEADER_TIMEOUT_MS, () => this.elections.length > 0);
    const status = await this.ask(this.leader(), 'status');
    const runtime = /"runtime":"(\w+)"/.exec(status.output)?.[1] ?? 'unknown';
    this.say(
      `server ${this.leader().id} leads (${runtime} runtime); writing ${WRITES.toLocaleString('en')} keys`,
    );

    const killed: { node: Node; atMs: number }[] = [];
    let acknowledged = 0;
    const startedAt = performance.now();
    const load = await run(
      this.program('kv_client'),
      ['--progress', this.endpoints(), 'load', String(WRITES)],
      (line) => {
        const [word, done] = line.split(' ');
        if (word !== 'progress') return;
        acknowledged = Number(done);
        this.showBar(acknowledged);
        if (killed.length > 0 || acknowledged < WRITES * KILL_AT || acknowledged === WRITES) return;
        const node = this.leader();
        killed.push({ node, atMs: performance.now() });
        void node.process!.kill('SIGKILL');
        this.interrupt(
          `killed server ${node.id}, the leader, with SIGKILL after ${acknowledged.toLocaleString('en')} writes`,
        );
      },
    );
    const seconds = (performance.now() - startedAt) / 1000;
    if (!load.isSuccess) throw new Error(`the load failed: ${load.errors}\n${load.output}`);
    const [kill] = killed;
    if (kill === undefined) throw new Error('the load ended before the leader could be killed');

    this.say(`server ${kill.node.id} starts again`);
    await kill.node.process!.exited;
    await this.start(kill.node);
    const digest = await this.waitForOneDigest();
    this.say(`all three state machines have the digest ${digest}; reading every key back from each`);
    const found = await Promise.all(this.nodes.map((node) => this.countKeys(node)));

    const next = this.elections.find((election) => election.atMs > kill.atMs);
    if (next === undefined) throw new Error('no leader was elected after the first one was killed');
    const lost = WRITES - Math.min(...found);
    const pause = /longest pause (\d+) ms/.exec(load.output)?.[1] ?? '?';
    this.say('');
    console.log(
      textTable([
        ['elections', String(this.elections.length)],
        ['time without a leader', `${Math.round(next.atMs - kill.atMs)} ms`],
        ['longest pause between acknowledgements', `${pause} ms`],
        ['writes acknowledged', String(acknowledged)],
        ['writes lost', String(lost)],
        ['writes/s (with the pause)', String(Math.round(WRITES / seconds))],
      ]),
    );
    return acknowledged === WRITES && lost === 0;
  }

  private program(name: string): string {
    return join(programs, name);
  }

  private async start(node: Node): Promise<void> {
    const config = join(this.directory, `config${node.id}.json`);
    writeFileSync(config, configOf(node.id, this.nodes));
    const server = new LineProcess(
      `server ${node.id}`,
      this.program('kv_server'),
      [config, String(node.clientPort)],
      {
        cwd: this.directory,
      },
    );
    node.process = server;
    server.on('line', (line) => {
      if (line === 'role leader') this.elections.push({ id: node.id, atMs: performance.now() });
    });
    await server.waitForLine((line) => line === 'ready', START_TIMEOUT_MS, 'its start');
  }

  private leader(): Node {
    const id = this.elections.at(-1)?.id;
    return this.nodes.find((node) => node.id === id)!;
  }

  private endpoint(node: Node): string {
    return `${node.id}=127.0.0.1:${node.clientPort}`;
  }

  private endpoints(): string {
    return this.nodes.map((node) => this.endpoint(node)).join(',');
  }

  private async ask(
    node: Node,
    ...command: string[]
  ): Promise<{ readonly isSuccess: boolean; readonly output: string }> {
    return run(this.program('kv_client'), ['--stay', '--patience', '10000', this.endpoint(node), ...command]);
  }

  private async waitForOneDigest(): Promise<string> {
    let digests: string[] = [];
    await this.waitFor('equal digests', CATCH_UP_TIMEOUT_MS, async () => {
      const answers = await Promise.all(this.nodes.map((node) => this.ask(node, 'digest')));
      digests = answers.map((answer) => /digest=(\w+)/.exec(answer.output)?.[1] ?? 'none');
      return digests[0] !== 'none' && digests.every((digest) => digest === digests[0]);
    });
    return digests[0]!;
  }

  /** How many of the keys this server's state machine has, with the right value. */
  private async countKeys(node: Node): Promise<number> {
    const answer = await this.ask(node, 'verify', String(WRITES));
    return Number(/verified (\d+) of/.exec(answer.output)?.[1] ?? 0);
  }

  private async waitFor(
    what: string,
    timeoutMs: number,
    isDone: () => boolean | Promise<boolean>,
  ): Promise<void> {
    const until = performance.now() + timeoutMs;
    while (!(await isDone())) {
      const dead = this.nodes.find((node) => node.process?.isRunning === false);
      if (dead !== undefined) throw new Error(`server ${dead.id} ended:\n${dead.process!.errors.join('\n')}`);
      if (performance.now() > until) throw new Error(`no ${what} within ${timeoutMs / 1000} s`);
      await delay(50);
    }
  }

  private say(text: string): void {
    console.log(text);
  }

  private showBar(done: number): void {
    const isLast = done === WRITES;
    const now = performance.now();
    if (!isLast && now - this.shownAtMs < (isTerminal ? 50 : 1000)) return;
    this.shownAtMs = now;
    const filled = Math.round((done / WRITES) * BAR_WIDTH);
    const bar = `[${'#'.repeat(filled)}${' '.repeat(BAR_WIDTH - filled)}] ${done.toLocaleString('en').padStart(6)}`;
    process.stdout.write(isTerminal && !isLast ? `\r${bar}` : `${isTerminal ? '\r' : ''}${bar}\n`);
  }

  /** A line in the middle of the bar. */
  private interrupt(text: string): void {
    process.stdout.write(`${isTerminal ? `\r${' '.repeat(BAR_WIDTH + 12)}\r` : ''}${text}\n`);
  }

  async cleanUp(): Promise<void> {
    await Promise.all(this.nodes.map((node) => this.end(node)));
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async end(node: Node): Promise<void> {
    if (node.process === null) return;
    const timer = setTimeout(() => void node.process!.kill('SIGKILL'), 10_000);
    await node.process.kill('SIGTERM');
    clearTimeout(timer);
  }
}

async function main(): Promise<void> {
  const demo = new Demo();
  let isStopped = false;
  const stop = (): void => {
    isStopped = true;
    void demo.cleanUp().then(() => {
      process.exit(130);
    });
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    process.exitCode = (await demo.run()) ? 0 : 1;
  } catch (error) {
    if (!isStopped) console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  } finally {
    await demo.cleanUp();
  }
}

void main();
