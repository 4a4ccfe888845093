/** Nodes of the libraft interface in processes of their own: started, killed, loaded, and compared at the end. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { LineProcess } from '../../scripts/tools/line-process.ts';
import { waitUntil } from '../scenario/cluster.ts';
import { buildDirectory } from '../scenario/figures.ts';
import { checkJournals, readJournal, type JournalReport } from '../scenario/journal.ts';

const ANSWER_TIMEOUT_MS = 60_000;
const LEADER_TIMEOUT_MS = 60_000;
const AGREE_TIMEOUT_MS = 60_000;
const RECORD_BYTES = 32;
const MILLISECOND = 1_000_000;
/** Quicker than the defaults, and still slow enough for a busy machine. */
const QUICK: Members = { HeartbeatTimeout: 400 * MILLISECOND, ElectionTimeout: 400 * MILLISECOND };

/** RaftError, by its place. */
export const RaftError = {
  NOT_LEADER: 2,
  OTHER: 12,
  KNOWN_PEER: 6,
  UNKNOWN_PEER: 7,
  RESOLVE: 15,
  IN_SHUTDOWN: 16,
};

export type Members = Readonly<Record<string, number>>;

export interface Counts {
  readonly proposed: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  readonly faults: number;
  readonly lastFault: number;
}

export interface Digest {
  readonly count: number;
  readonly chain: string;
  readonly duplicates: number;
}

export interface Load {
  readonly threads: number;
  readonly window: number;
  readonly bytes: number;
  readonly pauseUs: number;
}

/** A command that the host answered with an error. */
export class LibraftError extends Error {
  override readonly name = 'LibraftError';
  readonly code: number;

  constructor(code: number, text: string) {
    super(`error ${code}: ${text}`);
    this.code = code;
  }
}

export interface HostOptions {
  /** Counts commands only, and keeps no journal of them. */
  readonly isCounter?: boolean;
  readonly members?: Members;
  /** Of raft_getopt_long_opts. */
  readonly options: readonly string[];
}

/** One process with one node: test/libraft/host. */
export class LibraftHost {
  readonly process: LineProcess;
  private last: Promise<unknown> = Promise.resolve();

  constructor(name: string, directory: string, { isCounter, members, options }: HostOptions) {
    const settings = Object.entries({ LeaderLeaseTimeout: 300 * MILLISECOND, ...QUICK, ...members });
    this.process = new LineProcess(name, join(buildDirectory, 'test/libraft/libraft_host'), [
      directory,
      isCounter === true ? 'counter' : 'machine',
      ...settings.map(([key, value]) => `${key}=${value}`),
      '--',
      ...options,
    ]);
  }

  /** The line that says how the start went. */
  started(): Promise<string> {
    return this.process.waitForLine(
      (line) => line.startsWith('ready ') || line.startsWith('failed '),
      ANSWER_TIMEOUT_MS,
      'its start',
    );
  }

  command(line: string, timeoutMs = ANSWER_TIMEOUT_MS): Promise<string> {
    const answer = this.last.then(() => this.ask(line, timeoutMs));
    this.last = answer.catch(() => undefined);
    return answer;
  }

  private async ask(line: string, timeoutMs: number): Promise<string> {
    const isAnswer = (text: string): boolean => text.startsWith('answer ') || text.startsWith('error ');
    const waiting = this.process.waitForLine(isAnswer, timeoutMs, `the answer to "${line}"`);
    this.process.send(line);
    const [, kind, text] = /^(\w+) (.*)$/.exec(await waiting)!;
    if (kind === 'answer') return text!;
    const [, code, reason] = /^(-?\d+) (.*)$/.exec(text!)!;
    throw new LibraftError(Number(code), reason!);
  }

  state(): Promise<string> {
    return this.command('state');
  }

  async stats(): Promise<Record<string, string>> {
    return JSON.parse(await this.command('stats')) as Record<string, string>;
  }

  /** Pid of the engine; -1 while there is none. */
  async child(): Promise<number> {
    return Number(await this.command('child'));
  }

  async digest(): Promise<Digest> {
    return JSON.parse(await this.command('digest')) as Digest;
  }

  /** Ends the load; every future must have ended within the time, each with what it may end with. */
  async quiet(timeoutMs = 40_000): Promise<Counts> {
    const counts = JSON.parse(await this.command(`quiet ${timeoutMs}`)) as Counts;
    expect(counts.faults, `futures that ended in another way, the last one with ${counts.lastFault}`).toBe(0);
    expect(counts.acknowledged + counts.refused + counts.unknown).toBe(counts.proposed);
    return counts;
  }
}

