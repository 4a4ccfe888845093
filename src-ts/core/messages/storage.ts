import { countEntries, encodedSizeOf, payloadSizeOf } from '../log/batch-list.ts';
import type { Raft } from '../raft.ts';
import type { Message } from '../types.ts';

/** MsgStorageAppendResp: entries up to (index, logTerm), and the snapshot if there is one, are durable. */
export function handleStorageAppendResponse(raft: Raft, message: Message): void {
  if (message.index !== 0) raft.log.unstable.stableTo(message.index, message.logTerm);
  applySnapshot(raft, message);
}

/** The same from an earlier term: entries may have been overwritten since, the snapshot cannot have been. */
export function handleStaleStorageAppendResponse(raft: Raft, message: Message): void {
  applySnapshot(raft, message);
}

function applySnapshot(raft: Raft, message: Message): void {
  if (message.snapshot === null) return;
  const { index } = message.snapshot.metadata;
  raft.log.unstable.stableSnapshotTo(index);
  raft.appliedTo(index, 0);
}

/** MsgStorageApplyResp: these entries have been applied. */
export function handleStorageApplyResponse(raft: Raft, message: Message): void {
  const last = message.entries[message.entries.length - 1];
  if (last === undefined || countEntries(message.entries) === 0) return;
  raft.appliedTo(last.lastIndex, encodedSizeOf(message.entries));
  raft.reduceUncommittedSize(payloadSizeOf(message.entries));
}
