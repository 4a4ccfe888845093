import type { Machine } from './machine.ts';
import { TARGET_CASES } from './cases.ts';
import type { Measurement } from './measure.ts';
import type { ScenarioFigure } from './scenarios.ts';
import { median } from './statistics.ts';

/** `ratio` is measured divided by wanted or by a peer, so that more is better; reached from `goal` on. */
export interface Target {
  readonly id: string;
  readonly ratio: number;
  /** Of the rounds that both had. */
  readonly min: number;
  readonly max: number;
  readonly goal: number;
  readonly reached: boolean;
}

const COMMITS_PER_SECOND = 40_000;
const ONE_BY_ONE_P50_US = 1_500;
/** The latency floor holds where the disk is at least this quick. */
const SYNC_P50_US = 500;

const OURS = /^polyraft /;
const ETCD = 'etcd-easyraft';
const CRAFT = 'craft';
/** A median latency of at most 1.3 times that of C-Raft. */
const CRAFT_SINGLE_GOAL = 1 / 1.3;

type Figure = 'commitsPerSecond' | 'p50Us' | 'p99Us' | 'processorSecondsPerMillion';

const IDLE_MIB = 90;
const REPLAY_MIB_PER_SECOND = 500;
/** A tenth of the heartbeat interval of 100 ms. */
const LOOP_DELAY_US = 10_000;

interface Comparison {
  readonly id: string;
  readonly case: string;
  readonly peer: string;
  readonly figure: Figure;
  readonly goal: number;
}

/** The goals against peers, measured in the same run. */
const COMPARISONS: readonly Comparison[] = [
  {
    id: '3-nodes-commits-etcd',
    case: TARGET_CASES.threeNodesDeep,
    peer: ETCD,
    figure: 'commitsPerSecond',
    goal: 20,
  },
  {
    id: '3-nodes-commits-craft',
    case: TARGET_CASES.threeNodesDeep,
    peer: CRAFT,
    figure: 'commitsPerSecond',
    goal: 6,
  },
  {
    id: '1-node-commits-craft',
    case: TARGET_CASES.oneNodeDeep,
    peer: CRAFT,
    figure: 'commitsPerSecond',
    goal: 4,
  },
  {
    id: '1-node-p50-craft',
    case: TARGET_CASES.oneNodeSingle,
    peer: CRAFT,
    figure: 'p50Us',
    goal: CRAFT_SINGLE_GOAL,
  },
  { id: '1-node-p50-etcd', case: TARGET_CASES.oneNodeSingle, peer: ETCD, figure: 'p50Us', goal: 2 },
  { id: '1-node-p99-craft', case: TARGET_CASES.oneNodeSingle, peer: CRAFT, figure: 'p99Us', goal: 1 },
  { id: '1-node-p99-etcd', case: TARGET_CASES.oneNodeSingle, peer: ETCD, figure: 'p99Us', goal: 1 },
  { id: '3-nodes-p50-craft', case: TARGET_CASES.threeNodesSingle, peer: CRAFT, figure: 'p50Us', goal: 1 },
  { id: '3-nodes-p50-etcd', case: TARGET_CASES.threeNodesSingle, peer: ETCD, figure: 'p50Us', goal: 3 },
  { id: '3-nodes-p99-craft', case: TARGET_CASES.threeNodesSingle, peer: CRAFT, figure: 'p99Us', goal: 1 },
  { id: '3-nodes-p99-etcd', case: TARGET_CASES.threeNodesSingle, peer: ETCD, figure: 'p99Us', goal: 1 },
  {
    id: '3-nodes-processor-etcd',
    case: TARGET_CASES.threeNodesDeep,
    peer: ETCD,
    figure: 'processorSecondsPerMillion',
    goal: 5,
  },
];

