/** Servers in processes of their own, for one scenario: started, killed, loaded, and compared at the end. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { configOf, peerUrl, type ConfigValue } from '../../scripts/tools/cluster-config.ts';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import type { Runtime } from './figures.ts';
import { Host, type Digest, type LoadOptions, type Status } from './host.ts';
import { checkJournals, readJournal, type JournalReport } from './journal.ts';

const LEADER_TIMEOUT_MS = 60_000;
const AGREE_TIMEOUT_MS = 60_000;
const POLL_MS = 50;
/** Writers of one process have the ids from its number times this on. */
const WRITERS_PER_PROCESS = 100;

export interface ClusterOptions {
  readonly runtime: Runtime;
  readonly nodes: number;
  readonly config?: Readonly<Record<string, ConfigValue>>;
}

export interface Node {
  readonly id: number;
  readonly raftPort: number;
  readonly directory: string;
  host: Host | null;
}

export async function waitUntil(
  what: string,
  timeoutMs: number,
  isDone: () => boolean | Promise<boolean>,
): Promise<void> {
  const until = performance.now() + timeoutMs;
  while (!(await isDone())) {
    if (performance.now() > until) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await delay(POLL_MS);
  }
}

export class Cluster {
  readonly nodes: Node[] = [];
  private readonly directory = mkdtempSync(join(tmpdir(), 'polyraft-scenario-'));
  private readonly options: ClusterOptions;
  private processes = 0;

  private constructor(options: ClusterOptions) {
    this.options = options;
  }

  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options);
    const ports = await freePorts(options.nodes);
    ports.forEach((port, i) => {
      cluster.addNode(i + 1, port);
    });
    await Promise.all(cluster.nodes.map((node) => cluster.startNode(node)));
    return cluster;
  }

  private addNode(id: number, raftPort: number): Node {
    const directory = join(this.directory, `node${id}`);
    mkdirSync(directory);
    const node: Node = { id, raftPort, directory, host: null };
    this.nodes.push(node);
    return node;
  }

  /** A node that is no member yet, with the directories and the port it will have. */
  async prepareNode(id: number): Promise<Node> {
    const [port] = await freePorts(1);
    return this.addNode(id, port!);
  }

  urlOf(node: Node): string {
    return peerUrl(node.raftPort);
  }

  node(id: number): Node {
    return this.nodes.find((node) => node.id === id)!;
  }

  /** `first` are commands before the server is started. */
  async startNode(
    node: Node,
    changes: Readonly<Record<string, ConfigValue>> = {},
    first: readonly string[] = [],
  ): Promise<Host> {
    const path = join(node.directory, 'config.json');
    writeFileSync(path, configOf(node.id, this.nodes, { ...this.options.config, ...changes }));
    const host = new Host(`node ${node.id}`, node.directory, this.options.runtime);
    node.host = host;
    this.processes++;
    for (const command of first) await host.command(command);
    await host.start(path);
    return host;
  }

  async killNode(node: Node): Promise<void> {
    const { host } = node;
    node.host = null;
    await host?.kill();
  }

  get running(): Host[] {
    return this.nodes.flatMap((node) => (node.host === null ? [] : [node.host]));
  }

  /** The node that a majority of the running ones would name. */
  async leader(): Promise<Node> {
    let found: Node | undefined;
    await waitUntil('a leader', LEADER_TIMEOUT_MS, async () => {
      const leaders = this.nodes.filter((node) => node.host?.role === 'leader');
      if (leaders.length === 0) return false;
      const statuses = await Promise.all(leaders.map((node) => this.statusOf(node)));
      const terms = statuses.map((status) => (status?.role === 'leader' ? status.term : 0));
      const highest = Math.max(...terms);
      if (highest > 0) found = leaders[terms.indexOf(highest)];
      return found !== undefined;
    });
    return found!;
  }

  /** Null while the node cannot tell (its engine is being restarted). */
  private async statusOf(node: Node): Promise<Status | null> {
    try {
      return (await node.host?.status()) ?? null;
    } catch {
      return null;
    }
  }

  /** Writes on a node until its host is told to be quiet, or ends. */
  async load(node: Node, options: Omit<LoadOptions, 'firstWriter'>): Promise<void> {
    await node.host!.load({
      ...options,
      firstWriter: this.processes * 1000 * WRITERS_PER_PROCESS + node.id * 64,
    });
    this.processes++;
  }

  async loadAll(options: Omit<LoadOptions, 'firstWriter'>): Promise<void> {
    for (const node of this.nodes) if (node.host !== null) await this.load(node, options);
  }

  /** Waits until all running state machines are the same. */
  async agree(): Promise<Digest> {
    let digests: Digest[] = [];
    const isSame = async (): Promise<boolean> => {
      digests = await Promise.all(this.running.map((host) => host.digest()));
      return digests.every(
        (digest) => digest.chain === digests[0]!.chain && digest.count === digests[0]!.count,
      );
    };
    try {
      // Twice, so that a moment between two entries does not count.
      await waitUntil(
        'equal state machines',
        AGREE_TIMEOUT_MS,
        async () => (await isSame()) && (await isSame()),
      );
    } catch (error) {
      throw new Error(`the state machines differ: ${JSON.stringify(digests)}`, { cause: error });
    }
    return digests[0]!;
  }

  /**
   * The promise of the whole library: all state machines are the same, every acknowledged write is in each of them,
   * and all that was ever applied is one sequence without gaps or repetitions.
   */
  async expectNothingLost(): Promise<{
    readonly digest: Digest;
    readonly acknowledged: number;
    readonly report: JournalReport;
  }> {
    const digest = await this.agree();
    expect(digest.duplicates, 'proposals that were applied twice').toBe(0);
    let acknowledged = 0;
    for (const { directory } of this.nodes) {
      const path = join(directory, 'acknowledged');
      if (!existsSync(path)) continue;
      acknowledged += Math.floor(readFileSync(path).length / 32);
      const missing = await Promise.all(this.running.map((host) => host.missing(path)));
      expect(missing, `acknowledged writes of ${path} that a node does not have`).toEqual(
        missing.map(() => 0),
      );
    }
    const written = this.nodes.filter((node) => existsSync(join(node.directory, 'journal')));
    const journals = new Map(
      written.map((node) => [`node ${node.id}`, readJournal(join(node.directory, 'journal'))]),
    );
    const report = checkJournals(journals);
    expect(report.faults, 'faults in what was applied').toEqual([]);
    expect(report.entries).toBe(digest.count);
    return { digest, acknowledged, report };
  }

  async end(): Promise<void> {
    await Promise.all(this.nodes.map((node) => this.killNode(node)));
    rmSync(this.directory, { recursive: true, force: true });
  }
}
