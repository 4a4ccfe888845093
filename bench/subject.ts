/** What the benchmark measures: a raft implementation behind a host program. Another one is another Subject. */

import type { Case } from './cases.ts';
import type { Histogram } from './statistics.ts';

export interface Workload {
  /** Proposals of one run. */
  readonly count: number;
  readonly bytes: number;
  /** Open at a time; 1 is one after another, Infinity all. */
  readonly window: number;
  /** Threads that propose; absent: as is best for the library. */
  readonly proposers?: number;
  /** Most entries a second; absent: no limit. */
  readonly rate?: number;
}

export interface Latencies {
  readonly count: number;
  readonly seconds: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

export interface Usage {
  /** Processor time of all nodes, with their children, in seconds. */
  readonly processorSeconds: number;
  /** Most memory of any node, with its children, in MiB. */
  readonly peakMemoryMib: number;
}

/** What a leader counts. */
export interface Counted {
  readonly syncs: number;
  readonly writtenBytes: number;
  /** How late the timer of its event loop fired, in seconds. */
  readonly loopDelay: Histogram | null;
}

export type ConfigChanges = Readonly<Record<string, string | number | boolean>>;

export interface SubjectCluster {
  /** Proposes on the leader, and waits until its state machine has applied all. */
  run(workload: Workload): Promise<Latencies>;
  usage(): Usage;
  /** The peak of the memory begins anew. */
  resetPeakMemory(): void;
  /** Roles of candidates and leaders that were taken since the first leader: 0 when nothing disturbed it. */
  readonly elections: number;
  /** Of the leader since it was started; null where a subject tells nothing. */
  counted(): Promise<Counted | null>;
  /** Ends its processes, in order. */
  end(): Promise<void>;
  /** Kills its processes; whatever waits for them fails. */
  kill(): void;
}

export interface Subject {
  readonly name: string;
  /** The interface of polyraft that it goes through; absent: another library. */
  readonly interface?: 'polyraft' | 'easyraft' | 'libraft';
  /** Absent: it takes all cases. */
  readonly takes?: (one: Case, nodes: number) => boolean;
  /** Starts nodes with their data below a directory; resolves when there is a leader. */
  start(nodes: number, directory: string, config?: ConfigChanges): Promise<SubjectCluster>;
}
