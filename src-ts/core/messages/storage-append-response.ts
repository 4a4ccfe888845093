import { appliedTo } from '../applied.ts';
import type { Raft } from '../raft.ts';
import type { Message } from '../types.ts';

/** MsgStorageAppendResp: entries up to (index, logTerm), and the snapshot if there is one, are durable. */
export function handleStorageAppendResponse(raft: Raft, message: Message): void {
  if (message.index !== 0) raft.log.unstable.stableTo(message.index, message.logTerm);
  restoreApplied(raft, message);
}

/** The same from an earlier term: entries may have been overwritten since, the snapshot cannot have been. */
export function handleStaleStorageAppendResponse(raft: Raft, message: Message): void {
  restoreApplied(raft, message);
}

function restoreApplied(raft: Raft, { snapshot }: Message): void {
  if (snapshot === null) return;
  const { index } = snapshot.metadata;
  raft.log.unstable.stableSnapshotTo(index);
  appliedTo(raft, index, 0);
}
