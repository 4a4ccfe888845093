/** The libraft interface, driven by bench/libraft_host.c: one future, 16 and 256 of them in flight. */
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { LineProcess } from '../../scripts/tools/line-process.ts';
import { peakMemoryMib, processorSeconds, resetPeakMemory } from '../../scripts/tools/process-facts.ts';
import type { Latencies, Subject, SubjectCluster, Usage, Workload } from '../subject.ts';
import { startedInTime } from './driven.ts';

const ANSWER_TIMEOUT_MS = 30_000;
const RUN_TIMEOUT_MS = 130_000;
const END_TIMEOUT_MS = 10_000;
const POLL_MS = 50;
/** More futures than that no program has in flight, and the shared memory has its bounds. */
const FUTURES_MAX = 256;
const BYTES = 512;

const program = join(resolve(process.env.POLYRAFT_BUILD_DIR ?? 'build'), 'bench/bench_libraft_host');

class LibraftCluster implements SubjectCluster {
  elections = 0;
  private readonly hosts: LineProcess[] = [];
  private leader: LineProcess | null = null;
  private term = 0;
  private isKilled = false;

  async start(nodes: number, directory: string): Promise<void> {
    const ports = await freePorts(nodes);
    await Promise.all(
      ports.map(async (port, i) => {
        const cwd = join(directory, `node${i + 1}`);
        mkdirSync(cwd, { recursive: true });
        const others = ports.filter((other) => other !== port).map((other) => `127.0.0.1:${other}`);
        const arguments_ = ['data', String(port), others.join(',')];
        const host = new LineProcess(`libraft ${i + 1}`, program, arguments_, { cwd });
        this.hosts.push(host);
        const answer = await this.ask(host, null, ANSWER_TIMEOUT_MS, 'its start');
        if (answer !== 'ready') throw new Error(`${host.name}: ${answer}`);
      }),
    );
    while (this.leader === null) {
      if (this.isKilled) throw new Error('libraft: no leader before its end');
      await delay(POLL_MS);
      for (const host of this.hosts) {
        const { role, term } = await this.state(host);
        if (role !== 'leader') continue;
        this.leader = host;
        this.term = term;
      }
    }
  }

  private async ask(
    host: LineProcess,
    line: string | null,
    timeoutMs: number,
    what: string,
  ): Promise<string> {
    const answer = host.waitForLine(() => true, timeoutMs, what);
    if (line !== null) host.send(line);
    return answer;
  }

  private async state(host: LineProcess): Promise<{ readonly role: string; readonly term: number }> {
    const [role, term] = (await this.ask(host, 'state', ANSWER_TIMEOUT_MS, 'its state')).split(' ');
    return { role: role!, term: Number(term) };
  }

  async run({ count, bytes, window }: Workload): Promise<Latencies> {
    const leader = this.leader!;
    const open = Math.min(count, window);
    const line = await this.ask(leader, `run ${count} ${bytes} ${open}`, RUN_TIMEOUT_MS, 'a run');
    if (!line.startsWith('{')) throw new Error(`${leader.name}: ${line}`);
    // This interface tells no changes of roles, but each election has a term of its own.
    const { term } = await this.state(leader);
    this.elections += term - this.term;
    this.term = term;
    return JSON.parse(line) as Latencies;
  }

  usage(): Usage {
    return {
      processorSeconds: this.hosts.reduce((sum, host) => sum + processorSeconds(host.pid), 0),
      peakMemoryMib: Math.max(...this.hosts.map((host) => peakMemoryMib(host.pid))),
    };
  }

  resetPeakMemory(): void {
    for (const host of this.hosts) resetPeakMemory(host.pid);
  }

  counted(): Promise<null> {
    return Promise.resolve(null);
  }

  async end(): Promise<void> {
    await Promise.all(
      this.hosts.map(async (host) => {
        host.closeInput();
        const timer = setTimeout(() => void host.kill('SIGKILL'), END_TIMEOUT_MS);
        await host.exited;
        clearTimeout(timer);
      }),
    );
  }

  kill(): void {
    this.isKilled = true;
    for (const host of this.hosts) void host.kill('SIGKILL');
  }
}

const subject: Subject = {
  name: 'polyraft libraft',
  interface: 'libraft',
  takes: ({ bytes, window, proposers }) => bytes === BYTES && window <= FUTURES_MAX && proposers === 1,
  start(nodes, directory) {
    const cluster = new LibraftCluster();
    return startedInTime(cluster, cluster.start(nodes, directory), 'libraft');
  },
};

/** None where the interface was not built. */
export function libraft(): Subject[] {
  return existsSync(program) ? [subject] : [];
}
