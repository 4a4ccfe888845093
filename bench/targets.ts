/** The numbered targets, and the floors of a first version: measured in one run, as ratios. */
import { TARGET_CASES } from './cases.ts';
import type { Machine } from './machine.ts';
import type { Measurement } from './measure.ts';
import { HEARTBEAT_MS, type ScenarioFigure } from './scenarios/scenario.ts';
import { median } from './statistics.ts';

/** `ratio` is measured divided by wanted or by a peer, so that more is better; reached from `goal` on. */
export interface Target {
  readonly id: string;
  /** 0: a floor of the first version. */
  readonly number: number;
  readonly what: string;
  readonly ratio: number;
  /** Of the rounds that both had. */
  readonly min: number;
  readonly max: number;
  readonly goal: number;
  readonly reached: boolean;
}

/** A target of which this run has no figures. */
export interface Unmeasured {
  readonly id: string;
  readonly number: number;
  readonly what: string;
}

const COMMITS_PER_SECOND = 40_000;
const ONE_BY_ONE_P50_US = 1_500;
/** The latency floor holds where the disk is at least this quick. */
const SYNC_P50_US = 500;
const ETCD = 'etcd-easyraft';
const CRAFT = 'craft';
/** A median latency of at most 1.3 times that of C-Raft: 1 / 1.3. */
const CRAFT_SINGLE_GOAL = 0.769;
const IDLE_MIB = 90;
const REPLAY_MIB_PER_SECOND = 500;
const LOOP_DELAY_MS = HEARTBEAT_MS / 10;
/** Under full load the memory of the last rounds is hardly more than that of the first ones. */
const FLAT_GOAL = 0.95;

type Figure = 'commitsPerSecond' | 'p50Us' | 'p99Us' | 'processorSecondsPerMillion';

interface Head {
  readonly id: string;
  readonly number: number;
  readonly what: string;
}

interface Comparison extends Head {
  readonly case: string;
  readonly peer: string;
  readonly figure: Figure;
  readonly goal: number;
}

function compared(
  id: string,
  number: number,
  what: string,
  name: keyof typeof TARGET_CASES,
  peer: string,
  figure: Figure,
  goal: number,
): Comparison {
  return { id, number, what, case: TARGET_CASES[name], peer, figure, goal };
}

/** The goals against peers, measured in the same run. */
const COMPARISONS: readonly Comparison[] = [
  compared(
    '3-nodes-commits-etcd',
    1,
    '3 nodes, window 4096: commits/s of the etcd peer',
    'threeNodesDeep',
    ETCD,
    'commitsPerSecond',
    20,
  ),
  compared(
    '3-nodes-commits-craft',
    1,
    '3 nodes, window 4096: commits/s of C-Raft',
    'threeNodesDeep',
    CRAFT,
    'commitsPerSecond',
    6,
  ),
  compared(
    '1-node-commits-craft',
    2,
    '1 node, window 4096: commits/s of C-Raft',
    'oneNodeDeep',
    CRAFT,
    'commitsPerSecond',
    4,
  ),
  compared(
    '1-node-p50-craft',
    3,
    '1 node, one in flight: p50 of C-Raft',
    'oneNodeSingle',
    CRAFT,
    'p50Us',
    CRAFT_SINGLE_GOAL,
  ),
  compared(
    '1-node-p50-etcd',
    3,
    '1 node, one in flight: p50 of the etcd peer',
    'oneNodeSingle',
    ETCD,
    'p50Us',
    2,
  ),
  compared('1-node-p99-craft', 3, '1 node, one in flight: p99 of C-Raft', 'oneNodeSingle', CRAFT, 'p99Us', 1),
  compared(
    '1-node-p99-etcd',
    3,
    '1 node, one in flight: p99 of the etcd peer',
    'oneNodeSingle',
    ETCD,
    'p99Us',
    1,
  ),
  compared(
    '3-nodes-p50-craft',
    3,
    '3 nodes, one in flight: p50 of C-Raft',
    'threeNodesSingle',
    CRAFT,
    'p50Us',
    1,
  ),
  compared(
    '3-nodes-p50-etcd',
    3,
    '3 nodes, one in flight: p50 of the etcd peer',
    'threeNodesSingle',
    ETCD,
    'p50Us',
    3,
  ),
  compared(
    '3-nodes-p99-craft',
    3,
    '3 nodes, one in flight: p99 of C-Raft',
    'threeNodesSingle',
    CRAFT,
    'p99Us',
    1,
  ),
  compared(
    '3-nodes-p99-etcd',
    3,
    '3 nodes, one in flight: p99 of the etcd peer',
    'threeNodesSingle',
    ETCD,
    'p99Us',
    1,
  ),
  compared(
    '3-nodes-processor-etcd',
    4,
    '3 nodes, window 4096: processor time of the etcd peer for a commit',
    'threeNodesDeep',
    ETCD,
    'processorSecondsPerMillion',
    5,
  ),
];

function target(head: Head, ratio: number, rounds: readonly number[], goal = 1): Target {
  const rounded = (value: number): number => Math.round(value * 1000) / 1000;
  return {
    id: head.id,
    number: head.number,
    what: head.what,
    ratio: rounded(ratio),
    min: rounded(Math.min(...rounds)),
    max: rounded(Math.max(...rounds)),
    goal,
    reached: ratio >= goal,
  };
}

/** How much better `ours` is than `theirs`: rates want to be high, all other figures low. */
function advantage(figure: Figure, ours: number, theirs: number): number {
  return figure === 'commitsPerSecond' ? ours / theirs : theirs / ours;
}

function best(figure: Figure, measurements: readonly Measurement[]): Measurement | undefined {
  return [...measurements].sort((a, b) => advantage(figure, b[figure], a[figure]) - 1)[0];
}

