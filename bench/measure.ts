import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from './cases.ts';
import type { Latencies, Subject, SubjectCluster, Workload } from './subject.ts';

export interface Round {
  readonly commitsPerSecond: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
  /** Of all nodes, for a million commits. */
  readonly processorSecondsPerMillion: number;
}

/** Of each figure the median of the rounds. */
export interface Measurement extends Round {
  readonly subject: string;
  readonly case: string;
  readonly nodes: number;
  /** Its count is what a round really had. */
  readonly workload: Workload;
  readonly rounds: readonly Round[];
  /** Of the node that had most. */
  readonly peakMemoryMib: number;
}

export interface Failure {
  readonly subject: string;
  readonly case: string;
  readonly why: string;
}

export interface CaseResult {
  readonly measurements: readonly Measurement[];
  readonly failures: readonly Failure[];
}

export interface Plan {
  readonly rounds: number;
  /** A round has so many entries that it takes about this long, but never more than the case asks for. */
  readonly secondsPerRound: number;
}

const COUNT_MIN = 200;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >>> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function medians(rounds: readonly Round[]): Round {
  const of = (key: keyof Round): number => median(rounds.map((round) => round[key]));
  return {
    commitsPerSecond: of('commitsPerSecond'),
    p50Us: of('p50Us'),
    p90Us: of('p90Us'),
    p99Us: of('p99Us'),
    maxUs: of('maxUs'),
    processorSecondsPerMillion: of('processorSecondsPerMillion'),
  };
}

function rate({ count, seconds }: Latencies): number {
  return count / seconds;
}

/** One subject in one case: its cluster stands idle while the others have their turn. */
class Contestant {
  readonly subject: Subject;
  failure: string | null = null;
  private readonly case: Case;
  private readonly directory: string;
  private cluster: SubjectCluster | null = null;
  private workload: Workload;
  private readonly rounds: Round[] = [];

  constructor(subject: Subject, one: Case, parent: string) {
    this.subject = subject;
    this.case = one;
    this.workload = one.workload;
    this.directory = mkdtempSync(join(parent, 'run-'));
  }

  /** A subject that fails is out of this case; the others go on. */
  async attempt(step: () => Promise<void>): Promise<void> {
    if (this.failure !== null) return;
    try {
      await step();
    } catch (error) {
      this.failure = error instanceof Error ? error.message : String(error);
      await this.end();
    }
  }

  async start(): Promise<void> {
    this.cluster = await this.subject.start(this.case.nodes, this.directory);
  }

  /** A short run finds out how many entries a round shall have, a second one that long warms up. */
  async warmUp({ secondsPerRound }: Plan): Promise<void> {
    const { workload } = this.case;
    const probe = await this.cluster!.run({
      ...workload,
      count: Math.max(COUNT_MIN, Math.ceil(workload.count / 20)),
    });
    const count = Math.round(rate(probe) * secondsPerRound);
    this.workload = { ...workload, count: Math.min(workload.count, Math.max(COUNT_MIN, count)) };
    await this.cluster!.run({ ...this.workload, count: Math.ceil(this.workload.count / 2) });
  }

  async round(): Promise<void> {
    const cluster = this.cluster!;
    const before = cluster.usage().processorSeconds;
    const latencies = await cluster.run(this.workload);
    const used = cluster.usage().processorSeconds - before;
    const { p50Us, p90Us, p99Us, maxUs } = latencies;
    this.rounds.push({
      commitsPerSecond: rate(latencies),
      p50Us,
      p90Us,
      p99Us,
      maxUs,
      processorSecondsPerMillion: (used / latencies.count) * 1e6,
    });
  }

  measurement(): Measurement {
    return {
      subject: this.subject.name,
      case: this.case.id,
      nodes: this.case.nodes,
      workload: this.workload,
      rounds: this.rounds,
      ...medians(this.rounds),
      peakMemoryMib: this.cluster!.usage().peakMemoryMib,
    };
  }

  async end(): Promise<void> {
    const cluster = this.cluster;
    this.cluster = null;
    await cluster?.end();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/**
 * All subjects in one case: fresh clusters, a warm-up, then rounds in which each subject has one run. Every round begins
 * with another subject, so that no one always follows the same one.
 */
export async function measureCase(
  subjects: readonly Subject[],
  one: Case,
  plan: Plan,
  parent: string,
): Promise<CaseResult> {
  const contestants = subjects.map((subject) => new Contestant(subject, one, parent));
  try {
    for (const each of contestants) {
      await each.attempt(() => each.start());
      await each.attempt(() => each.warmUp(plan));
    }
    for (let round = 0; round < plan.rounds; round++) {
      for (let turn = 0; turn < contestants.length; turn++) {
        const each = contestants[(round + turn) % contestants.length]!;
        await each.attempt(() => each.round());
      }
    }
    return {
      measurements: contestants
        .filter(({ failure }) => failure === null)
        .map((contestant) => contestant.measurement()),
      failures: contestants.flatMap(({ subject, failure }) =>
        failure === null ? [] : [{ subject: subject.name, case: one.id, why: failure }],
      ),
    };
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.end()));
  }
}
