import { restoreConfiguration } from '../confchange/changer.ts';
import { InvariantError } from '../errors.ts';
import { NONE } from '../node-id.ts';
import type { Raft } from '../raft.ts';
import type { Progress } from '../tracker/progress.ts';
import { MessageType, StateType, type ConfState, type Message, type Snapshot } from '../types.ts';

/** MsgSnap at a follower. Raft, section 7. */
export function handleSnapshot(raft: Raft, message: Message): void {
  const restored = message.snapshot !== null && restore(raft, message.snapshot);
  raft.send({
    type: MessageType.AppResp,
    to: message.from,
    index: restored ? raft.log.lastIndex() : raft.log.committed,
  });
}

function restore(raft: Raft, snapshot: Snapshot): boolean {
  const { index, term, confState } = snapshot.metadata;
  if (index <= raft.log.committed) return false;
  if (raft.state !== StateType.Follower) {
    raft.logger.warning(`${raft.name} attempted to restore a snapshot as leader; should never happen`);
    raft.becomeFollower(raft.term + 1, NONE);
    return false;
  }
  const member = [confState.voters, confState.learners, confState.votersOutgoing].some((ids) =>
    ids.includes(raft.id),
  );
  if (!member) {
    raft.logger.warning(
      `${raft.name} ignores a snapshot at ${index}: its configuration does not have this node`,
    );
    return false;
  }
  // The log has it all: moving the commit index is enough.
  if (raft.log.matchTerm(index, term)) {
    raft.log.commitTo(index);
    return false;
  }
  raft.log.restore(snapshot);
  raft.restoredIndex = index;
  const restored = restoreConfiguration(raft.tracker, raft.log.lastIndex(), confState);
  assertEquivalent(confState, raft.switchTo(restored.configuration, restored.progress));
  raft.logger.info(`${raft.name} restored the snapshot at index ${index} of term ${term}`);
  return true;
}

function assertEquivalent(given: ConfState, built: ConfState): void {
  const same = (a: readonly number[], b: readonly number[]): boolean =>
    a.length === b.length && [...a].sort((x, y) => x - y).every((id, i) => id === b[i]);
  const equal =
    same(given.voters, built.voters) &&
    same(given.learners, built.learners) &&
    same(given.votersOutgoing, built.votersOutgoing) &&
    same(given.learnersNext, built.learnersNext) &&
    given.autoLeave === built.autoLeave;
  if (!equal) throw new InvariantError('the configuration built from a snapshot is not the one it holds');
}

/** MsgSnapStatus at the leader: the driver reports how sending ended. */
export function handleSnapshotStatus(progress: Progress, rejected: boolean): void {
  if (progress.state !== 'snapshot') return;
  // A failed snapshot must not be taken for sent: probing starts at what is known.
  if (rejected) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  // Sent: the next append waits for its answer. Failed: it waits for a heartbeat interval.
  progress.flowPaused = true;
}
