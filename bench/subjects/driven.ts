import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { configOf, type Member } from '../../scripts/tools/cluster-config.ts';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { LineProcess } from '../../scripts/tools/line-process.ts';
import { peakMemoryMib, processorSeconds, resetPeakMemory } from '../../scripts/tools/process-facts.ts';
import type {
  ConfigChanges,
  Latencies,
  Status,
  Subject,
  SubjectCluster,
  Usage,
  Workload,
} from '../subject.ts';

const START_TIMEOUT_MS = 60_000;
const RUN_TIMEOUT_MS = 130_000;
/** A long election timeout, so that a busy machine does not cost a leader in the middle of a measurement. */
const CONFIG = { tickms: 100, election_tick: 20 };
const ELECTION_ROLE = /^role (leader|candidate|pre-candidate)$/;

/** A host program that is driven over its standard input, as bench/host.c tells. */
export interface Program {
  readonly name: string;
  readonly path: string;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** It answers `status`. */
  readonly hasStatus?: boolean;
  readonly proposersMax?: number;
}

/** The nodes of one program, each its own process; a node is named by its id, 1 and up. */
export class DrivenCluster implements SubjectCluster {
  elections = 0;
  private readonly program: Program;
  private readonly directory: string;
  private readonly config: ConfigChanges;
  private readonly hosts = new Map<number, LineProcess>();
  private members: readonly Member[] = [];
  private lead = 0;
  private elected: (id: number) => void = () => undefined;

  constructor(program: Program, directory: string, config: ConfigChanges = {}) {
    this.program = program;
    this.directory = directory;
    this.config = { ...CONFIG, ...config };
  }

  get leaderId(): number {
    return this.lead;
  }

  get ids(): number[] {
    return this.members.map(({ id }) => id);
  }

  host(id: number): LineProcess {
    const host = this.hosts.get(id);
    if (host === undefined) throw new Error(`${this.program.name}: node ${id} does not run`);
    return host;
  }

  async start(nodes: number): Promise<void> {
    const ports = await freePorts(nodes);
    this.members = ports.map((raftPort, i) => ({ id: i + 1, raftPort }));
    const leader = this.nextLeader();
    await Promise.all(this.members.map(({ id }) => this.startNode(id)));
    await leader;
  }

  /** Waits for a leader that is elected from now on. */
  async nextLeader(): Promise<void> {
    const found = new Promise<number>((resolve) => {
      this.elected = resolve;
    });
    const lead = await Promise.race([found, delay(START_TIMEOUT_MS, 0, { ref: false })]);
    if (lead === 0) throw new Error(`${this.program.name}: no leader within ${START_TIMEOUT_MS} ms`);
    this.lead = lead;
    this.elections = 0;
  }

  /** Starts a node, or starts it again on its directories; resolves with the milliseconds until it was ready. */
  async startNode(id: number): Promise<number> {
    const { program } = this;
    const cwd = join(this.directory, `node${id}`);
    mkdirSync(cwd, { recursive: true });
    const config = join(cwd, 'config.json');
    writeFileSync(config, configOf(id, this.members, this.config));
    const host = new LineProcess(`${program.name} ${id}`, program.path, program.arguments, {
      cwd,
      environment: program.environment,
    });
    this.hosts.set(id, host);
    host.on('line', (line) => {
      if (ELECTION_ROLE.test(line)) this.elections++;
      if (line === 'role leader') this.elected(id);
    });
    const began = performance.now();
    const answer = await this.ask(id, `start ${config}`, START_TIMEOUT_MS);
    if (answer !== 'ready') throw new Error(`${host.name}: ${answer}`);
    return performance.now() - began;
  }

  async stopNode(id: number): Promise<void> {
    const host = this.host(id);
    this.hosts.delete(id);
    host.closeInput();
    const timer = setTimeout(() => void host.kill('SIGKILL'), 20_000);
    await host.exited;
    clearTimeout(timer);
  }

  /** Sends a command; the answer is the next line that tells no role and no restored snapshot. */
  async ask(id: number, command: string, timeoutMs = RUN_TIMEOUT_MS): Promise<string> {
    const host = this.host(id);
    const answer = host.waitForLine((line) => !/^(role|restored) /.test(line), timeoutMs, command);
    host.send(command);
    const line = await answer;
    if (line.startsWith('error')) throw new Error(`${host.name}: ${line}`);
    return line;
  }

  async run({ count, bytes, window, proposers, rate }: Workload): Promise<Latencies> {
    const open = Math.min(window, count);
    const command = `run ${count} ${bytes} ${open} ${proposers ?? 0}${rate === undefined ? '' : ` ${rate}`}`;
    return JSON.parse(await this.ask(this.lead, command)) as Latencies;
  }

  async status(): Promise<Status | null> {
    if (this.program.hasStatus !== true) return null;
    return JSON.parse(await this.ask(this.lead, 'status')) as Status;
  }

  usage(): Usage {
    const hosts = [...this.hosts.values()];
    return {
      processorSeconds: hosts.reduce((sum, host) => sum + processorSeconds(host.pid), 0),
      peakMemoryMib: Math.max(...hosts.map((host) => peakMemoryMib(host.pid))),
    };
  }

  resetPeakMemory(): void {
    for (const host of this.hosts.values()) resetPeakMemory(host.pid);
  }

  async end(): Promise<void> {
    await Promise.all([...this.hosts.keys()].map((id) => this.stopNode(id)));
  }
}

export function driven(program: Program): Subject {
  return {
    name: program.name,
    ...(program.proposersMax === undefined ? {} : { proposersMax: program.proposersMax }),
    async start(nodes, directory, config) {
      const cluster = new DrivenCluster(program, directory, config);
      try {
        await cluster.start(nodes);
      } catch (error) {
        await cluster.end();
        throw error;
      }
      return cluster;
    },
  };
}
