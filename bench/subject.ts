/** What the benchmark measures: a raft implementation behind a host program. Another one is another Subject. */

export interface Workload {
  /** Proposals of one run. */
  readonly count: number;
  readonly bytes: number;
  /** Open at a time; 1 is one after another. */
  readonly window: number;
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

export interface SubjectCluster {
  /** Proposes on the leader, and waits until its state machine has applied all. */
  run(workload: Workload): Promise<Latencies>;
  usage(): Usage;
  end(): Promise<void>;
}

export interface Subject {
  readonly name: string;
  /** Starts nodes with their data below a directory; resolves when there is a leader. */
  start(nodes: number, directory: string): Promise<SubjectCluster>;
}