function target(id: string, ratio: number, rounds: readonly number[], goal = 1): Target {
  const rounded = (value: number): number => Math.round(value * 1000) / 1000;
  return {
    id,
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

function compare(
  { id, case: name, peer, figure, goal }: Comparison,
  measurements: readonly Measurement[],
): Target[] {
  const inCase = measurements.filter((measurement) => measurement.case === name);
  const theirs = inCase.find((measurement) => measurement.subject === peer);
  const ours = best(
    figure,
    inCase.filter(({ subject }) => OURS.test(subject)),
  );
  if (theirs === undefined || ours === undefined) return [];
  const rounds = ours.rounds.map((round, i) => advantage(figure, round[figure], theirs.rounds[i]![figure]));
  return [target(id, median(rounds), rounds, goal)];
}

function floor(id: string, ours: Measurement | undefined, figure: Figure, wanted: number): Target[] {
  if (ours === undefined) return [];
  const rounds = ours.rounds.map((round) => advantage(figure, round[figure], wanted));
  return [target(id, median(rounds), rounds)];
}

/** The best of our runtimes in a scenario's figure, against what is wanted of it. */
function scenarioTarget(
  id: string,
  figures: readonly ScenarioFigure[],
  matches: (figure: ScenarioFigure) => boolean,
  ratioOf: (value: number) => number,
): Target[] {
  const found = figures
    .filter(matches)
    .map(({ rounds }) => rounds.map(ratioOf))
    .sort((a, b) => median(b) - median(a))[0];
  return found === undefined ? [] : [target(id, median(found), found)];
}

/** One for no election in any case and scenario, else one divided by one more than there were. */
function electionTarget(ours: readonly Measurement[], figures: readonly ScenarioFigure[]): Target[] {
  const counts = [
    ...ours.map(({ elections }) => elections),
    ...figures.filter(({ figure }) => figure === 'spurious elections').flatMap(({ rounds }) => rounds),
  ];
  if (counts.length === 0) return [];
  const ratio = 1 / (1 + counts.reduce((sum, count) => sum + count, 0));
  return [target('no-spurious-election', ratio, [ratio])];
}

function loopDelayTarget(deep: readonly Measurement[]): Target[] {
  const delays = deep
    .map(({ rounds }) => rounds.map(({ loopDelayP99Us }) => loopDelayP99Us).filter((us) => us !== null))
    .filter((rounds) => rounds.length > 0)
    .sort((a, b) => median(a) - median(b))[0];
  if (delays === undefined) return [];
  const ratios = delays.map((us) => LOOP_DELAY_US / Math.max(1, us));
  return [target('loop-delay-p99-10-ms', median(ratios), ratios)];
}

/** The floors of a first version and the numbered targets; of ours the better runtime counts in each. */
export function targets(
  machine: Machine,
  measurements: readonly Measurement[],
  figures: readonly ScenarioFigure[],
): Target[] {
  const all = measurements.filter(({ subject }) => OURS.test(subject));
  const ours = (id: string): Measurement[] => all.filter((measurement) => measurement.case === id);
  const deep = best('commitsPerSecond', ours(TARGET_CASES.threeNodesDeep));
  const single =
    machine.syncP50Us < SYNC_P50_US ? best('p50Us', ours(TARGET_CASES.oneNodeSingle)) : undefined;
  return [
    ...floor('3-nodes-deep-40000-commits-per-second', deep, 'commitsPerSecond', COMMITS_PER_SECOND),
    ...floor('1-node-one-by-one-p50-1500-us', single, 'p50Us', ONE_BY_ONE_P50_US),
    ...COMPARISONS.flatMap((comparison) => compare(comparison, measurements)),
    ...scenarioTarget(
      'idle-memory-embedded-90-mib',
      figures,
      ({ scenario, subject, figure }) =>
        scenario === 'idle' && subject === 'polyraft embedded' && figure === 'resident memory',
      (mib) => IDLE_MIB / mib,
    ),
    ...scenarioTarget(
      'restart-500-mib-per-second',
      figures,
      ({ scenario, figure }) => scenario.startsWith('restart-') && figure === 'rate',
      (rate) => rate / REPLAY_MIB_PER_SECOND,
    ),
    ...loopDelayTarget(ours(TARGET_CASES.threeNodesDeep)),
    ...electionTarget(all, figures),
  ];
}
