/** Three kv_servers of examples-c, and connections that speak their line protocol. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { configOf, type ConfigValue } from '../../scripts/tools/cluster-config.ts';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { LineProcess, run } from '../../scripts/tools/line-process.ts';
import { buildDirectory, type Runtime } from './figures.ts';

const TIMEOUT_MS = 60_000;

export interface KvNode {
  readonly id: number;
  readonly raftPort: number;
  readonly clientPort: number;
  process: LineProcess;
}

type Changes = Readonly<Record<string, ConfigValue>>;

export class KvCluster {
  readonly directory = mkdtempSync(join(tmpdir(), 'polyraft-kv-'));
  readonly nodes: KvNode[] = [];
  private readonly runtime: Runtime;
  private readonly configOf: (id: number) => Changes;

  /** `config` is put over that of each node. */
  constructor(runtime: Runtime, config: Changes | ((id: number) => Changes) = {}) {
    this.runtime = runtime;
    this.configOf = typeof config === 'function' ? config : () => config;
  }

  static program(name: string): string {
    return join(buildDirectory, 'examples', name);
  }

  async start(count: number): Promise<void> {
    const ports = await freePorts(2 * count);
    const members = Array.from({ length: count }, (_, i) => ({ id: i + 1, raftPort: ports[2 * i]! }));
    for (const [i, member] of members.entries()) {
      const clientPort = ports[2 * i + 1]!;
      const text = configOf(member.id, members, this.configOf(member.id));
      this.nodes.push({ ...member, clientPort, process: this.spawn(member.id, clientPort, text) });
    }
    const leader = Promise.race(this.nodes.map((node) => this.waitFor(node, 'role leader')));
    await Promise.all(this.nodes.map((node) => this.waitFor(node, 'ready')));
    await leader;
  }

  /** A server that has been added to the cluster. */
  async join(id: number, raftPort: number): Promise<KvNode> {
    const [clientPort] = await freePorts(1);
    const members = [...this.nodes, { id, raftPort }];
    const text = configOf(id, members, { ...this.configOf(id), join: true });
    const node = { id, raftPort, clientPort: clientPort!, process: this.spawn(id, clientPort!, text) };
    this.nodes.push(node);
    await this.waitFor(node, 'ready');
    return node;
  }

  configPath(id: number): string {
    return join(this.directory, `config${id}.json`);
  }

  private spawn(id: number, clientPort: number, config: string): LineProcess {
    writeFileSync(this.configPath(id), config);
    return this.run(id, clientPort);
  }

  private run(id: number, clientPort: number): LineProcess {
    const parameters = [this.configPath(id), String(clientPort)];
    return new LineProcess(`kv_server ${id}`, KvCluster.program('kv_server'), parameters, {
      cwd: this.directory,
      environment: { POLYRAFT_RUNTIME: this.runtime },
    });
  }

  /** Starts the server of a process that has ended, as it was. */
  async restart(node: KvNode): Promise<void> {
    node.process = this.run(node.id, node.clientPort);
    await this.waitFor(node, 'ready');
  }

  waitFor(node: KvNode, line: string): Promise<string> {
    return node.process.waitForLine((text) => text === line || text.startsWith(`${line} `), TIMEOUT_MS, line);
  }

  endpoints(nodes: readonly KvNode[] = this.nodes): string {
    return nodes.map((node) => `${node.id}=127.0.0.1:${node.clientPort}`).join(',');
  }

  client(nodes: readonly KvNode[], ...words: string[]): ReturnType<typeof run> {
    return run(KvCluster.program('kv_client'), ['--patience', '20000', this.endpoints(nodes), ...words]);
  }

  async end(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.process.kill('SIGKILL')));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** One connection; requests are sent as they are. */
export class KvConnection {
  private readonly socket: Socket;
  private readonly answers: string[] = [];
  private readonly waiting: ((line: string) => void)[] = [];
  readonly closed: Promise<void>;

  constructor(node: KvNode) {
    this.socket = connect(node.clientPort, '127.0.0.1');
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      this.socket.once('close', () => {
        resolve();
      });
    });
    const lines = createInterface({ input: this.socket });
    // It repeats the socket's.
    lines.on('error', () => undefined);
    lines.on('line', (line) => {
      const next = this.waiting.shift();
      if (next === undefined) this.answers.push(line);
      else next(line);
    });
  }

  send(text: string): void {
    this.socket.write(text);
  }

  nextAnswer(): Promise<string> {
    const ready = this.answers.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    return new Promise((resolve) => {
      this.waiting.push(resolve);
    });
  }

  ask(line: string): Promise<string> {
    this.send(`${line}\n`);
    return this.nextAnswer();
  }

  end(): void {
    this.socket.destroy();
  }
}
