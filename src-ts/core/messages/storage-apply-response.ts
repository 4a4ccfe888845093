import { appliedTo } from '../applied.ts';
import { encodedSizeOf } from '../log/batch-list.ts';
import type { Raft } from '../raft.ts';
import type { Message } from '../types.ts';

/** MsgStorageApplyResp: these entries have been applied. */
export function handleStorageApplyResponse(raft: Raft, { entries }: Message): void {
  if (entries.length === 0) return;
  appliedTo(raft, entries[entries.length - 1]!.lastIndex, encodedSizeOf(entries));
  raft.releaseUncommitted(entries);
}
