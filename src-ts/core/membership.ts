/** What follows when the configuration changes. */
import { asV2, changeConfiguration } from './confchange/apply-change.ts';
import type { Changed } from './confchange/changer.ts';
import { NONE } from './node-id.ts';
import { answerConfirmed } from './messages/read-index.ts';
import type { Raft } from './raft.ts';
import { broadcastAppend, broadcastMissing } from './replication.ts';
import { isVoter, toConfState } from './tracker/configuration.ts';
import { StateType, type ConfChange, type ConfChangeV2, type ConfState } from './types.ts';

/**
 * A committed change is applied by the driver. `index` is its entry's, if the driver knows it. Throws ConfChangeError
 * when the change cannot be made on the present configuration.
 */
export function applyConfChange(
  raft: Raft,
  change: ConfChange | ConfChangeV2,
  index: number | undefined,
): ConfState {
  const { appendedConfigurations } = raft;
  if (index !== undefined && index <= raft.restoredIndex) return toConfState(raft.tracker.configuration);
  if (appendedConfigurations !== null) {
    // In effect since it was appended; what is left is to leave when this node is not in it.
    const confState = appendedConfigurations.applied(index) ?? toConfState(raft.tracker.configuration);
    stepDownIfRemoved(raft);
    return confState;
  }
  return switchTo(raft, changeConfiguration(raft.tracker, raft.log.lastIndex(), asV2(change)));
}

/** A leader that is no voter any more; it leaves at once only when told to. */
function stepDownIfRemoved(raft: Raft): boolean {
  const removed = raft.tracker.get(raft.id) === undefined || raft.isLearner;
  if (!removed || raft.state !== StateType.Leader) return false;
  if (raft.config.stepDownOnRemoval === true) raft.becomeFollower(raft.term, NONE);
  return true;
}

/** Makes a configuration effective and does what follows from it. */
export function switchTo(raft: Raft, { configuration, progress }: Changed): ConfState {
  raft.adopt(configuration, progress);
  const confState = toConfState(configuration);
  raft.logger.info(
    `${raft.name} counts with voters ${confState.voters.join(' ')}` +
      (confState.votersOutgoing.length > 0 ? ` and ${confState.votersOutgoing.join(' ')}` : ''),
  );
  if (stepDownIfRemoved(raft)) return confState;
  if (raft.state !== StateType.Leader || confState.voters.length === 0) return confState;
  // A smaller quorum may have committed entries at once. Else new members get what they lack without waiting.
  if (raft.maybeCommit()) broadcastAppend(raft);
  else broadcastMissing(raft);
  answerConfirmed(raft);
  if (raft.leadTransferee !== NONE && !isVoter(configuration, raft.leadTransferee))
    raft.leadTransferee = NONE;
  return confState;
}
