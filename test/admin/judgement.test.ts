/** What the endpoint concludes from what it sees: quantiles, rates, warnings in words. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ClusterView, NodeRow } from '../../src-ts/admin/cluster-view.ts';
import { ProgressRates } from '../../src-ts/admin/progress-rates.ts';
import { quantilesBetween } from '../../src-ts/admin/quantiles.ts';
import { SAMPLES_KEPT, Sampler, type Sample } from '../../src-ts/admin/sampler.ts';
import { warningsOf } from '../../src-ts/admin/warnings.ts';
import { LeaderHistory } from '../../src-ts/server/leader-history.ts';
import type { ServerFigures } from '../../src-ts/server/server-figures.ts';
import { TimeHistogram } from '../../src-ts/server/time-histogram.ts';

const BOUNDS = [1, 2, 5, 10, 100];
const NOTHING = new TimeHistogram(BOUNDS).facts();

function figures(changes: Partial<ServerFigures> = {}): ServerFigures {
  return {
    id: 1n,
    clusterId: 7n,
    role: 'leader',
    term: 3,
    leader: 1n,
    commitIndex: 0,
    lastIndex: 0,
    firstIndex: 1,
    handedIndex: 0,
    appliedIndex: 0,
    snapshotIndex: 0,
    logBytes: 0,
    members: 3,
    memberList: [],
    failure: null,
    leaderChanges: [],
    electionSeconds: 1,
    wal: { segments: 1, segmentBytes: 0, syncs: 0, writtenBytes: 0, waitingBytes: 0 },
    counters: {
      proposals: 0,
      forwardedTaken: 0,
      committed: 0,
      rejected: 0,
      unknown: 0,
      leaderChanges: 0,
      leaderLosses: 0,
      snapshotsSaved: 0,
      snapshotsFailed: 0,
      reads: 0,
    },
    walSyncs: NOTHING,
    commitTimes: NOTHING,
    loopDelay: NOTHING,
    applyTimes: null,
    queues: [],
    peers: [],
    version: '1',
    runtime: 'process',
    ...changes,
  };
}

function node(id: string, changes: Partial<NodeRow> = {}): NodeRow {
  return {
    id,
    urls: [],
    learner: false,
    is_self: id === '1',
    reachable: true,
    role: id === '1' ? 'leader' : 'follower',
    term: 3,
    commit_index: 100,
    applied_index: 100,
    last_index: 100,
    snapshot_index: 0,
    log_bytes: 0,
    match_index: 100,
    behind: 0,
    entries_per_second: 0,
    replication: 'replicate',
    last_contact_seconds: 0,
    round_trip_ms: 1,
    runtime: 'process',
    version: '1',
    failure: null,
    ...changes,
  };
}

function cluster(nodes: readonly NodeRow[], changes: Partial<ClusterView> = {}): ClusterView {
  return {
    cluster_id: '7',
    node: '1',
    version: '1',
    term: 3,
    leader: '1',
    voters: nodes.length,
    voters_reachable: nodes.filter(({ reachable }) => reachable).length,
    nodes,
    elections: [],
    warnings: [],
    ...changes,
  };
}

const texts = (
  view: ClusterView,
  own = figures(),
  samples: Parameters<typeof warningsOf>[2] = [],
): string[] => warningsOf(view, own, samples).map(({ severity, text }) => `${severity}: ${text}`);

test('a healthy cluster has no warnings', () => {
  expect(texts(cluster([node('1'), node('2'), node('3')]))).toEqual([]);
});

test('a node that is behind is told with how fast it comes closer', () => {
  const third = (changes: Partial<NodeRow>): ClusterView =>
    cluster([node('1'), node('2'), node('3', { behind: 12_000, ...changes })]);
  expect(texts(third({ entries_per_second: 40_000 }))).toEqual([
    'warning: node 3 is 12,000 entries behind; catching up at 40,000/s, there in about 0.3 s',
  ]);
  expect(texts(third({ entries_per_second: 0 }))).toEqual([
    'warning: node 3 is 12,000 entries behind; not catching up',
  ]);
  expect(texts(third({ replication: 'snapshot' }))).toEqual(['note: node 3 is being sent a snapshot']);
  // Commits of a moment ago do not count against what it takes in now.
  const samples = [9_000, 9_000, 9_000, 9_000, 9_000, 100, 100, 100, 100, 100].map(
    (commits_per_second) => ({ commits_per_second }) as Sample,
  );
  expect(texts(third({ behind: 40_000, entries_per_second: 4_100 }), figures(), samples)).toEqual([
    'warning: node 3 is 40,000 entries behind; catching up at 4,100/s, there in about 10 s',
  ]);
  expect(texts(third({ behind: 900 }))).toEqual([]);
});

test('voters that are gone are counted against the majority, the gravest first', () => {
  const gone = { reachable: false, role: null, last_contact_seconds: 14 };
  expect(texts(cluster([node('1'), node('2'), node('3', gone)]))).toEqual([
    'warning: 2 of 3 voters can be reached: if one more fails, nothing can be committed',
    'warning: node 3 was last heard of 14 s ago',
  ]);
  expect(texts(cluster([node('1'), node('2'), node('3', { ...gone, behind: 5_000 })]))[1]).toBe(
    'warning: node 3 was last heard of 14 s ago, and is 5,000 entries behind',
  );
  const lost = [{ secondsAgo: 3.24, leader: 0n, term: 3, silentSeconds: 0, handedOver: false }];
  expect(
    texts(
      cluster([node('1'), node('2', gone), node('3', { ...gone, last_contact_seconds: null })], {
        leader: null,
      }),
      figures({ leader: 0n, leaderChanges: lost }),
    ),
  ).toEqual([
    'critical: only 1 of 3 voters can be reached: nothing can be committed',
    'critical: no leader is known for 3.2 s: nothing can be committed',
    'warning: node 2 was last heard of 14 s ago',
    'warning: node 3 has not been heard of yet',
  ]);
});

test('failures, backlogs, unrest and mixed versions are told', () => {
  const election = {
    seconds_ago: 5,
    leader: '1',
    term: 3,
    without_leader_seconds: null,
    handed_over: false,
  };
  expect(
    texts(
      cluster(
        [
          node('1'),
          node('2', { applied_index: 100, commit_index: 90_100, version: '2' }),
          node('3', { failure: 'no disk' }),
        ],
        { elections: [election, election, election] },
      ),
      figures({ failure: 'a sync failed' }),
    ),
  ).toEqual([
    'critical: node 1 has stopped for good: a sync failed',
    'critical: node 3 has stopped for good: no disk',
    'warning: the state machine of node 2 is 90,000 entries behind its log',
    'warning: 3 elections in the last minute: look at the network, the disks and election_tick',
    'note: several versions are running: 1, 2',
  ]);
});

test('transfers that somebody asked for are no unrest', () => {
  const election = { seconds_ago: 5, leader: '1', term: 3, without_leader_seconds: 0.01, handed_over: false };
  const asked = { ...election, handed_over: true };
  const nodes = [node('1'), node('2'), node('3')];
  expect(texts(cluster(nodes, { elections: [asked, election, asked, election, asked, asked] }))).toEqual([]);
  expect(texts(cluster(nodes, { elections: [asked, election, election, election] }))).toEqual([
    expect.stringContaining('3 elections in the last minute'),
  ]);
});

test('a slow disk and a busy processor are told from the samples', () => {
  let now = 0;
  const syncs = new TimeHistogram([1, 100, 500]);
  const delays = new TimeHistogram([10, 500]);
  const clock = { now: () => now, setTimer: () => ({ cancel: () => undefined }) };
  const sampler = new Sampler(
    clock,
    () => figures({ walSyncs: syncs.facts(), loopDelay: delays.facts() }),
    () => undefined,
  );
  sampler.sample();
  now = 1000;
  syncs.observe(0.5);
  delays.observe(480);
  sampler.sample();
  expect(texts(cluster([node('1')]), figures(), sampler.after(0))).toEqual([
    'warning: node 1 has too little processor: its timer was 495 ms late',
  ]);
  for (let i = 0; i < 20; i++) syncs.observe(400);
  now = 2000;
  sampler.sample();
  expect(sampler.newest?.wal_sync).toEqual({ count: 20, p50_ms: 300, p99_ms: 496 });
  expect(texts(cluster([node('1')]), figures(), sampler.after(0))).toEqual([
    'warning: the disk of node 1 is slow: a sync of the log took 496 ms',
    'warning: node 1 has too little processor: its timer was 495 ms late',
  ]);
});

test('samples have rates of their second, and are kept for some minutes', () => {
  let now = 0;
  let commitIndex = 0;
  const clock = { now: () => now, setTimer: () => ({ cancel: () => undefined }) };
  const sampler = new Sampler(
    clock,
    () => figures({ commitIndex }),
    () => undefined,
  );
  for (let i = 0; i <= SAMPLES_KEPT + 50; i++) {
    sampler.sample();
    now += 500;
    commitIndex += 100;
  }
  const all = sampler.after(0);
  expect(all).toHaveLength(SAMPLES_KEPT);
  expect(all[0]!.sequence).toBe(51);
  expect(all.every((sample) => sample.commits_per_second === 200)).toBe(true);
  expect(sampler.after(SAMPLES_KEPT + 48).map((sample) => sample.sequence)).toEqual([
    SAMPLES_KEPT + 49,
    SAMPLES_KEPT + 50,
  ]);
});

test('quantiles lie in the bucket of the value that has their rank', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 99, noNaN: true }), { minLength: 1, maxLength: 200 }),
      (values) => {
        const histogram = new TimeHistogram(BOUNDS);
        histogram.observe(50);
        const before = histogram.facts();
        for (const value of values) histogram.observe(value);
        const found = quantilesBetween(before, histogram.facts())!;
        expect(found.count).toBe(values.length);
        const sorted = [...values].sort((a, b) => a - b);
        for (const [share, quantile] of [
          [0.5, found.p50_ms],
          [0.99, found.p99_ms],
        ] as const) {
          const exact = sorted[Math.max(0, Math.ceil(values.length * share) - 1)]!;
          const upper = BOUNDS.find((bound) => exact <= bound)!;
          const lower = BOUNDS[BOUNDS.indexOf(upper) - 1] ?? 0;
          expect(quantile).toBeGreaterThanOrEqual(lower - 0.01);
          expect(quantile).toBeLessThanOrEqual(upper + 0.01);
        }
      },
    ),
  );
  expect(quantilesBetween(NOTHING, NOTHING)).toBeNull();
});

test('a rate is the slope of the last seconds, and forgets a log that was cut', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 3, max: 60 }), (perSecond, count) => {
      const rates = new ProgressRates();
      for (let i = 0; i < count; i++) rates.observe('3', i * 1000, i * perSecond);
      expect(rates.rate('3')).toBe(perSecond);
      rates.observe('3', count * 1000, 0);
      expect(rates.rate('3')).toBe(perSecond === 0 ? 0 : null);
      rates.keep(new Set(['1']));
      expect(rates.rate('3')).toBeNull();
    }),
  );
});

test('a log that grows again after a standstill has the rate of the time since', () => {
  const rates = new ProgressRates();
  const observe = (second: number, index: number): void => rates.observe('3', second * 1000, index);
  for (let second = 0; second <= 10; second++) observe(second, second * 100);
  expect(rates.rate('3')).toBe(100);
  observe(11, 1000);
  expect(rates.rate('3')).toBeGreaterThan(0);
  observe(12, 1000);
  observe(13, 1000);
  expect(rates.rate('3')).toBe(0);
  observe(14, 8000);
  observe(15, 16_000);
  expect(rates.rate('3')).toBe(7500);
});

test('a change of the leader tells how long the former one was silent', () => {
  let now = 1_000;
  const heard = new Map([[2, 900]]);
  const history = new LeaderHistory(
    { now: () => now, setTimer: () => ({ cancel: () => undefined }) },
    (id) => heard.get(id) ?? null,
  );
  history.add(2, 5);
  now = 2_400;
  history.add(0, 6);
  now = 2_500;
  history.add(1, 6);
  now = 9_000;
  history.add(0, 6);
  expect(history.changes.map(({ silentMs }) => silentMs)).toEqual([0, 1_500, 0, 0]);
});
