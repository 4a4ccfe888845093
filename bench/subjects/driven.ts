import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { configOf, type Member } from '../../scripts/tools/cluster-config.ts';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { LineProcess } from '../../scripts/tools/line-process.ts';
import { peakMemoryMib, processorSeconds, resetPeakMemory } from '../../scripts/tools/process-facts.ts';
import { withDeadline } from '../deadline.ts';
import { histogramIn, LOOP_DELAY } from '../metrics.ts';
import type {
  ConfigChanges,
  Counted,
  Latencies,
  Subject,
  SubjectCluster,
  Usage,
  Workload,
} from '../subject.ts';

const START_TIMEOUT_MS = 30_000;
const RUN_TIMEOUT_MS = 130_000;
const END_TIMEOUT_MS = 10_000;
/** A long election timeout, so that a busy machine does not cost a leader in the middle of a measurement. */
const CONFIG = { tickms: 100, election_tick: 20 };
const ELECTION_ROLE = /^role (leader|candidate|pre-candidate)$/;

/** A host program that is driven over its standard input, as bench/host.c tells. */
export interface Program {
  readonly name: string;
  readonly path: string;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** It answers `status` and `metrics`. */
  readonly hasStatus?: boolean;
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
  private readonly environment: Readonly<Record<string, string>>;
  private isKilled = false;
  private tellKilled: () => void = () => undefined;
  private readonly killed = new Promise<number>((resolve) => {
    this.tellKilled = () => {
      resolve(0);
    };
  });

  constructor(
    program: Program,
    directory: string,
    config: ConfigChanges = {},
    environment: Readonly<Record<string, string>> = {},
  ) {
    this.environment = environment;
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
    leader.catch(() => undefined);
    await Promise.all(this.members.map(({ id }) => this.startNode(id)));
    await leader;
  }

  /** Waits for a leader that is elected from now on. */
  async nextLeader(): Promise<void> {
    const found = new Promise<number>((resolve) => {
      this.elected = resolve;
    });
    const lead = await Promise.race([found, delay(START_TIMEOUT_MS, 0, { ref: false }), this.killed]);
    if (lead === 0)
      throw new Error(
        `${this.program.name}: no leader ${this.isKilled ? 'before its end' : `within ${START_TIMEOUT_MS} ms`}`,
      );
    this.lead = lead;
    this.elections = 0;
  }

  private directoryOf(id: number): string {
    return join(this.directory, `node${id}`);
  }

  /** The host of a node that does not run yet: `startNode` starts its server. */
  launch(id: number): LineProcess {
    if (this.isKilled) throw new Error(`${this.program.name}: was ended`);
    const { program } = this;
    const cwd = this.directoryOf(id);
    mkdirSync(cwd, { recursive: true });
    const host = new LineProcess(`${program.name} ${id}`, program.path, program.arguments, {
      cwd,
      environment: { ...program.environment, ...this.environment },
    });
    this.hosts.set(id, host);
    host.on('line', (line) => {
      if (ELECTION_ROLE.test(line)) this.elections++;
      if (line === 'role leader') this.elected(id);
    });
    return host;
  }

  /** Starts a node, or starts it again on its directories; resolves with the milliseconds until it was ready. */
  async startNode(id: number): Promise<number> {
    const host = this.hosts.get(id) ?? this.launch(id);
    const config = join(this.directoryOf(id), 'config.json');
    writeFileSync(config, configOf(id, this.members, this.config));
    const began = performance.now();
    const answer = await this.ask(id, `start ${config}`, START_TIMEOUT_MS);
    if (answer !== 'ready') throw new Error(`${host.name}: ${answer}`);
    return performance.now() - began;
  }

  async stopNode(id: number): Promise<void> {
    const host = this.host(id);
    this.hosts.delete(id);
    host.closeInput();
    const timer = setTimeout(() => void host.kill('SIGKILL'), END_TIMEOUT_MS);
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

  async counted(): Promise<Counted | null> {
    if (this.program.hasStatus !== true) return null;
    const { wal } = JSON.parse(await this.ask(this.lead, 'status')) as {
      readonly wal: { readonly syncs: number; readonly written_bytes: number };
    };
    const metrics = (await this.ask(this.lead, 'metrics')).replaceAll('\t', '\n');
    return {
      syncs: wal.syncs,
      writtenBytes: wal.written_bytes,
      loopDelay: histogramIn(metrics, LOOP_DELAY),
    };
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

  kill(): void {
    this.isKilled = true;
    this.tellKilled();
    for (const host of this.hosts.values()) void host.kill('SIGKILL');
  }
}

/** Ends what was not started in time, so that nothing of it stays. */
export async function startedInTime<T extends { kill(): void; end(): Promise<void> }>(
  cluster: T,
  start: Promise<void>,
  name: string,
): Promise<T> {
  try {
    await withDeadline(start, START_TIMEOUT_MS, `the start of ${name}`, () => {
      cluster.kill();
    });
    return cluster;
  } catch (error) {
    await cluster.end();
    throw error;
  }
}

export function driven(program: Program, traits: Pick<Subject, 'interface' | 'takes'> = {}): Subject {
  return {
    name: program.name,
    ...traits,
    start(nodes, directory, config) {
      const cluster = new DrivenCluster(program, directory, config);
      return startedInTime(cluster, cluster.start(nodes), program.name);
    },
  };
}
