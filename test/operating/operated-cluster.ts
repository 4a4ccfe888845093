/** A cluster as its operator has it: host programs, each with an admin endpoint, and the polyraft command. */
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { ConfigValue } from '../../scripts/tools/cluster-config.ts';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { LineProcess } from '../../scripts/tools/line-process.ts';
import type { ClusterView } from '../../src-ts/admin/cluster-view.ts';
import { Cluster, type Node } from '../scenario/cluster.ts';
import { buildDirectory, isFull, runtimes, type Runtime } from '../scenario/figures.ts';
import type { Counts, Host } from '../scenario/host.ts';
import { waitUntil } from '../scenario/wait-until.ts';

const PATIENCE_MS = 60_000;
export const LOAD = { threads: 2, window: 8, bytes: 64, pauseUs: 2000 };

/** The runtime that servers have by default; all of them in full. */
export const operatedRuntimes = (): Runtime[] => (isFull ? runtimes() : runtimes().slice(-1));

export interface Answer {
  readonly code: number | null;
  readonly out: string;
  readonly problems: string;
}

/** Runs the command of the built tree. */
export async function polyraft(
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const command = new LineProcess('polyraft', join(buildDirectory, 'bin/polyraft'), words, { environment });
  const lines: string[] = [];
  command.on('line', (line) => lines.push(line));
  const { code } = await command.exited;
  return { code, out: lines.join('\n'), problems: command.errors.join('\n') };
}

interface Options {
  readonly runtime: Runtime;
  readonly nodes?: number;
  readonly ports?: readonly number[];
  readonly config?: Readonly<Record<string, ConfigValue>>;
}

/** Nodes of a cluster have ids up to that. */
const IDS_MAX = 5;

export class OperatedCluster {
  readonly hosts: Host[] = [];
  readonly cluster: Cluster;
  /** For what an operator has beside the nodes. */
  readonly desk: string;
  private readonly adminPorts: readonly number[];

  private constructor(cluster: Cluster, desk: string, adminPorts: readonly number[]) {
    this.cluster = cluster;
    this.desk = desk;
    this.adminPorts = adminPorts;
    this.hosts.push(...cluster.running);
  }

  static async start({ runtime, nodes = 3, ports, config = {} }: Options): Promise<OperatedCluster> {
    const adminPorts = await freePorts(IDS_MAX);
    const desk = mkdtempSync(join(tmpdir(), 'polyraft-operator-'));
    writeFileSync(join(desk, 'token'), 'correct-horse-battery-staple\n');
    const cluster = await Cluster.start({
      runtime,
      nodes,
      ...(ports === undefined ? {} : { ports }),
      config: (id) => ({
        admin_url: `http://127.0.0.1:${adminPorts[id - 1]}`,
        admin_token_file: join(desk, 'token'),
        ...config,
      }),
    });
    const operated = new OperatedCluster(cluster, desk, adminPorts);
    await cluster.leader();
    return operated;
  }

  adminUrl(id: number): string {
    return `http://127.0.0.1:${this.adminPorts[id - 1]}`;
  }

  /** The command, at the endpoint of a node. */
  polyraft(id: number, words: readonly string[]): Promise<Answer> {
    const tokenFile = join(this.desk, 'token');
    return polyraft(words, { POLYRAFT_ADMIN: this.adminUrl(id), POLYRAFT_TOKEN_FILE: tokenFile });
  }

  /** ... which must be done. */
  async done(id: number, words: readonly string[]): Promise<string> {
    const { code, out, problems } = await this.polyraft(id, words);
    if (code !== 0) throw new Error(`polyraft ${words.join(' ')}: exit code ${code}: ${problems}`);
    return out;
  }

  /** What `polyraft status` shows at a node; null when that cannot be reached. */
  async status(id: number): Promise<ClusterView | null> {
    const { out } = await this.polyraft(id, ['status', '--json']);
    return out === '' ? null : (JSON.parse(out) as ClusterView);
  }

  /** Waits until `polyraft status` at node `at` says of node `id` what the guide calls in sync. */
  async inSync(id: number, at: number): Promise<void> {
    await waitUntil(`node ${id} is in sync`, PATIENCE_MS, async () => {
      const view = await this.status(at);
      const row = view?.nodes.find((node) => node.id === String(id));
      return row?.reachable === true && row.role !== null && row.behind !== null && row.behind < 100;
    });
  }

  async startNode(node: Node, changes: Readonly<Record<string, ConfigValue>> = {}): Promise<Host> {
    const host = await this.cluster.startNode(node, changes);
    this.hosts.push(host);
    return host;
  }

  /** Stops a server, and its process when all proposals have their outcome. */
  async stopNode(node: Node, how: 'stop' | 'handover' = 'stop'): Promise<Counts> {
    const host = node.host!;
    await host.command(how);
    const counts = await host.quiet();
    node.host = null;
    host.process.closeInput();
    expect(await host.process.exited).toEqual({ code: 0, signal: null });
    return counts;
  }

  /** Brings the directories of a node that is stopped to other places. */
  moveDirectories(node: Node, places: { readonly waldir: string; readonly snapdir: string }): void {
    for (const [from, to] of [
      [walOf(node), places.waldir],
      [snapOf(node), places.snapdir],
    ] as const) {
      cpSync(from, to, { recursive: true });
      rmSync(from, { recursive: true });
    }
  }

  async quiet(): Promise<void> {
    await Promise.all(this.cluster.running.map((host) => host.quiet()));
  }

  async end(): Promise<void> {
    await this.cluster.end();
    rmSync(this.desk, { recursive: true, force: true });
  }
}

export const walOf = (node: Node): string => join(node.directory, `wal${node.id}`);
export const snapOf = (node: Node): string => join(node.directory, `snap${node.id}`);

/** Copies, or puts back, the waldir and snapdir of a node. */
export function copyDirectories(from: string, to: string, node: Node): void {
  for (const name of [`wal${node.id}`, `snap${node.id}`]) {
    rmSync(join(to, name), { recursive: true, force: true });
    cpSync(join(from, name), join(to, name), { recursive: true });
  }
}

export function newestSnapshot(node: Node): string {
  const names = readdirSync(snapOf(node)).filter((name) => name.endsWith('.snap'));
  return join(snapOf(node), names.sort().at(-1)!);
}
