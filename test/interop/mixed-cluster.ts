/** A cluster of processes, some of which are ours and some are made of etcd's packages (etcd-peer). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configOf, type ConfigValue } from '../../scripts/tools/cluster-config.ts';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { LineProcess, run, type Exit } from '../../scripts/tools/line-process.ts';
import { waitUntil as waitWithin } from '../scenario/wait-until.ts';
import { buildGo, kvClient, kvServer, type Kind } from './programs.ts';

/** Generous: the machine may be busy with other things. Nothing is asserted about time. */
export const PATIENCE_MS = 120_000;
const POLL_MS = 100;
const MEMBERS_MAX = 8;

export interface MixedMember {
  readonly id: number;
  readonly raftPort: number;
  readonly clientPort: number;
  kind: Kind;
  process: LineProcess | null;
  /** Standard output of all its processes. */
  readonly lines: string[];
}

export interface MixedOptions {
  readonly config?: Readonly<Record<string, ConfigValue>>;
  /** Of members of kind etcd, over `config`. */
  readonly etcdConfig?: Readonly<Record<string, ConfigValue>>;
  readonly etcdArguments?: readonly string[];
}

export interface Answer {
  readonly isSuccess: boolean;
  readonly output: string;
  readonly errors: string;
}

/** `text` depends on all pairs, the clients' sessions and the counters. */
export interface Digest {
  readonly applied: number;
  readonly keys: number;
  readonly writes: number;
  readonly text: string;
}

export async function waitUntil(
  what: string,
  isDone: () => boolean | Promise<boolean>,
  timeoutMs = PATIENCE_MS,
): Promise<void> {
  await waitWithin(what, timeoutMs, isDone, POLL_MS);
}

export class MixedCluster {
  readonly members: MixedMember[] = [];
  readonly directory = mkdtempSync(join(tmpdir(), 'polyraft-interop-'));
  private readonly options: MixedOptions;
  /** The program of etcd's members. */
  private readonly peer: string;
  private ports: number[] = [];

  private constructor(options: MixedOptions, peer: string) {
    this.options = options;
    this.peer = peer;
  }

  static async start(kinds: readonly Kind[], options: MixedOptions = {}): Promise<MixedCluster> {
    const cluster = new MixedCluster(options, await buildGo('etcd-peer'));
    try {
      cluster.ports = await freePorts(2 * MEMBERS_MAX);
      for (const kind of kinds) cluster.define(kind);
      await Promise.all(cluster.members.map((member) => cluster.startMember(member)));
      await cluster.leader();
    } catch (error) {
      await cluster.end();
      throw error;
    }
    return cluster;
  }

  /** A member that is not started yet; its id is its number from 1 on. */
  define(kind: Kind): MixedMember {
    const id = this.members.length + 1;
    const [raftPort, clientPort] = this.ports.slice(2 * (id - 1)) as [number, number];
    const member: MixedMember = { id, raftPort, clientPort, kind, process: null, lines: [] };
    this.members.push(member);
    return member;
  }

  member(id: number): MixedMember {
    return this.members[id - 1]!;
  }

  get running(): MixedMember[] {
    return this.members.filter((member) => member.process?.isRunning === true);
  }

  url(member: MixedMember): string {
    return `http://127.0.0.1:${member.raftPort}`;
  }

  /** `peers` are those in its configuration; all that are defined when it is not given. */
  async startMember(
    member: MixedMember,
    changes: Readonly<Record<string, ConfigValue>> = {},
    peers: readonly MixedMember[] = this.members,
  ): Promise<void> {
    const config = join(this.directory, `config${member.id}.json`);
    const isOurs = member.kind === 'polyraft';
    const ownConfig = isOurs ? {} : this.options.etcdConfig;
    writeFileSync(config, configOf(member.id, peers, { ...this.options.config, ...ownConfig, ...changes }));
    const ownArguments = isOurs ? [] : (this.options.etcdArguments ?? []);
    const server = new LineProcess(
      `${member.kind} ${member.id}`,
      isOurs ? kvServer : this.peer,
      [...ownArguments, config, String(member.clientPort)],
      { cwd: this.directory },
    );
    member.process = server;
    server.on('line', (line) => member.lines.push(line));
    await server.waitForLine((line) => line === 'ready', PATIENCE_MS, 'its start');
  }

  /** Ends a member's process; with SIGTERM it must end with status 0. */
  async stop(member: MixedMember, signal: NodeJS.Signals): Promise<Exit> {
    const exit = await member.process!.kill(signal);
    if (signal === 'SIGTERM' && exit.code !== 0) throw this.failure(member, 'did not stop cleanly');
    return exit;
  }

  /** Waits until the process ends by itself. */
  async ended(member: MixedMember): Promise<Exit> {
    await waitUntil(`${member.kind} ${member.id} ends`, () => !member.process!.isRunning);
    return member.process!.exited;
  }

  private failure(member: MixedMember, what: string): Error {
    const said = [...member.lines.slice(-10), ...member.process!.errors.slice(-20)].join('\n');
    return new Error(`${member.kind} ${member.id} ${what}:\n${said}`);
  }

  private endpoint(member: MixedMember): string {
    return `${member.id}=127.0.0.1:${member.clientPort}`;
  }

  /** One command to this member alone. */
  async ask(member: MixedMember, ...command: string[]): Promise<Answer> {
    return run(kvClient, ['--stay', '--patience', '30000', this.endpoint(member), ...command]);
  }

