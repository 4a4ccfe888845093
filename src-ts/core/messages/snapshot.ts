import { restoreConfiguration } from '../confchange/changer.ts';
import { invariant } from '../errors.ts';
import { NONE } from '../node-id.ts';
import type { Raft } from '../raft.ts';
import { switchTo } from '../membership.ts';
import { StateType, type ConfState, type Message, type Snapshot } from '../types.ts';

/** MsgSnap at a follower. Raft, section 7. */
export function handleSnapshot(raft: Raft, message: Message): void {
  const restored = message.snapshot !== null && restore(raft, message.snapshot);
  raft.acknowledge(message.from, restored ? raft.log.lastIndex() : raft.log.committed);
}

/** False when the snapshot is not needed or not for this node. */
function restore(raft: Raft, snapshot: Snapshot): boolean {
  const { index, term, confState } = snapshot.metadata;
  if (index <= raft.log.committed) return false;
  if (raft.state !== StateType.Follower) {
    // Cannot happen; if it does, stepping down into a new term keeps the log safe.
    raft.logger.warning(`${raft.name} refuses a snapshot because it is no follower`);
    raft.becomeFollower(raft.term + 1, NONE);
    return false;
  }
  // Where changes take effect when appended, a new member may get a snapshot from before the change that added it.
  if (raft.appendedConfigurations === null && !includes(confState, raft.id)) {
    raft.logger.warning(
      `${raft.name} refuses the snapshot at ${index}: its members do not include this node`,
    );
    return false;
  }
  if (raft.log.matchTerm(index, term)) {
    // The log has it all: moving the commit index is enough.
    raft.log.commitTo(index);
    return false;
  }
  raft.log.restore(snapshot);
  raft.restoredIndex = index;
  raft.appendedConfigurations?.clear();
  const built = switchTo(raft, restoreConfiguration(raft.tracker, raft.log.lastIndex(), confState));
  invariant(
    isEquivalent(confState, built),
    () => `the members in the snapshot at ${index} contradict themselves`,
  );
  raft.logger.info(`${raft.name} restores the snapshot at index ${index} of term ${term}`);
  return true;
}

/** `learnersNext` are outgoing voters, so they need no look of their own. */
function includes({ voters, learners, votersOutgoing }: ConfState, id: number): boolean {
  return voters.includes(id) || learners.includes(id) || votersOutgoing.includes(id);
}

function isEquivalent(given: ConfState, built: ConfState): boolean {
  const same = (a: readonly number[], b: readonly number[]): boolean =>
    a.length === b.length && a.every((id) => b.includes(id));
  return (
    same(given.voters, built.voters) &&
    same(given.learners, built.learners) &&
    same(given.votersOutgoing, built.votersOutgoing) &&
    same(given.learnersNext, built.learnersNext) &&
    given.autoLeave === built.autoLeave
  );
}
