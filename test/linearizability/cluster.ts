/** Three nodes, each in a process of its own, and a link of its own between any two of them. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configOf } from '../../scripts/tools/cluster-config.ts';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { LineProcess } from '../../scripts/tools/line-process.ts';
import { waitUntil } from '../scenario/wait-until.ts';
import { buildDirectory, type Runtime } from '../scenario/figures.ts';
import { Link, type LinkState } from './link.ts';

const NODES = 3;
const START_MS = 60_000;
const CONFIG = { tickms: 30, election_tick: 10, heartbeat_tick: 1, snap_count: 0 };
const program = join(buildDirectory, 'test/linearizability/linear_host');

/** `null`: no answer came. `no`: it will not take effect. */
export type Answer =
  { readonly kind: 'ok'; readonly value: number } | { readonly kind: 'no' | 'unknown' } | null;

export class Node {
  readonly id: number;
  readonly port: number;
  readonly directory: string;
  role = 'follower';
  process: LineProcess | null = null;
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private lastTag = 0;

  constructor(id: number, port: number, directory: string) {
    this.id = id;
    this.port = port;
    this.directory = directory;
  }

  async start(config: string, runtime: Runtime): Promise<void> {
    const path = join(this.directory, 'config.json');
    writeFileSync(path, config);
    if (!existsSync(program)) throw new Error(`${program} is missing; run: npm run build`);
    const host = new LineProcess(`node ${this.id}`, program, [path], {
      cwd: this.directory,
      environment: { POLYRAFT_RUNTIME: runtime },
    });
    this.role = 'follower';
    host.on('line', (line) => {
      if (this.process === host) this.take(line);
    });
    this.process = host;
    await host.waitForLine((line) => line === 'ready', START_MS, 'its start');
  }

  private take(line: string): void {
    const [first, kind, value] = line.split(' ');
    if (first === 'role') this.role = kind!;
    const resolve = this.waiting.get(Number(first));
    if (resolve === undefined) return;
    resolve(kind === 'ok' ? { kind, value: Number(value ?? 0) } : { kind: kind as 'no' | 'unknown' });
  }

  ask(request: string, timeoutMs: number): Promise<Answer> {
    const tag = ++this.lastTag;
    const host = this.process;
    if (host === null) return Promise.resolve({ kind: 'no' });
    return new Promise((resolve) => {
      const finish = (answer: Answer): void => {
        clearTimeout(timer);
        this.waiting.delete(tag);
        resolve(answer);
      };
      const timer = setTimeout(() => {
        finish(null);
      }, timeoutMs);
      this.waiting.set(tag, finish);
      host.send(`${tag} ${request}`);
    });
  }

  async kill(): Promise<void> {
    const host = this.process;
    this.process = null;
    this.role = 'dead';
    // Nobody will answer: what was asked may have been done.
    for (const finish of [...this.waiting.values()]) finish(null);
    await host?.kill('SIGKILL');
  }
}

export class LinkedCluster {
  readonly nodes: Node[] = [];
  private readonly directory = mkdtempSync(join(tmpdir(), 'polyraft-linear-'));
  /** By "from>to". */
  private readonly links = new Map<string, Link>();
  private readonly runtime: Runtime;

  private constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  static async start(runtime: Runtime): Promise<LinkedCluster> {
    const cluster = new LinkedCluster(runtime);
    const ports = await freePorts(NODES);
    ports.forEach((port, i) => {
      const directory = join(cluster.directory, String(i + 1));
      mkdirSync(directory);
      cluster.nodes.push(new Node(i + 1, port, directory));
    });
    for (const from of cluster.nodes) {
      for (const to of cluster.nodes) {
        if (from !== to) cluster.links.set(`${from.id}>${to.id}`, await Link.open(to.port));
      }
    }
    await Promise.all(cluster.nodes.map((node) => cluster.startNode(node)));
    await cluster.leader();
    return cluster;
  }

  startNode(node: Node): Promise<void> {
    const members = this.nodes.map((other) => ({
      id: other.id,
      raftPort: other === node ? other.port : this.links.get(`${node.id}>${other.id}`)!.port,
    }));
    return node.start(configOf(node.id, members, CONFIG), this.runtime);
  }

  /** Sets all links between a node and the others, in both directions. */
  isolate(node: Node, state: LinkState): void {
    for (const [name, link] of this.links) {
      if (name.split('>').includes(String(node.id))) link.set(state);
    }
  }

  mend(): void {
    for (const link of this.links.values()) link.set('up');
  }

  /** One that leads, as far as it knows. */
  async leader(): Promise<Node> {
    let found: Node | undefined;
    await waitUntil('a leader', START_MS, () => {
      found = this.nodes.find((node) => node.role === 'leader');
      return found !== undefined;
    });
    return found!;
  }

  async end(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    for (const link of this.links.values()) link.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
