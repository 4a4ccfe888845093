import type { Machine } from './machine.ts';
import { median, type Measurement, type Round } from './measure.ts';

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

type Figure = keyof Round;

interface Comparison {
  readonly id: string;
  readonly case: string;
  readonly peer: string;
  readonly figure: Figure;
  readonly goal: number;
}

/** The goals against peers, measured in the same run. */
const COMPARISONS: readonly Comparison[] = [
  { id: '3-nodes-commits-etcd', case: '3-nodes-deep', peer: ETCD, figure: 'commitsPerSecond', goal: 20 },
  { id: '3-nodes-commits-craft', case: '3-nodes-deep', peer: CRAFT, figure: 'commitsPerSecond', goal: 6 },
  { id: '1-node-commits-craft', case: '1-node-deep', peer: CRAFT, figure: 'commitsPerSecond', goal: 4 },
  {
    id: '1-node-p50-craft',
    case: '1-node-one-by-one',
    peer: CRAFT,
    figure: 'p50Us',
    goal: CRAFT_SINGLE_GOAL,
  },
  { id: '1-node-p50-etcd', case: '1-node-one-by-one', peer: ETCD, figure: 'p50Us', goal: 2 },
  { id: '1-node-p99-craft', case: '1-node-one-by-one', peer: CRAFT, figure: 'p99Us', goal: 1 },
  { id: '1-node-p99-etcd', case: '1-node-one-by-one', peer: ETCD, figure: 'p99Us', goal: 1 },
  { id: '3-nodes-p50-craft', case: '3-nodes-one-by-one', peer: CRAFT, figure: 'p50Us', goal: 1 },
  { id: '3-nodes-p50-etcd', case: '3-nodes-one-by-one', peer: ETCD, figure: 'p50Us', goal: 3 },
  { id: '3-nodes-p99-craft', case: '3-nodes-one-by-one', peer: CRAFT, figure: 'p99Us', goal: 1 },
  { id: '3-nodes-p99-etcd', case: '3-nodes-one-by-one', peer: ETCD, figure: 'p99Us', goal: 1 },
  {
    id: '3-nodes-processor-etcd',
    case: '3-nodes-deep',
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

/** The floors of a first version and the comparisons; of ours the better runtime counts in each. */
export function targets(machine: Machine, measurements: readonly Measurement[]): Target[] {
  const ours = (id: string): Measurement[] =>
    measurements.filter((measurement) => measurement.case === id && OURS.test(measurement.subject));
  const deep = best('commitsPerSecond', ours('3-nodes-deep'));
  const single = machine.syncP50Us < SYNC_P50_US ? best('p50Us', ours('1-node-one-by-one')) : undefined;
  return [
    ...floor('3-nodes-deep-40000-commits-per-second', deep, 'commitsPerSecond', COMMITS_PER_SECOND),
    ...floor('1-node-one-by-one-p50-1500-us', single, 'p50Us', ONE_BY_ONE_P50_US),
    ...COMPARISONS.flatMap((comparison) => compare(comparison, measurements)),
  ];
}
