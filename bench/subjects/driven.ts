import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { configOf, type Member } from '../../scripts/tools/cluster-config.ts';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { LineProcess } from '../../scripts/tools/line-process.ts';
import { peakMemoryMib, processorSeconds } from '../../scripts/tools/process-facts.ts';
import type { Latencies, Subject, SubjectCluster, Usage, Workload } from '../subject.ts';

const START_TIMEOUT_MS = 30_000;
const RUN_TIMEOUT_MS = 130_000;
/** A long election timeout, so that a busy machine does not cost a leader in the middle of a measurement. */
const CONFIG = { tickms: 100, election_tick: 20 };

/** A host program that is driven over its standard input, as bench/host.c tells. */
export interface Program {
  readonly name: string;
  readonly path: string;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

class DrivenCluster implements SubjectCluster {
  private readonly hosts: LineProcess[] = [];
  private leader: LineProcess | null = null;

  async start(program: Program, nodes: number, directory: string): Promise<void> {
    const ports = await freePorts(nodes);
    const members: Member[] = ports.map((raftPort, i) => ({ id: i + 1, raftPort }));
    let elected: (host: LineProcess) => void = () => undefined;
    const leader = new Promise<LineProcess>((resolve) => {
      elected = resolve;
    });
    await Promise.all(
      members.map(async ({ id }) => {
        const cwd = join(directory, `node${id}`);
        mkdirSync(cwd, { recursive: true });
        const config = join(cwd, 'config.json');
        writeFileSync(config, configOf(id, members, CONFIG));
        const host = new LineProcess(`${program.name} ${id}`, program.path, program.arguments, {
          cwd,
          environment: program.environment,
        });
        this.hosts.push(host);
        host.on('line', (line) => {
          if (line === 'role leader') elected(host);
        });
        host.send(`start ${config}`);
        const isAnswer = (line: string): boolean => line === 'ready' || line.startsWith('error');
        const answer = await host.waitForLine(isAnswer, START_TIMEOUT_MS, 'its start');
        if (answer !== 'ready') throw new Error(`${host.name}: ${answer}`);
      }),
    );
    const noLeader = delay(START_TIMEOUT_MS, null, { ref: false });
    this.leader = await Promise.race([leader, noLeader]);
    if (this.leader === null) throw new Error(`${program.name}: no leader within ${START_TIMEOUT_MS} ms`);
  }

  async run({ count, bytes, window }: Workload): Promise<Latencies> {
    const leader = this.leader!;
    const answer = leader.waitForLine(
      (line) => line.startsWith('{') || line.startsWith('error'),
      RUN_TIMEOUT_MS,
      'a run',
    );
    leader.send(`run ${count} ${bytes} ${window}`);
    const line = await answer;
    if (line.startsWith('error')) throw new Error(`${leader.name}: ${line}`);
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

export function driven(program: Program): Subject {
  return {
    name: program.name,
    async start(nodes, directory) {
      const cluster = new DrivenCluster();
      try {
        await cluster.start(program, nodes, directory);
      } catch (error) {
        await cluster.end();
        throw error;
      }
      return cluster;
    },
  };
}
