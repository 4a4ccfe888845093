/** What one look at a server finds, for metrics and pages; `figures.ts` collects it. */
import type { WalStatistics } from '../storage/types.ts';
import type { HistogramFacts } from './time-histogram.ts';

/** What waits between engine and host. */
export interface QueueFacts {
  readonly name: string;
  readonly bytes: number;
}

export interface PeerFacts {
  readonly id: bigint;
  readonly active: boolean;
  /** Seconds since something arrived; -1 never. */
  readonly lastContactSeconds: number;
  /** Of the last probe; -1 while there is none. */
  readonly roundTripSeconds: number;
  /** Known to a leader only; -1 elsewhere. */
  readonly matchIndex: number;
  readonly inflightMessages: number;
  /** How its log is brought up to date: probe, replicate or snapshot; empty where this is not known. */
  readonly replication: string;
}

export interface MemberFacts {
  readonly id: bigint;
  readonly urls: readonly string[];
  readonly learner: boolean;
}

export interface LeaderChangeFacts {
  readonly secondsAgo: number;
  /** 0: the leader was lost. */
  readonly leader: bigint;
  readonly term: number;
  /** How long the leader before had not been heard of; 0 without one. */
  readonly silentSeconds: number;
  /** The leader before handed over. */
  readonly handedOver: boolean;
}

export interface CounterFacts {
  readonly proposals: number;
  readonly forwardedTaken: number;
  readonly committed: number;
  readonly rejected: number;
  readonly unknown: number;
  readonly leaderChanges: number;
  readonly leaderLosses: number;
  readonly snapshotsSaved: number;
  readonly snapshotsFailed: number;
  readonly reads: number;
}

export interface ServerFigures {
  readonly id: bigint;
  readonly clusterId: bigint;
  readonly role: 'follower' | 'candidate' | 'leader' | 'pre-candidate' | 'removed' | 'failed';
  readonly term: number;
  /** 0: none. */
  readonly leader: bigint;
  readonly commitIndex: number;
  readonly lastIndex: number;
  readonly firstIndex: number;
  /** Handed over to the host, and applied by it. */
  readonly handedIndex: number;
  readonly appliedIndex: number;
  readonly snapshotIndex: number;
  /** Of the log in memory. */
  readonly logBytes: number;
  readonly members: number;
  readonly memberList: readonly MemberFacts[];
  /** Why the server has stopped for good. */
  readonly failure: string | null;
  /** The newest last. */
  readonly leaderChanges: readonly LeaderChangeFacts[];
  readonly electionSeconds: number;
  readonly wal: WalStatistics;
  readonly counters: CounterFacts;
  readonly walSyncs: HistogramFacts;
  /** From the append to the commit, on the leader; one entry at a time is followed. */
  readonly commitTimes: HistogramFacts;
  readonly loopDelay: HistogramFacts;
  /** How long the host took to apply what it was handed at once; null where nobody measures it. */
  readonly applyTimes: HistogramFacts | null;
  readonly queues: readonly QueueFacts[];
  readonly peers: readonly PeerFacts[];
  readonly version: string;
  readonly runtime: string;
}
