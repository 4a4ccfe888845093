/** Every metric: its name, what it is, and where in the facts its samples come from. docs/METRICS.md is made from it. */
import type { PeerFacts, ServerFigures } from '../server/server-figures.ts';
import type { HistogramFacts } from '../server/time-histogram.ts';

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Described {
  readonly name: string;
  readonly help: string;
}

export type Metric = Described &
  (
    | {
        readonly kind: 'counter' | 'gauge';
        readonly labels: readonly string[];
        samples(facts: ServerFigures): readonly Sample[];
      }
    | { readonly kind: 'histogram'; histogram(facts: ServerFigures): HistogramFacts | null }
  );

function single(
  kind: 'counter' | 'gauge',
  name: string,
  help: string,
  value: (facts: ServerFigures) => number,
): Metric {
  return { kind, name, help, labels: [], samples: (facts) => [{ labels: {}, value: value(facts) }] };
}

function ofPeers(name: string, help: string, value: (peer: PeerFacts) => number): Metric {
  return {
    kind: 'gauge',
    name,
    help,
    labels: ['peer'],
    samples: ({ peers }) =>
      peers
        .map((peer) => ({ labels: { peer: peer.id.toString() }, value: value(peer) }))
        .filter((sample) => sample.value >= 0),
  };
}

const ROLES = ['follower', 'candidate', 'leader', 'pre-candidate', 'removed', 'failed'] as const;

export const METRICS: readonly Metric[] = [
  {
    kind: 'gauge',
    name: 'polyraft_info',
    help: 'Always 1; the labels tell the version of the engine and the runtime that it runs in.',
    labels: ['version', 'runtime'],
    samples: ({ version, runtime }) => [{ labels: { version, runtime }, value: 1 }],
  },
  {
    kind: 'gauge',
    name: 'polyraft_role',
    help: '1 for the role that this server has now, 0 for the others.',
    labels: ['role'],
    samples: (facts) => ROLES.map((role) => ({ labels: { role }, value: facts.role === role ? 1 : 0 })),
  },
  single('gauge', 'polyraft_term', 'The current term.', (facts) => facts.term),
  single('gauge', 'polyraft_has_leader', '1 while this server knows a leader.', (facts) =>
    facts.leader === 0n ? 0 : 1,
  ),
  single(
    'counter',
    'polyraft_leader_changes_total',
    'How often this server learned of a leader other than the one before.',
    (facts) => facts.counters.leaderChanges,
  ),
  single(
    'counter',
    'polyraft_leader_losses_total',
    'How often this server lost its leader without knowing another.',
    (facts) => facts.counters.leaderLosses,
  ),
  single('gauge', 'polyraft_members', 'Members of the cluster, learners too.', (facts) => facts.members),
  single(
    'counter',
    'polyraft_proposals_total',
    'Proposals that the host of this server submitted.',
    (facts) => facts.counters.proposals,
  ),
  single(
    'counter',
    'polyraft_forwarded_proposals_total',
    'Proposals of other members that this server appended as their leader.',
    (facts) => facts.counters.forwardedTaken,
  ),
  {
    kind: 'counter',
    name: 'polyraft_proposal_outcomes_total',
    help: 'Outcomes told to the host, for proposals with a completion.',
    labels: ['outcome'],
    samples: ({ counters }) => [
      { labels: { outcome: 'committed' }, value: counters.committed },
      { labels: { outcome: 'rejected' }, value: counters.rejected },
      { labels: { outcome: 'unknown' }, value: counters.unknown },
    ],
  },
  single(
    'counter',
    'polyraft_read_requests_total',
    'Linearizable reads that were asked for.',
    (facts) => facts.counters.reads,
  ),
  single(
    'gauge',
    'polyraft_commit_index',
    'Index of the last committed entry.',
    (facts) => facts.commitIndex,
  ),
  single(
    'gauge',
    'polyraft_applied_index',
    'Index of the last entry that the host has applied.',
    (facts) => facts.appliedIndex,
  ),
  single(
    'gauge',
    'polyraft_apply_backlog_entries',
    'Committed entries that the host has not applied.',
    (facts) => Math.max(0, facts.commitIndex - facts.appliedIndex),
  ),
  {
    kind: 'histogram',
    name: 'polyraft_commit_duration_seconds',
    help: 'Time from the append of an entry to its commit, on the leader; one entry at a time is followed.',
    histogram: (facts) => facts.commitTimes,
  },
  {
    kind: 'histogram',
    name: 'polyraft_apply_duration_seconds',
    help: "Time that the host's callbacks took for the entries that they were handed at once.",
    histogram: (facts) => facts.applyTimes,
  },
  single('gauge', 'polyraft_last_index', 'Index of the last entry in the log.', (facts) => facts.lastIndex),
  single(
    'gauge',
    'polyraft_first_index',
    'Index of the first entry kept in the log.',
    (facts) => facts.firstIndex,
  ),
  single(
    'gauge',
    'polyraft_log_bytes',
    'Bytes of the log that are kept in memory.',
    (facts) => facts.logBytes,
  ),
  {
    kind: 'histogram',
    name: 'polyraft_wal_sync_duration_seconds',
    help: 'Time from the begin of a write to the log on disk to the end of its sync.',
    histogram: (facts) => facts.walSyncs,
  },
  single(
    'counter',
    'polyraft_wal_written_bytes_total',
    'Bytes written to the log on disk.',
    (facts) => facts.wal.writtenBytes,
  ),
  single('gauge', 'polyraft_wal_segments', 'Segment files of the log.', (facts) => facts.wal.segments),
  single(
    'gauge',
    'polyraft_wal_waiting_bytes',
    'Bytes that wait for the write before theirs to end.',
    (facts) => facts.wal.waitingBytes,
  ),
  single(
    'gauge',
    'polyraft_snapshot_index',
    'Index of the newest snapshot on disk.',
    (facts) => facts.snapshotIndex,
  ),
  single(
    'counter',
    'polyraft_snapshots_saved_total',
    'Snapshots of the own state machine that were saved.',
    (facts) => facts.counters.snapshotsSaved,
  ),
  single(
    'counter',
    'polyraft_snapshots_failed_total',
    'Snapshots that could not be taken.',
    (facts) => facts.counters.snapshotsFailed,
  ),
  ofPeers('polyraft_peer_active', '1 while there is a stream to or from the peer.', (peer) =>
    peer.active ? 1 : 0,
  ),
  ofPeers(
    'polyraft_peer_last_contact_seconds',
    'Time since something arrived from the peer; absent when nothing has.',
    (peer) => peer.lastContactSeconds,
  ),
  ofPeers(
    'polyraft_peer_round_trip_seconds',
    'Time from a request to the answer of the peer, measured every few seconds; absent while it is not known.',
    (peer) => peer.roundTripSeconds,
  ),
  ofPeers(
    'polyraft_peer_match_index',
    'Index up to which the peer is known to have the log; on a leader only.',
    (peer) => peer.matchIndex,
  ),
  ofPeers(
    'polyraft_peer_inflight_messages',
    'Append messages to the peer that are not answered.',
    (peer) => peer.inflightMessages,
  ),
  {
    kind: 'histogram',
    name: 'polyraft_event_loop_delay_seconds',
    help: "How late the engine's timer fires: how long its event loop was busy.",
    histogram: (facts) => facts.loopDelay,
  },
  {
    kind: 'gauge',
    name: 'polyraft_bridge_bytes',
    help: 'Bytes between host and engine that the other side has not read.',
    labels: ['queue'],
    samples: ({ queues }) => queues.map(({ name, bytes }) => ({ labels: { queue: name }, value: bytes })),
  },
];
