import { appliedTo } from '../applied.ts';
import { encodedSizeOf } from '../log/batch-list.ts';
import type { Raft } from '../raft.ts';
import type { Message } from '../types.ts';

/** MsgStorageApplyResp: these entries have been applied. */
export function handleStorageApplyResponse(raft: Raft, { entries }: Message): void {
  const last = entries[entries.length - 1];
  if (last === undefined) return;
  appliedTo(raft, last.lastIndex, encodedSizeOf(entries));
  raft.releaseUncommitted(entries);
}
