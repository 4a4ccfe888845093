import type { CoreConfig } from '../../src-ts/core/api.ts';
import type { ConfState, Snapshot } from '../../src-ts/core/types.ts';
import type { Command } from './data-driven.ts';
import type { Output } from './output.ts';

type NodeOptions = Omit<CoreConfig, 'id' | 'storage'>;
type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Far above what a scenario can have in flight; Go's default there is the largest 32-bit integer. */
const MANY_INFLIGHT_MESSAGES = 2 ** 31 - 1;

/** Reads the arguments of add-nodes: how many, their core options, and the state that they begin with. */
export function readAddNodes(
  command: Command,
  output: Output,
): { count: number; options: NodeOptions; initial: Snapshot } {
  const [first, ...rest] = command.args;
  const confState: Writable<ConfState> = {
    voters: [],
    learners: [],
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  };
  let index = 0;
  let data = '';
  const options: Writable<NodeOptions> = {
    electionTick: 3,
    heartbeatTick: 1,
    maxSizePerMsg: Number.POSITIVE_INFINITY,
    maxInflightMsgs: MANY_INFLIGHT_MESSAGES,
    logger: output,
    // Any draw will do: scenarios that depend on it use set-randomized-election-timeout.
    random: (bound) => bound - 1,
  };
  for (const { key, values } of rest) {
    const value = values[0] ?? '';
    switch (key) {
      case 'voters':
        confState.voters = values.map(Number);
        break;
      case 'learners':
        confState.learners = values.map(Number);
        break;
      case 'inflight':
        options.maxInflightMsgs = Number(value);
        break;
      case 'index':
        index = Number(value);
        options.applied = index;
        break;
      case 'content':
        data = value;
        break;
      case 'async-storage-writes':
        options.asyncStorageWrites = value === 'true';
        break;
      case 'prevote':
        options.preVote = value === 'true';
        break;
      case 'checkquorum':
        options.checkQuorum = value === 'true';
        break;
      case 'max-committed-size-per-ready':
        options.maxCommittedSizePerReady = Number(value);
        break;
      case 'disable-conf-change-validation':
        options.disableConfChangeValidation = value === 'true';
        break;
      case 'read-only':
        if (value !== 'safe' && value !== 'lease-based') throw new Error(`unknown read-only option ${value}`);
        options.readOnlyOption = value;
        break;
      case 'step-down-on-removal':
        options.stepDownOnRemoval = value === 'true';
        break;
      default:
        throw new Error(`add-nodes has no argument ${key}`);
    }
  }
  const given = index > 0 || data !== '' || confState.voters.length + confState.learners.length > 0;
  if (given && index <= 1) throw new Error('add-nodes: index must be above 1 when a state is given');
  const initial = { data: Buffer.from(data), metadata: { confState, index, term: given ? 1 : 0 } };
  return { count: Number(first!.key), options, initial };
}