export interface Node {
  readonly port: number;
  readonly directory: string;
  host: LibraftHost | null;
}

export class LibraftCluster {
  readonly nodes: Node[] = [];
  readonly directory = mkdtempSync(join(tmpdir(), 'polyraft-libraft-'));
  private readonly members: Members;
  private writers = 1;

  private constructor(members: Members) {
    this.members = members;
  }

  static async start(count: number, members: Members = {}): Promise<LibraftCluster> {
    const cluster = new LibraftCluster(members);
    for (const port of await freePorts(count)) cluster.addNode(port);
    await Promise.all(cluster.nodes.map((node) => cluster.startNode(node)));
    return cluster;
  }

  private addNode(port: number): Node {
    const directory = join(this.directory, `node${this.nodes.length + 1}`);
    mkdirSync(directory);
    const node: Node = { port, directory, host: null };
    this.nodes.push(node);
    return node;
  }

  async startNode(node: Node): Promise<LibraftHost> {
    const others = this.nodes.filter((other) => other !== node).map(({ port }) => `localhost:${port}`);
    const peers = others.length === 0 ? ['--single'] : ['--peers', others.join(',')];
    const host = new LibraftHost(`node ${node.port}`, node.directory, {
      members: this.members,
      options: ['--dir', join(node.directory, 'data'), '--port', String(node.port), ...peers],
    });
    node.host = host;
    expect(await host.started()).toMatch(/^ready \d+$/);
    return host;
  }

  async killNode(node: Node): Promise<void> {
    const { host } = node;
    node.host = null;
    await host?.process.kill('SIGKILL');
  }

  get running(): LibraftHost[] {
    return this.nodes.flatMap((node) => (node.host === null ? [] : [node.host]));
  }

  /** The node that a majority has confirmed as leader. */
  async leader(): Promise<Node> {
    let found: Node | undefined;
    await waitUntil('a leader', LEADER_TIMEOUT_MS, async () => {
      for (const node of this.nodes) {
        if (node.host === null || (await node.host.state()) !== 'leader') continue;
        try {
          await node.host.command('verify');
          found = node;
        } catch {
          // It was one.
        }
      }
      return found !== undefined;
    });
    return found!;
  }

  async load(node: Node, { threads, window, bytes, pauseUs }: Load): Promise<void> {
    await node.host!.command(`load ${this.writers} ${threads} ${window} ${bytes} ${pauseUs}`);
    this.writers += threads;
  }

  /** Waits until all running state machines are the same. */
  async agree(): Promise<Digest> {
    let digests: Digest[] = [];
    const isSame = async (): Promise<boolean> => {
      digests = await Promise.all(this.running.map((host) => host.digest()));
      return digests.every((one) => one.chain === digests[0]!.chain && one.count === digests[0]!.count);
    };
    // Twice, so that a moment between two entries does not count.
    await waitUntil(
      'equal state machines',
      AGREE_TIMEOUT_MS,
      async () => (await isSame()) && (await isSame()),
    );
    return digests[0]!;
  }

  /**
   * All state machines are the same and hold every acknowledged command, none that was refused, and all that was ever
   * applied is one sequence without gaps or repetitions.
   */
  async expectNothingLost(): Promise<{ digest: Digest; acknowledged: number; report: JournalReport }> {
    const leader = await this.leader();
    await leader.host!.command('barrier');
    const digest = await this.agree();
    expect(digest.duplicates, 'commands that were applied twice').toBe(0);
    let acknowledged = 0;
    for (const { directory } of this.nodes) {
      for (const [file, command, what] of [
        ['acknowledged', 'lacking', 'acknowledged commands that a node lacks'],
        ['refused', 'held', 'refused commands that a node holds'],
      ] as const) {
        const path = join(directory, file);
        if (!existsSync(path)) continue;
        if (file === 'acknowledged') acknowledged += Math.floor(readFileSync(path).length / RECORD_BYTES);
        for (const host of this.running) expect(await host.command(`${command} ${path}`), what).toBe('0');
      }
    }
    const journals = new Map(
      this.nodes.map((node) => [`node ${node.port}`, readJournal(join(node.directory, 'journal'))]),
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
