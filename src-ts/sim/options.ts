import type { SeededRandom } from './random.ts';

/** What one seed runs: drawn from the seed itself, so that seeds cover the combinations. */
export interface SimOptions {
  readonly nodes: number;
  readonly asyncStorageWrites: boolean;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly stepDownOnRemoval: boolean;
  readonly configurationEffective: 'apply' | 'append';
  readonly electionTick: number;
  readonly heartbeatTick: number;
  readonly maxSizePerMsg: number;
  readonly maxCommittedSizePerReady: number;
  readonly maxInflightMsgs: number;
  readonly maxInflightBytes: number;
  readonly maxUncommittedEntriesSize: number;
  readonly lossProbability: number;
  readonly duplicateProbability: number;
  readonly reorderProbability: number;
  readonly weights: ActionWeights;
}

/** Relative frequency of each kind of step. */
export interface ActionWeights {
  readonly deliver: number;
  readonly ready: number;
  readonly append: number;
  readonly apply: number;
  readonly tick: number;
  readonly propose: number;
  readonly crash: number;
  readonly restart: number;
  readonly partition: number;
  readonly heal: number;
  readonly member: number;
  readonly joint: number;
  readonly transfer: number;
  readonly readIndex: number;
  readonly compact: number;
  readonly forgetLeader: number;
  readonly unreachable: number;
}

const STEADY: ActionWeights = {
  deliver: 400,
  ready: 260,
  append: 110,
  apply: 90,
  tick: 80,
  propose: 40,
  crash: 2,
  restart: 5,
  partition: 1,
  heal: 3,
  member: 2,
  joint: 1,
  transfer: 1,
  readIndex: 8,
  compact: 3,
  forgetLeader: 0.3,
  unreachable: 1,
};

const CRASHY: ActionWeights = { ...STEADY, crash: 8, restart: 20, partition: 3, heal: 5 };
/** Elections all the time: votes are split, given, lost in crashes. */
const CONTESTED: ActionWeights = {
  ...STEADY,
  tick: 320,
  crash: 12,
  restart: 60,
  partition: 2,
  heal: 8,
  propose: 25,
};
/** Leaders that are cut off and do not know it yet, asked for reads. */
const SPLIT: ActionWeights = {
  ...STEADY,
  tick: 260,
  partition: 1.2,
  heal: 0.4,
  crash: 0.2,
  restart: 10,
  readIndex: 80,
  propose: 60,
  member: 0.3,
  joint: 0.2,
};
const CHANGING: ActionWeights = {
  ...STEADY,
  member: 8,
  joint: 6,
  transfer: 3,
  compact: 8,
  crash: 4,
  restart: 12,
};

export function optionsFor(random: SeededRandom, dialect: 'apply' | 'append' | 'both'): SimOptions {
  const lossy = random.chance(0.6);
  const electionTick = random.between(3, 10);
  const effective = dialect === 'both' ? (random.chance(0.25) ? 'append' : 'apply') : dialect;
  return {
    nodes: random.pick([3, 3, 3, 5, 5, 4, 7]),
    asyncStorageWrites: random.chance(0.5),
    preVote: random.chance(0.5),
    checkQuorum: random.chance(0.5),
    stepDownOnRemoval: random.chance(0.5),
    configurationEffective: effective,
    electionTick,
    heartbeatTick: random.between(1, Math.min(2, electionTick - 1)),
    maxSizePerMsg: random.pick([0, 64, 256, 4096]),
    maxCommittedSizePerReady: random.pick([64, 1024, 1_048_576]),
    maxInflightMsgs: random.pick([1, 2, 8, 256]),
    maxInflightBytes: random.pick([0, 0, 256, 4096]),
    maxUncommittedEntriesSize: random.pick([0, 0, 400]),
    lossProbability: lossy ? random.pick([0.01, 0.05, 0.2]) : 0,
    duplicateProbability: lossy ? random.pick([0, 0.05, 0.2]) : 0,
    reorderProbability: lossy ? random.pick([0, 0.1, 0.5]) : 0,
    weights: random.pick([STEADY, CRASHY, CONTESTED, SPLIT, CHANGING]),
  };
}
