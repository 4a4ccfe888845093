import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Plan } from './budget.ts';
import type { Case, Session } from './cases.ts';
import { withDeadline } from './deadline.ts';
import { differenceOf, median, quantileOf, sumOf, type Histogram } from './statistics.ts';
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
}

/** Of each figure the median of the rounds. */
export interface Measurement extends Round {
  readonly subject: string;
  /** As Subject.interface; null for another library. */
  readonly interface: 'polyraft' | 'easyraft' | 'libraft' | null;
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
  /** 99 of 100 delays of the leader's event loop in all rounds are below; null where a subject does not tell. */
  readonly loopDelayP99Us: number | null;
}

/** What was to be measured and was not, and why. */
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
/** One after the other, entries may take milliseconds each. */
const PROBE_COUNT_SINGLE = 64;
const PROBE_COUNT = 256;
/** A run writes no more than this on each node, so that disks do not fill up. */
const RUN_BYTES_MAX = 256 * 1024 * 1024;
const LARGE_RUN_BYTES_MAX = 48 * 1024 * 1024;
const LARGE_BYTES = 32_768;
/** A step that takes so many times what was planned, and at least this long, is given up. */
const LATE_TIMES = 8;
const LATE_MS_MIN = 20_000;
/** A subject that fails has a new cluster for the next case, but not for ever. */
const FAILURES_MAX = 2;

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
  /** Of the case that is measured now. */
  failure: string | null = null;
  private failures = 0;
  private readonly session: Session;
  private readonly parent: string;
  private directory: string | null = null;
  private cluster: SubjectCluster | null = null;
  private workload: Workload = { count: COUNT_MIN, bytes: 0, window: 1 };
  private rounds: Round[] = [];
  private loopDelay: Histogram | null = null;
  private electionsBefore = 0;

  constructor(subject: Subject, session: Session, parent: string) {
    this.subject = subject;
    this.session = session;
    this.parent = parent;
  }

  takes(one: Case): boolean {
    return this.subject.takes?.(one, this.session.nodes) ?? true;
  }

  /** A subject that fails or hangs is out of this case; the others go on. */
  async attempt(step: () => Promise<void>, seconds: number, what: string): Promise<void> {
    if (this.failure !== null) return;
    try {
      const lateMs = Math.max(LATE_MS_MIN, LATE_TIMES * seconds * 1000);
      await withDeadline(step(), lateMs, what, () => {
        this.cluster?.kill();
      });
    } catch (error) {
      this.failure = error instanceof Error ? error.message : String(error);
      this.failures++;
      this.cluster?.kill();
      await this.end();
    }
  }

  /** Starts the cluster, unless it runs already. It has its own limit in time. */
  async start(): Promise<void> {
    if (this.cluster !== null || this.failures >= FAILURES_MAX) return;
    this.failure = null;
    this.directory = mkdtempSync(join(this.parent, 'run-'));
    try {
      this.cluster = await this.subject.start(this.session.nodes, this.directory, this.session.config);
    } catch (error) {
      this.failure = error instanceof Error ? error.message : String(error);
      this.failures++;
      await this.end();
    }
  }

  /** A short run finds out how many entries a round shall have, a second one that long warms up. */
  async warmUp({ bytes, window, proposers }: Case, seconds: number): Promise<void> {
    const cluster = this.cluster!;
    this.rounds = [];
    this.loopDelay = null;
    this.electionsBefore = cluster.elections;
    cluster.resetPeakMemory();
    // Most libraries know best how many shall propose; where the case says many, it is many.
    const shared = { bytes, window, ...(proposers === 1 ? {} : { proposers }) };
    const count = window === 1 ? PROBE_COUNT_SINGLE : PROBE_COUNT;
    const probe = await cluster.run({ ...shared, count });
    const second = await cluster.run({ ...shared, count: countFor(rate(probe), seconds / 2, bytes) });
    this.workload = { ...shared, count: countFor(rate(second), seconds, bytes) };
  }

  async round(): Promise<void> {
    const cluster = this.cluster!;
    const countedBefore = await cluster.counted();
    const before = cluster.usage().processorSeconds;
    const latencies = await cluster.run(this.workload);
    const used = cluster.usage().processorSeconds - before;
    const counted = await cluster.counted();
    const syncs = counted === null ? 0 : counted.syncs - countedBefore!.syncs;
    const delayBefore = countedBefore?.loopDelay ?? null;
    if (delayBefore !== null && counted?.loopDelay) {
      const delay = differenceOf(counted.loopDelay, delayBefore);
      this.loopDelay = this.loopDelay === null ? delay : sumOf(this.loopDelay, delay);
    }
    const { p50Us, p90Us, p99Us, maxUs } = latencies;
    this.rounds.push({
      commitsPerSecond: rate(latencies),
      p50Us,
      p90Us,
      p99Us,
      maxUs,
      processorSecondsPerMillion: (used / latencies.count) * 1e6,
      syncedBytes: syncs === 0 ? null : (counted!.writtenBytes - countedBefore!.writtenBytes) / syncs,
    });
  }

  measurement({ id, bytes, window, proposers }: Case): Measurement {
    const cluster = this.cluster!;
    const delay = this.loopDelay === null ? null : quantileOf(this.loopDelay, 0.99);
    return {
      subject: this.subject.name,
      interface: this.subject.interface ?? null,
      case: id,
      nodes: this.session.nodes,
      bytes,
      window: Number.isFinite(window) ? window : null,
      proposers,
      count: this.workload.count,
      ...medians(this.rounds),
      peakMemoryMib: cluster.usage().peakMemoryMib,
      elections: cluster.elections - this.electionsBefore,
      loopDelayP99Us: delay === null ? null : delay * 1e6,
      rounds: this.rounds,
    };
  }

  async end(): Promise<void> {
    const { cluster, directory } = this;
    this.cluster = null;
    this.directory = null;
    await cluster?.end();
    if (directory !== null) rmSync(directory, { recursive: true, force: true });
  }
}