  /** One command to whoever leads; fails when it is refused. */
  async command(...command: string[]): Promise<string> {
    const endpoints = this.running.map((member) => this.endpoint(member)).join(',');
    const answer = await run(kvClient, ['--patience', String(PATIENCE_MS), endpoints, ...command]);
    if (!answer.isSuccess) throw new Error(`${command.join(' ')}: ${answer.errors}\n${this.report()}`);
    return answer.output;
  }

  /**
   * Writes key-0 to key-(count-1) through whoever leads, or through one member. `valueBytes` tells one load's values
   * from another's.
   */
  async load(
    count: number,
    valueBytes: number,
    onProgress?: (done: number) => void,
    through?: MixedMember,
  ): Promise<void> {
    // Also those that are down now: they may be back and lead when the client looks for a server.
    const members = through === undefined ? this.members : [through];
    const endpoints = members.map((member) => this.endpoint(member)).join(',');
    const options = ['--progress', '--patience', String(PATIENCE_MS), '--value-bytes', String(valueBytes)];
    // Fewer open at a time than the client would: the load is to last longer than it takes to kill a member.
    options.push('--window', '64');
    if (through !== undefined) options.push('--stay');
    const answer = await run(kvClient, [...options, endpoints, 'load', String(count)], (line) => {
      const [word, done] = line.split(' ');
      if (word === 'progress') onProgress?.(Number(done));
    });
    if (!answer.isSuccess) throw new Error(`the load failed: ${answer.errors}\n${this.report()}`);
  }

  /** How many of a load's keys this member has with the right value; read through its own read index. */
  async verify(member: MixedMember, count: number, valueBytes: number): Promise<number> {
    const options = ['--stay', '--patience', String(PATIENCE_MS), '--value-bytes', String(valueBytes)];
    const answer = await run(kvClient, [...options, this.endpoint(member), 'verify', String(count)]);
    if (!answer.isSuccess) throw this.failure(member, `misses a write: ${answer.errors}`);
    return Number(/verified (\d+) of/.exec(answer.output)?.[1] ?? 0);
  }

  /** The member that says that it leads, once it does. */
  async leader(): Promise<MixedMember> {
    let found: MixedMember | undefined;
    await waitUntil('a leader', async () => {
      for (const member of this.running) {
        const answer = await this.ask(member, 'leader');
        if (answer.isSuccess && answer.output === `leader=${member.id} role=leader`) found = member;
      }
      this.expectNoDeath();
      return found !== undefined;
    });
    return found!;
  }

  private expectNoDeath(): void {
    for (const member of this.members) {
      if (member.process?.isRunning === false && member.process.errors.length > 0) {
        throw this.failure(member, 'ended');
      }
    }
  }

  /** Asks the leader to hand over, until `to` leads: an election may come in between. */
  async transferTo(to: MixedMember): Promise<void> {
    await waitUntil(`member ${to.id} leads`, async () => {
      const leader = await this.leader();
      if (leader === to) return true;
      await this.ask(leader, 'transfer', String(to.id));
      return (await this.leader()) === to;
    });
  }

  async digest(member: MixedMember): Promise<Digest | null> {
    const { output } = await this.ask(member, 'digest');
    const found = /^applied=(\d+) keys=(\d+) writes=(\d+) repeats=\d+ digest=(\w+)$/.exec(output);
    if (found === null) return null;
    return { applied: Number(found[1]), keys: Number(found[2]), writes: Number(found[3]), text: found[4]! };
  }

  /**
   * Waits until every running member's state is the same, and returns it (`applied` may differ: some count entries that
   * are not writes). A read through each comes first: after a
   * crash, members that know of no commit yet would agree, too.
   */
  async agreed(): Promise<Digest> {
    let digests: (Digest | null)[] = [];
    try {
      for (const member of this.running) {
        await waitUntil(`a read on member ${member.id}`, async () =>
          (await this.ask(member, 'get', 'no-such-key')).errors.includes('NOKEY'),
        );
      }
      await waitUntil('equal digests', async () => {
        digests = await Promise.all(this.running.map((member) => this.digest(member)));
        const [first] = digests;
        return first !== null && digests.every((one) => one?.text === first!.text);
      });
    } catch (error) {
      throw new Error(
        `${String(error)}\n${JSON.stringify(digests)}\n${this.report()}\n${await this.statuses()}`,
        { cause: error },
      );
    }
    return digests[0]!;
  }

  private async statuses(): Promise<string> {
    const texts = this.running.map(async (member) => (await this.ask(member, 'status')).output);
    return (await Promise.all(texts)).join('\n');
  }

  /** What the members have said lately. */
  report(): string {
    return this.members
      .map((member) => {
        const lines = [...member.lines.slice(-15), ...(member.process?.errors.slice(-15) ?? [])];
        return `-- ${member.kind} ${member.id}:\n${lines.join('\n')}`;
      })
      .join('\n');
  }

  async end(): Promise<void> {
    await Promise.all(
      this.members.map(async (member) => {
        if (member.process === null) return;
        const timer = setTimeout(() => void member.process!.kill('SIGKILL'), 20_000);
        await member.process.kill('SIGTERM');
        clearTimeout(timer);
      }),
    );
    rmSync(this.directory, { recursive: true, force: true });
  }
}
