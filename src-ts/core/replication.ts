/** What a leader sends to the other members: entries, snapshots, heartbeats. */
import type { EntryBatch } from './entry-batch.ts';
import { invariant, LogError } from './errors.ts';
import { countEntries, payloadSizeOf } from './log/batch-list.ts';
import { COMPACTED } from './log/raft-log.ts';
import { nodeIdToHex, type NodeId } from './node-id.ts';
import type { Raft } from './raft.ts';
import type { Progress } from './tracker/progress.ts';
import { MessageType, type Snapshot } from './types.ts';

const NO_ENTRIES: readonly EntryBatch[] = [];

/** Sends what the member lacks, an empty append if that is nothing: it carries the commit index. */
export function sendAppend(raft: Raft, to: NodeId): void {
  maybeSendAppend(raft, to, true);
}

/**
 * Sends one append message of limited size with what the member lacks, or a snapshot when the log no longer has it.
 * False when nothing was sent: the flow is paused, or there was nothing and `sendIfEmpty` is false.
 */
export function maybeSendAppend(raft: Raft, to: NodeId, sendIfEmpty: boolean): boolean {
  const { log, tracker } = raft;
  const progress = tracker.get(to)!;
  if (progress.paused) return false;
  const previous = progress.next - 1;
  const previousTerm = log.term(previous);
  if (previousTerm < 0) return maybeSendSnapshot(raft, to, progress);
  let entries = NO_ENTRIES;
  // A full window still lets empty appends through: had all messages in it been lost, nothing else would empty it.
  if (progress.state !== 'replicate' || !progress.inflights.full) {
    const found = log.entriesFrom(progress.next, messageLimit(raft, progress));
    if (found === COMPACTED) return maybeSendSnapshot(raft, to, progress);
    entries = found;
  }
  if (entries.length === 0 && !sendIfEmpty) return false;
  raft.sendEntries(to, previous, previousTerm, entries);
  progress.sentEntries(countEntries(entries), progress.inflights.countsBytes ? payloadSizeOf(entries) : 0);
  progress.sentCommit = log.committed;
  return true;
}

function messageLimit({ config }: Raft, { state, inflights }: Progress): number {
  if (config.fillsInflightBytes !== true || state !== 'replicate') return config.maxSizePerMsg;
  return Math.min(config.maxSizePerMsg, inflights.roomBytes);
}

function maybeSendSnapshot(raft: Raft, to: NodeId, progress: Progress): boolean {
  if (!progress.recentActive) {
    raft.logger.debug(`${raft.name} sends no snapshot to ${nodeIdToHex(to)}, which has been silent`);
    return false;
  }
  const snapshot = takeSnapshot(raft);
  if (snapshot === null) return false;
  const { index, term } = snapshot.metadata;
  invariant(index > 0, () => 'the log is compacted, but there is no snapshot');
  raft.logger.info(
    `${raft.name} sends the snapshot at index ${index} of term ${term} to ${nodeIdToHex(to)}: ` +
      `it needs entry ${progress.next}, the log begins at ${raft.log.firstIndex()}`,
  );
  progress.becomeSnapshot(index);
  raft.send({ type: MessageType.Snap, to, snapshot });
  return true;
}

/** Null when the driver has none ready: asked for again with the next append. */
function takeSnapshot(raft: Raft): Snapshot | null {
  try {
    return raft.log.snapshot();
  } catch (error) {
    if (error instanceof LogError && error.code === 'snapshot-temporarily-unavailable') return null;
    throw error;
  }
}

export function broadcastAppend(raft: Raft): void {
  for (const id of raft.tracker.ids) if (id !== raft.id) sendAppend(raft, id);
}

/** Sends entries to those who lack some, without telling the others anything. */
export function broadcastMissing(raft: Raft): void {
  for (const id of raft.tracker.ids) if (id !== raft.id) maybeSendAppend(raft, id, false);
}

/** Heartbeats also ask for the confirmation of the reads that wait. */
export function broadcastHeartbeat(raft: Raft): void {
  const context = raft.readOnly.heartbeatContext();
  for (const id of raft.tracker.ids) {
    if (id === raft.id) continue;
    const progress = raft.tracker.get(id)!;
    // Never above match: the member must not commit what it may lack.
    const commit = Math.min(progress.match, raft.log.committed);
    raft.send({ type: MessageType.Heartbeat, to: id, commit, context });
    progress.sentCommit = commit;
  }
}
