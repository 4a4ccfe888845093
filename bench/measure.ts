import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Case, Session } from './cases.ts';
import { median } from './statistics.ts';
import type { Latencies, Subject, SubjectCluster, Workload } from './subject.ts';

export interface Round {
  readonly commitsPerSecond: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
  /** Of all nodes, for a million commits. */
  readonly processorSecondsPerMillion: number;
  /** Bytes of the leader's log that one sync made durable; null where a subject does not tell. */
  readonly syncedBytes: number | null;
  /** 99 of 100 delays of the leader's event loop are below; null where a subject does not tell. */
  readonly loopDelayP99Us: number | null;
}

/** Of each figure the median of the rounds. */
export interface Measurement extends Round {
  readonly subject: string;
  readonly case: string;
  readonly nodes: number;
  readonly bytes: number;
  /** Null: all entries of a run may be open. */
  readonly window: number | null;
  readonly proposers: number;
  /** Entries of a round. */
  readonly count: number;
  readonly rounds: readonly Round[];
  /** In this case, of the node that had most. */
  readonly peakMemoryMib: number;
  /** Candidates and leaders after the first leader; each was spurious. */
  readonly elections: number;
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

const COUNT_MIN = 64;
const PROBE_COUNT = 200;
/** A run writes no more than this on each node, so that disks do not fill up. */
const RUN_BYTES_MAX = 256 * 1024 * 1024;
const LARGE_RUN_BYTES_MAX = 48 * 1024 * 1024;
const LARGE_BYTES = 32_768;

function medianOf(rounds: readonly Round[], key: keyof Round): number | null {
  const values = rounds.map((round) => round[key]).filter((value) => value !== null);
  return values.length === 0 ? null : median(values);
}

export function medians(rounds: readonly Round[]): Round {
  const of = (key: keyof Round): number => medianOf(rounds, key) ?? 0;
  return {
    commitsPerSecond: of('commitsPerSecond'),
    p50Us: of('p50Us'),
    p90Us: of('p90Us'),
    p99Us: of('p99Us'),
    maxUs: of('maxUs'),
    processorSecondsPerMillion: of('processorSecondsPerMillion'),
    syncedBytes: medianOf(rounds, 'syncedBytes'),
    loopDelayP99Us: medianOf(rounds, 'loopDelayP99Us'),
  };
}

function rate({ count, seconds }: Latencies): number {
  return count / seconds;
}

/** Entries for a run of that length at that rate, within what a run may write. */
export function countFor(perSecond: number, seconds: number, bytes: number): number {
  const most = Math.floor((bytes >= LARGE_BYTES ? LARGE_RUN_BYTES_MAX : RUN_BYTES_MAX) / bytes);
  return Math.min(most, Math.max(COUNT_MIN, Math.round(perSecond * seconds)));
}

/** One subject in one session: its cluster stands idle while the others have their turn. */
class Contestant {
  readonly subject: Subject;
  failure: string | null = null;
  private readonly session: Session;
  private readonly directory: string;
  private cluster: SubjectCluster | null = null;
  private workload: Workload = { count: COUNT_MIN, bytes: 0, window: 1 };
  private rounds: Round[] = [];
  private electionsBefore = 0;

  constructor(subject: Subject, session: Session, parent: string) {
    this.subject = subject;
    this.session = session;
    this.directory = mkdtempSync(join(parent, 'run-'));
  }

  takes({ proposers }: Case): boolean {
    return proposers <= (this.subject.proposersMax ?? Infinity);
  }

  /** A subject that fails is out of this session; the others go on. */
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
    this.cluster = await this.subject.start(this.session.nodes, this.directory, this.session.config);
  }

  /** A short run finds out how many entries a round shall have, a second one that long warms up. */
  async warmUp({ bytes, window, proposers }: Case, seconds: number): Promise<void> {
    const cluster = this.cluster!;
    this.rounds = [];
    this.electionsBefore = cluster.elections;
    cluster.resetPeakMemory();
    // Most libraries know best how many shall propose; where the case says many, it is many.
    const shared = { bytes, window, ...(proposers === 1 ? {} : { proposers }) };
    const probe = await cluster.run({ ...shared, count: PROBE_COUNT });
    const second = await cluster.run({ ...shared, count: countFor(rate(probe), seconds / 2, bytes) });
    this.workload = { ...shared, count: countFor(rate(second), seconds, bytes) };
  }

  async round(): Promise<void> {
    const cluster = this.cluster!;
    const statusBefore = await cluster.status();
    const before = cluster.usage().processorSeconds;
    const latencies = await cluster.run(this.workload);
    const used = cluster.usage().processorSeconds - before;
    const status = await cluster.status();
    const syncs = status === null ? 0 : status.wal.syncs - statusBefore!.wal.syncs;
    const { p50Us, p90Us, p99Us, maxUs } = latencies;
    this.rounds.push({
      commitsPerSecond: rate(latencies),
      p50Us,
      p90Us,
      p99Us,
      maxUs,
      processorSecondsPerMillion: (used / latencies.count) * 1e6,
      syncedBytes: syncs === 0 ? null : (status!.wal.written_bytes - statusBefore!.wal.written_bytes) / syncs,
      loopDelayP99Us: status?.loop_delay?.p99_us ?? null,
    });
  }

  measurement({ id, bytes, window, proposers }: Case): Measurement {
    const cluster = this.cluster!;
    return {
      subject: this.subject.name,
      case: id,
      nodes: this.session.nodes,
      bytes,
      window: Number.isFinite(window) ? window : null,
      proposers,
      count: this.workload.count,
      ...medians(this.rounds),
      peakMemoryMib: cluster.usage().peakMemoryMib,
      elections: cluster.elections - this.electionsBefore,
      rounds: this.rounds,
    };
  }

  async end(): Promise<void> {
    const cluster = this.cluster;
    this.cluster = null;
    await cluster?.end();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function measureCase(
  contestants: readonly Contestant[],
  one: Case,
  rounds: number,
  seconds: number,
): Promise<CaseResult> {
  const taking = contestants.filter((each) => each.takes(one));
  const counted = Math.max(1, taking.length);
  for (const each of taking) await each.attempt(() => each.warmUp(one, seconds));
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < taking.length; turn++) {
      const each = taking[(round + turn) % counted]!;
      await each.attempt(() => each.round());
    }
  }
  return {
    measurements: taking.filter(({ failure }) => failure === null).map((each) => each.measurement(one)),
    failures: taking.flatMap(({ subject, failure }) =>
      failure === null ? [] : [{ subject: subject.name, case: one.id, why: failure }],
    ),
  };
}

/**
 * All subjects in one session: fresh clusters, and in each case a warm-up, then rounds in which each subject has one run.
 * Every round begins with another subject, so that no one always follows the same one.
 */
export async function measureSession(
  subjects: readonly Subject[],
  session: Session,
  rounds: number,
  secondsPerWeight: number,
  parent: string,
  onCase: (one: Case, result: CaseResult) => void,
): Promise<CaseResult> {
  const contestants = subjects.map((subject) => new Contestant(subject, session, parent));
  const measurements: Measurement[] = [];
  const failures: Failure[] = [];
  try {
    await Promise.all(contestants.map((each) => each.attempt(() => each.start())));
    for (const one of session.cases) {
      const result = await measureCase(contestants, one, rounds, secondsPerWeight * one.weight);
      measurements.push(...result.measurements);
      failures.push(...result.failures);
      onCase(one, result);
    }
    return { measurements, failures };
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.end()));
  }
}
