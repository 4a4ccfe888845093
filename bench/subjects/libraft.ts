/** The libraft interface, driven by bench/libraft_host.c: one future, 16 and 256 of them in flight. */
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { LineProcess } from '../../scripts/tools/line-process.ts';
import { peakMemoryMib, processorSeconds } from '../../scripts/tools/process-facts.ts';
import type { Case } from '../cases.ts';
import type { Latencies, Subject, SubjectCluster, Usage, Workload } from '../subject.ts';

const START_TIMEOUT_MS = 30_000;
const RUN_TIMEOUT_MS = 130_000;
const POLL_MS = 50;

const program = join(resolve(process.env.POLYRAFT_BUILD_DIR ?? 'build'), 'bench/bench_libraft_host');

class LibraftCluster implements SubjectCluster {
  private readonly hosts: LineProcess[] = [];
  private leader: LineProcess | null = null;

  async start(nodes: number, directory: string): Promise<void> {
    const ports = await freePorts(nodes);
    await Promise.all(
      ports.map(async (port, i) => {
        const cwd = join(directory, `node${i + 1}`);
        mkdirSync(cwd, { recursive: true });
        const others = ports.filter((other) => other !== port).map((other) => `127.0.0.1:${other}`);
        const host = new LineProcess(`libraft ${i + 1}`, program, ['data', String(port), others.join(',')], {
          cwd,
        });
        this.hosts.push(host);
        const answer = await this.ask(host, null, START_TIMEOUT_MS, 'its start');
        if (answer !== 'ready') throw new Error(`${host.name}: ${answer}`);
      }),
    );
    const until = performance.now() + START_TIMEOUT_MS;
    while (this.leader === null) {
      if (performance.now() > until) throw new Error(`libraft: no leader within ${START_TIMEOUT_MS} ms`);
      await delay(POLL_MS);
      for (const host of this.hosts) {
        if ((await this.ask(host, 'state', START_TIMEOUT_MS, 'its state')) === 'leader') this.leader = host;
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

  async run({ count, bytes, window }: Workload): Promise<Latencies> {
    const leader = this.leader!;
    const line = await this.ask(leader, `run ${count} ${bytes} ${window}`, RUN_TIMEOUT_MS, 'a run');
    if (!line.startsWith('{')) throw new Error(`${leader.name}: ${line}`);
    return JSON.parse(line) as Latencies;
  }

  usage(): Usage {
    return {
      processorSeconds: this.hosts.reduce((sum, host) => sum + processorSeconds(host.pid), 0),
      peakMemoryMib: Math.max(...this.hosts.map((host) => peakMemoryMib(host.pid))),
    };
  }

  async end(): Promise<void> {
    await Promise.all(
      this.hosts.map(async (host) => {
        host.closeInput();
        const timer = setTimeout(() => void host.kill('SIGKILL'), 10_000);
        await host.exited;
        clearTimeout(timer);
      }),
    );
  }
}

const subject: Subject = {
  name: 'libraft',
  async start(nodes, directory) {
    const cluster = new LibraftCluster();
    try {
      await cluster.start(nodes, directory);
    } catch (error) {
      await cluster.end();
      throw error;
    }
    return cluster;
  },
};

/** None where the interface was not built. */
export function libraft(): Subject[] {
  return existsSync(program) ? [subject] : [];
}

/** Futures in flight, as programs of this interface have them. `size` scales the counts: 1 in full. */
export function libraftCases(size: number): Case[] {
  const count = (full: number): number => Math.max(200, Math.round(full * size));
  return [1, 3].flatMap((nodes) =>
    [1, 16, 256].map((window) => ({
      id: `libraft-${nodes}-node${nodes === 1 ? '' : 's'}-${window}-futures`,
      nodes,
      workload: { count: count(window === 1 ? 5_000 : 100_000), bytes: 128, window },
    })),
  );
}
