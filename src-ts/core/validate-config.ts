import type { CoreConfig } from './api.ts';
import { NONE } from './node-id.ts';

function need(holds: boolean, text: string): void {
  if (!holds) throw new RangeError(text);
}

function needSize(name: string, value: number | undefined): void {
  need(value === undefined || value >= 0, `${name} must not be negative or NaN (it is ${value})`);
}

/** Throws RangeError naming the field of a configuration that cannot work. */
export function validateConfig(config: CoreConfig): void {
  const { heartbeatTick, electionTick, maxInflightMsgs } = config;
  need(config.id > NONE, `id must be a node id above 0 (it is ${config.id})`);
  need(Number.isInteger(heartbeatTick) && heartbeatTick > 0, 'heartbeatTick must be a whole number above 0');
  need(
    Number.isInteger(electionTick) && electionTick > heartbeatTick,
    `electionTick (${electionTick}) must be a whole number above heartbeatTick (${heartbeatTick})`,
  );
  need(maxInflightMsgs > 0, 'maxInflightMsgs must be above 0');
  const { quorumTick } = config;
  need(
    quorumTick === undefined ||
      (Number.isInteger(quorumTick) && quorumTick > heartbeatTick && quorumTick <= electionTick),
    `quorumTick (${quorumTick}) must be above heartbeatTick (${heartbeatTick}), and no more than electionTick (${electionTick})`,
  );
  needSize('maxSizePerMsg', config.maxSizePerMsg);
  needSize('maxCommittedSizePerReady', config.maxCommittedSizePerReady);
  needSize('maxUncommittedEntriesSize', config.maxUncommittedEntriesSize);
  needSize('maxInflightBytes', config.maxInflightBytes);
  needSize('applied', config.applied);
  need(
    config.readOnlyOption !== 'lease-based' || config.checkQuorum === true,
    "readOnlyOption 'lease-based' needs checkQuorum: without it a leader cannot know that its lease has ended",
  );
}
