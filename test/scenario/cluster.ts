/** Servers in processes of their own, for one scenario: started, killed, loaded, and compared at the end. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { configOf, peerUrl, type ConfigValue } from '../../scripts/tools/cluster-config.ts';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import type { Runtime } from './figures.ts';
import { HostCluster, type HostNode } from './host-cluster.ts';
import { Host, type Status } from './host.ts';
import type { LoadOptions } from './line-host.ts';
import { waitUntil } from './wait-until.ts';

const LEADER_TIMEOUT_MS = 60_000;
/** Writers of one process have the ids from its number times this on. */
const WRITERS_PER_PROCESS = 100;

type Changes = Readonly<Record<string, ConfigValue>>;

export interface ClusterOptions {
  readonly runtime: Runtime;
  readonly nodes: number;
  /** Where they listen; free ports when left out. */
  readonly ports?: readonly number[];
  /** Put over the configuration of each node. */
  readonly config?: Changes | ((id: number) => Changes);
}

export interface Node extends HostNode<Host> {
  readonly id: number;
  readonly raftPort: number;
}

export class Cluster extends HostCluster<Host, Node> {
  private readonly options: ClusterOptions;
  private processes = 0;

  private constructor(options: ClusterOptions) {
    super('scenario');
    this.options = options;
  }

  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options);
    const ports = options.ports ?? (await freePorts(options.nodes));
    ports.forEach((port, i) => {
      cluster.addNode(i + 1, port);
    });
    await Promise.all(cluster.nodes.map((node) => cluster.startNode(node)));
    return cluster;
  }

  private addNode(id: number, raftPort: number): Node {
    return this.add(`node${id}`, { id, raftPort });
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
  async startNode(node: Node, changes: Changes = {}, first: readonly string[] = []): Promise<Host> {
    const { config } = this.options;
    const own = typeof config === 'function' ? config(node.id) : config;
    const path = join(node.directory, 'config.json');
    writeFileSync(path, configOf(node.id, this.nodes, { ...own, ...changes }));
    const host = new Host(node.name, node.directory, this.options.runtime);
    node.host = host;
    this.processes++;
    for (const command of first) await host.command(command);
    await host.start(path);
    return host;
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
}
