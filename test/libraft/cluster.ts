/** Nodes of the libraft interface in processes of their own: started, killed, loaded, and compared at the end. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { buildDirectory } from '../scenario/figures.ts';
import { HostCluster, type HostNode, type Story } from '../scenario/host-cluster.ts';
import { HostError, LineHost, type LoadOptions } from '../scenario/line-host.ts';
import { waitUntil } from '../scenario/wait-until.ts';

const START_TIMEOUT_MS = 60_000;
const LEADER_TIMEOUT_MS = 60_000;
export const MILLISECOND = 1_000_000;
/** Quicker than the defaults, and still slow enough for a busy machine. */
const QUICK: Members = {
  HeartbeatTimeout: 400 * MILLISECOND,
  ElectionTimeout: 400 * MILLISECOND,
  LeaderLeaseTimeout: 300 * MILLISECOND,
};

/** RaftError, by its place. */
export const RaftError = {
  NOT_LEADER: 2,
  LEADERSHIP_LOST: 3,
  SHUTDOWN: 4,
  ENQUEUE_TIMEOUT: 5,
  KNOWN_PEER: 6,
  UNKNOWN_PEER: 7,
  OTHER: 12,
  RESOLVE: 15,
  IN_SHUTDOWN: 16,
} as const;

export type Members = Readonly<Record<string, number>>;

export interface Counts {
  readonly proposed: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  readonly faults: number;
  readonly lastFault: number;
  /** By RaftError: futures that ended so. */
  readonly byError: readonly number[];
}

export interface HostOptions {
  /** Counts commands only, and keeps no journal of them. */
  readonly isCounter?: boolean;
  readonly members?: Members;
  /** Of raft_getopt_long_opts. */
  readonly options: readonly string[];
}

/** One process with one node: test/libraft/host. */
export class LibraftHost extends LineHost {
  constructor(name: string, directory: string, { isCounter, members, options }: HostOptions) {
    super(name, join(buildDirectory, 'test/libraft/libraft_host'), [
      directory,
      isCounter === true ? 'counter' : 'machine',
      ...Object.entries({ ...QUICK, ...members }).map(([key, value]) => `${key}=${value}`),
      '--',
      ...options,
    ]);
  }

  /** The line that says how the start went. */
  started(): Promise<string> {
    return this.process.waitForLine(
      (line) => line.startsWith('ready ') || line.startsWith('failed '),
      START_TIMEOUT_MS,
      'its start',
    );
  }

  state(): Promise<string> {
    return this.command('state');
  }

  stats(): Promise<Record<string, string>> {
    return this.told<Record<string, string>>('stats');
  }

  /** The index of its newest snapshot; 0: none. */
  async snapshotIndex(): Promise<number> {
    return Number((await this.stats())['last_snapshot_index']);
  }

  /** Pid of the engine; -1 while there is none. */
  async child(): Promise<number> {
    return Number(await this.command('child'));
  }

  /** RaftError that a command ends with; 0: none. */
  async codeOf(command: string): Promise<number> {
    try {
      await this.command(command);
      return 0;
    } catch (error) {
      if (error instanceof HostError) return error.code;
      throw error;
    }
  }

  counts(): Promise<Counts> {
    return this.told<Counts>('counts');
  }

  /** Ends the load; every future must have ended within the time, each with what it may end with. */
  async quiet(timeoutMs = 40_000): Promise<Counts> {
    const counts = await this.told<Counts>(`quiet ${timeoutMs}`);
    expect(counts.faults, `futures that ended in another way, the last one with ${counts.lastFault}`).toBe(0);
    expect(counts.acknowledged + counts.refused + counts.unknown).toBe(counts.proposed);
    return counts;
  }
}

export interface Node extends HostNode<LibraftHost> {
  readonly port: number;
  /** It was not among the first ones, who name each other as peers. */
  readonly isStranger: boolean;
}

export class LibraftCluster extends HostCluster<LibraftHost, Node> {
  private readonly members: Members;
  private writers = 1;

  private constructor(members: Members) {
    super('libraft');
    this.members = members;
  }

  static async start(count: number, members: Members = {}): Promise<LibraftCluster> {
    const cluster = new LibraftCluster(members);
    for (const port of await freePorts(count)) cluster.add(`node${port}`, { port, isStranger: false });
    await Promise.all(cluster.nodes.map((node) => cluster.startNode(node)));
    return cluster;
  }

  /** A node that waits until a leader adds it. */
  async startStranger(): Promise<Node> {
    const [port] = await freePorts(1);
    const node = this.add(`node${port!}`, { port: port!, isStranger: true });
    await this.launch(node, []);
    return node;
  }

  async startNode(node: Node): Promise<LibraftHost> {
    const others = this.nodes
      .filter((other) => other !== node && !other.isStranger)
      .map(({ port }) => `localhost:${port}`);
    return this.launch(node, others.length === 0 ? ['--single'] : ['--peers', others.join(',')]);
  }

  private async launch(node: Node, peers: readonly string[]): Promise<LibraftHost> {
    const host = new LibraftHost(node.name, node.directory, {
      members: this.members,
      options: ['--dir', join(node.directory, 'data'), '--port', String(node.port), ...peers],
    });
    node.host = host;
    expect(await host.started()).toMatch(/^ready \d+$/);
    return host;
  }

  /** The node that a majority has confirmed as leader. */
  async leader(): Promise<Node> {
    let found: Node | undefined;
    await waitUntil('a leader', LEADER_TIMEOUT_MS, async () => {
      for (const node of this.nodes) {
        if (node.host === null || (await node.host.state()) !== 'leader') continue;
        if ((await node.host.codeOf('verify')) === 0) found = node;
      }
      return found !== undefined;
    });
    return found!;
  }

  async load(node: Node, options: Omit<LoadOptions, 'firstWriter'>): Promise<void> {
    await node.host!.load({ ...options, firstWriter: this.writers });
    this.writers += options.threads;
  }

  override async expectNothingLost(): Promise<Story> {
    const leader = await this.leader();
    await leader.host!.command('barrier');
    return super.expectNothingLost();
  }
}
