import { EntryType, proposalsOf } from './entry-batch.ts';
import { StepError } from './errors.ts';
import { proposeAtLeader } from './messages/propose.ts';
import type { Raft } from './raft.ts';
import { StateType } from './types.ts';

/** No data is the empty change: leave the joint configuration. Its size of 0 cannot be refused by a limit. */
const LEAVE_JOINT = proposalsOf([new Uint8Array(0)], Uint8Array.of(EntryType.ConfChangeV2));

/** The state machine stands at `index` now; `size` bytes of encoded entries leave the applying window. */
export function appliedTo(raft: Raft, index: number, size: number): void {
  const applied = Math.max(index, raft.log.applied);
  raft.log.appliedTo(applied, size);
  const { autoLeave } = raft.tracker.configuration;
  if (!autoLeave || applied < raft.pendingConfIndex || raft.state !== StateType.Leader) return;
  try {
    proposeAtLeader(raft, LEAVE_JOINT);
    raft.logger.info(`${raft.name} leaves the joint configuration`);
  } catch (error) {
    // A transfer is under way. Either the next leader leaves it, or this one with the next applied entry.
    if (!(error instanceof StepError)) throw error;
    raft.logger.debug(`${raft.name} does not leave the joint configuration yet: ${error.message}`);
  }
}