type Finding = Target | null;

function compare(comparison: Comparison, measurements: readonly Measurement[]): Finding {
  const { case: name, peer, figure, goal } = comparison;
  const inCase = measurements.filter((measurement) => measurement.case === name);
  const theirs = inCase.find((measurement) => measurement.subject === peer);
  const ours = best(figure, inCase.filter(isOurs));
  if (theirs === undefined || ours === undefined) return null;
  const rounds = ours.rounds.map((round, i) => advantage(figure, round[figure], theirs.rounds[i]![figure]));
  return target(comparison, median(rounds), rounds, goal);
}

function floor(head: Head, ours: Measurement | undefined, figure: Figure, wanted: number): Finding {
  if (ours === undefined) return null;
  const rounds = ours.rounds.map((round) => advantage(figure, round[figure], wanted));
  return target(head, median(rounds), rounds);
}

/** The best of our runtimes in a scenario's figure, against what is wanted of it. */
function ofScenario(
  head: Head,
  figures: readonly ScenarioFigure[],
  matches: (figure: ScenarioFigure) => boolean,
  ratiosOf: (rounds: readonly number[]) => readonly number[],
  goal = 1,
): Finding {
  const found = figures
    .filter(matches)
    .map(({ rounds }) => ratiosOf(rounds))
    .sort((a, b) => median(b) - median(a))[0];
  return found === undefined ? null : target(head, median(found), found, goal);
}

/** One for no election in any case and scenario, else one divided by one more than there were. */
function ofElections(head: Head, ours: readonly Measurement[], figures: readonly ScenarioFigure[]): Finding {
  const counts = [
    ...ours.map(({ elections }) => elections),
    ...figures.filter(({ figure }) => figure === 'spurious elections').flatMap(({ rounds }) => rounds),
  ];
  if (counts.length === 0) return null;
  const ratio = 1 / (1 + counts.reduce((sum, count) => sum + count, 0));
  return target(head, ratio, [ratio]);
}

/** How the memory of the first half of the rounds stands to that of the last half. */
function flatness(rounds: readonly number[]): readonly number[] {
  const half = Math.ceil(rounds.length / 2);
  return [median(rounds.slice(0, half)) / median(rounds.slice(-half))];
}

function isOurs({ interface: name }: Measurement): boolean {
  return name === 'polyraft';
}

export interface Targets {
  readonly targets: readonly Target[];
  readonly unmeasured: readonly Unmeasured[];
}

/** Of ours the better runtime counts in each. */
export function targetsOf(
  machine: Machine,
  measurements: readonly Measurement[],
  figures: readonly ScenarioFigure[],
): Targets {
  const all = measurements.filter(isOurs);
  const ours = (id: string): Measurement[] => all.filter((measurement) => measurement.case === id);
  const deep = best('commitsPerSecond', ours(TARGET_CASES.threeNodesDeep));
  const single =
    machine.syncP50Us < SYNC_P50_US ? best('p50Us', ours(TARGET_CASES.oneNodeSingle)) : undefined;
  const found: { readonly head: Head; readonly finding: Finding }[] = [];
  const take = (id: string, number: number, what: string, find: (head: Head) => Finding): void => {
    const head = { id, number, what };
    found.push({ head, finding: find(head) });
  };

  for (const comparison of COMPARISONS)
    found.push({ head: comparison, finding: compare(comparison, measurements) });
  take('idle-memory-embedded-90-mib', 5, 'memory of an idle node, embedded: below 90 MiB', (head) =>
    ofScenario(
      head,
      figures,
      ({ scenario, subject, figure }) =>
        scenario === 'idle' && subject === 'polyraft embedded' && figure === 'resident memory',
      (rounds) => rounds.map((mib) => IDLE_MIB / mib),
    ),
  );
  take('memory-flat-under-full-load', 5, 'memory under full load: the first rounds to the last', (head) =>
    ofScenario(
      head,
      figures,
      ({ scenario, figure }) => scenario === 'full-load' && figure.startsWith('resident memory'),
      flatness,
      FLAT_GOAL,
    ),
  );
  take('restart-500-mib-per-second', 6, 'replay of the log: 500 MiB/s', (head) =>
    ofScenario(
      head,
      figures,
      ({ scenario, figure }) => scenario.startsWith('restart-') && figure === 'rate of the replay',
      (rounds) => rounds.map((rate) => rate / REPLAY_MIB_PER_SECOND),
    ),
  );
  take('loop-delay-p99-10-ms', 7, "delay p99 of the leader's event loop under full load: 10 ms", (head) =>
    ofScenario(
      head,
      figures,
      ({ scenario, figure }) => scenario === 'full-load' && figure === 'event loop delay p99',
      (rounds) => rounds.map((ms) => LOOP_DELAY_MS / Math.max(0.001, ms)),
    ),
  );
  take('no-spurious-election', 7, 'no election that was not asked for, in any case and scenario', (head) =>
    ofElections(head, all, figures),
  );
  take('3-nodes-deep-40000-commits-per-second', 0, '3 nodes, window 4096: 40,000 commits/s', (head) =>
    floor(head, deep, 'commitsPerSecond', COMMITS_PER_SECOND),
  );
  take('1-node-one-by-one-p50-1500-us', 0, '1 node, one in flight: p50 1.5 ms, on a quick disk', (head) =>
    floor(head, single, 'p50Us', ONE_BY_ONE_P50_US),
  );
  return {
    targets: found.flatMap(({ finding }) => (finding === null ? [] : [finding])),
    unmeasured: found.flatMap(({ head, finding }) =>
      finding === null ? [{ id: head.id, number: head.number, what: head.what }] : [],
    ),
  };
}
