import { cpus, release, totalmem } from 'node:os';
import { LineProcess } from '../scripts/tools/line-process.ts';
import type { Latencies } from './subject.ts';

export interface Machine {
  readonly processors: number;
  readonly model: string;
  readonly memoryMib: number;
  readonly kernel: string;
  readonly node: string;
  /** 512 bytes written into zero-filled space and synced, again and again. */
  readonly syncP50Us: number;
  readonly syncP99Us: number;
}

const SYNC_BYTES = 512;

/** Measures the disk that the benchmark writes to, in this run: figures of another hour are of another machine. */
export async function describeMachine(
  hostProgram: string,
  directory: string,
  syncs: number,
): Promise<Machine> {
  const probe = new LineProcess('the disk', hostProgram, [], { cwd: directory });
  const answer = probe.waitForLine(() => true, 60_000, 'the disk');
  probe.send(`sync ${directory} ${SYNC_BYTES} ${syncs}`);
  const line = await answer;
  probe.closeInput();
  await probe.exited;
  if (!line.startsWith('{')) throw new Error(line);
  const times = JSON.parse(line) as Latencies;
  const processors = cpus();
  return {
    processors: processors.length,
    model: processors[0]?.model.trim() ?? 'unknown',
    memoryMib: Math.round(totalmem() / 1024 / 1024),
    kernel: release(),
    node: process.version,
    syncP50Us: times.p50Us,
    syncP99Us: times.p99Us,
  };
}
