import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from './cases.ts';
import type { Latencies, Subject, Workload } from './subject.ts';

export interface Measurement {
  readonly subject: string;
  readonly case: string;
  readonly nodes: number;
  readonly workload: Workload;
  readonly runs: number;
  readonly commitsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of all nodes, for 10,000 commits. */
  readonly processorSecondsPer10k: number;
  /** Of the node that had most. */
  readonly peakMemoryMib: number;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >>> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** A fresh cluster, a warm-up, then `runs` measured runs of which the medians are told. */
export async function measure(
  subject: Subject,
  one: Case,
  runs: number,
  parent: string,
): Promise<Measurement> {
  const directory = mkdtempSync(join(parent, 'run-'));
  const cluster = await subject.start(one.nodes, directory);
  try {
    const { workload } = one;
    await cluster.run({ ...workload, count: Math.ceil(workload.count / 4) });
    const results: Latencies[] = [];
    const before = cluster.usage().processorSeconds;
    for (let i = 0; i < runs; i++) results.push(await cluster.run(workload));
    const usage = cluster.usage();
    return {
      subject: subject.name,
      case: one.id,
      nodes: one.nodes,
      workload,
      runs,
      commitsPerSecond: median(results.map((result) => result.count / result.seconds)),
      p50Us: median(results.map((result) => result.p50Us)),
      p99Us: median(results.map((result) => result.p99Us)),
      processorSecondsPer10k: ((usage.processorSeconds - before) / (runs * workload.count)) * 10_000,
      peakMemoryMib: usage.peakMemoryMib,
    };
  } finally {
    await cluster.end();
    rmSync(directory, { recursive: true, force: true });
  }
}
