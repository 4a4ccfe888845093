/** What the benchmark measures: a raft implementation behind a host program. Another one is another Subject. */

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

/** What the benchmark takes of RAFT_GetStatus. */
export interface Status {
  readonly wal: { readonly syncs: number; readonly written_bytes: number };
  /** Of the event loop, since the status was asked for last. */
  readonly loop_delay?: { readonly samples: number; readonly p99_us: number } | null;
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
  /** RAFT_GetStatus of the leader; null where a subject has no such thing. */
  status(): Promise<Status | null>;
  end(): Promise<void>;
}

export interface Subject {
  readonly name: string;
  /** Absent: any number may propose. */
  readonly proposersMax?: number;
  /** Starts nodes with their data below a directory; resolves when there is a leader. */
  start(nodes: number, directory: string, config?: ConfigChanges): Promise<SubjectCluster>;
}