async function measureCase(
  contestants: readonly Contestant[],
  one: Case,
  { rounds, seconds }: Plan,
): Promise<CaseResult> {
  const counted = Math.max(1, contestants.length);
  for (const each of contestants)
    await each.attempt(() => each.warmUp(one, seconds), 2 * seconds, 'the warm-up');
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const each = contestants[(round + turn) % counted]!;
      await each.attempt(() => each.round(), seconds, `round ${round + 1}`);
    }
  }
  return {
    measurements: contestants.filter(({ failure }) => failure === null).map((each) => each.measurement(one)),
    failures: contestants.flatMap(({ subject, failure }) =>
      failure === null ? [] : [{ subject: subject.name, case: one.id, why: failure }],
    ),
  };
}

export interface SessionHooks {
  /** Called before each case; null leaves it out for want of time. */
  readonly plan: (one: Case) => Plan | null;
  readonly onCase: (one: Case, result: CaseResult) => void;
}

/** No fault of the subject. */
export const NO_TIME = 'left out: the time of this run was over';

/**
 * All subjects in one session: fresh clusters, and in each case a warm-up, then rounds in which each subject has one run.
 * Every round begins with another subject, so that no one always follows the same one.
 */
export async function measureSession(
  subjects: readonly Subject[],
  session: Session,
  parent: string,
  { plan, onCase }: SessionHooks,
): Promise<CaseResult> {
  const contestants = subjects.map((subject) => new Contestant(subject, session, parent));
  const measurements: Measurement[] = [];
  const failures: Failure[] = [];
  try {
    for (const one of session.cases) {
      const taking = contestants.filter((each) => each.takes(one));
      let planned = plan(one);
      if (planned !== null) {
        // The time of the case begins when all run.
        await Promise.all(taking.map((each) => each.start()));
        planned = plan(one);
      }
      const result: CaseResult =
        planned === null
          ? {
              measurements: [],
              failures: taking.map(({ subject }) => ({ subject: subject.name, case: one.id, why: NO_TIME })),
            }
          : await measureCase(taking, one, planned);
      measurements.push(...result.measurements);
      failures.push(...result.failures);
      onCase(one, result);
    }
    return { measurements, failures };
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.end()));
  }
}
