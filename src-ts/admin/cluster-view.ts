/**
 * What `GET /cluster` answers: the cluster as one of its servers sees it. The page and the command line read it. Ids are
 * decimal text, because they have 64 bits; null is "not known".
 */
export interface ClusterView {
  readonly cluster_id: string;
  /** The server that answers. */
  readonly node: string;
  readonly version: string;
  readonly term: number;
  readonly leader: string | null;
  readonly voters: number;
  readonly voters_reachable: number;
  /** By id. */
  readonly nodes: readonly NodeRow[];
  /** The newest first. */
  readonly elections: readonly Election[];
  /** The gravest first. */
  readonly warnings: readonly Warning[];
}

export interface NodeRow {
  readonly id: string;
  readonly urls: readonly string[];
  readonly learner: boolean;
  readonly is_self: boolean;
  /** It has answered lately, or has a stream to the server that answers. */
  readonly reachable: boolean;
  readonly role: string | null;
  readonly term: number | null;
  readonly commit_index: number | null;
  readonly applied_index: number | null;
  readonly last_index: number | null;
  readonly snapshot_index: number | null;
  readonly log_bytes: number | null;
  /** Up to where the leader knows that the node has the log. */
  readonly match_index: number | null;
  /** Entries that the leader has and the node has not. */
  readonly behind: number | null;
  /** At which its log grows. */
  readonly entries_per_second: number | null;
  /** How the leader brings it up to date: probe, replicate, snapshot. */
  readonly replication: string | null;
  readonly last_contact_seconds: number | null;
  readonly round_trip_ms: number | null;
  readonly runtime: string | null;
  readonly version: string | null;
  readonly failure: string | null;
}

export interface Election {
  readonly seconds_ago: number;
  readonly leader: string;
  readonly term: number;
  /** Since the leader before was last heard of by this server; null when that is not known. */
  readonly without_leader_seconds: number | null;
  /** Somebody had asked for it: the leader before handed over. */
  readonly handed_over: boolean;
}

export interface Warning {
  readonly severity: 'critical' | 'warning' | 'note';
  readonly text: string;
}
