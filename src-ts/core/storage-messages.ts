/**
 * Work for the local append and apply threads, and what they answer. With asynchronous storage writes these messages
 * are in the Ready; in synchronous mode the node steps the answers itself when it is advanced.
 */
import type { EntryBatch } from './entry-batch.ts';
import { LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD, NONE } from './node-id.ts';
import type { Raft } from './raft.ts';
import { EMPTY_HARD_STATE, MessageType, type HardState, type Message, type Snapshot } from './types.ts';

const NO_ENTRIES: readonly EntryBatch[] = [];
const NO_RESPONSES: readonly Message[] = [];

/** Writes `entries`, `hardState` and `snapshot`; when they are durable, `responses` are delivered. */
export function storageAppend(
  raft: Raft,
  entries: readonly EntryBatch[],
  hardState: HardState | null,
  snapshot: Snapshot | null,
  responses: readonly Message[],
): Message {
  const { term, vote, commit } = hardState ?? EMPTY_HARD_STATE;
  return {
    type: MessageType.StorageAppend,
    to: LOCAL_APPEND_THREAD,
    from: raft.id,
    term,
    logTerm: 0,
    index: 0,
    entries,
    commit,
    vote,
    snapshot,
    reject: false,
    rejectHint: 0,
    context: null,
    responses,
  };
}

/** True when the core must hear of this append's end: entries or a snapshot become stable by it. */
export function awaitsStorageAppend(raft: Raft, snapshot: Snapshot | null): boolean {
  return !raft.log.unstable.isEmpty || snapshot !== null;
}

/**
 * Confirms the unstable log as a whole with its last entry, not only what this append brings. Entries can be replaced
 * while their write is under way, and the old ones can come back later (A, B, A): the end of the first write must not
 * confirm the third. So the answer carries the term too and is ignored, as to entries, once the term has changed; every
 * change of term makes another append, whose answer then confirms what is left.
 */
export function storageAppendResponse(raft: Raft, snapshot: Snapshot | null): Message {
  const last = raft.log.unstable.isEmpty ? null : raft.log.lastEntryId();
  return {
    type: MessageType.StorageAppendResp,
    to: raft.id,
    from: LOCAL_APPEND_THREAD,
    term: raft.term,
    logTerm: last?.term ?? 0,
    index: last?.index ?? 0,
    entries: NO_ENTRIES,
    commit: 0,
    vote: NONE,
    snapshot,
    reject: false,
    rejectHint: 0,
    context: null,
    responses: NO_RESPONSES,
  };
}

/** Applies committed entries; carries no term, because committed entries belong to none in particular. */
export function storageApply(raft: Raft, entries: readonly EntryBatch[]): Message {
  return applyMessage(MessageType.StorageApply, raft.id, LOCAL_APPLY_THREAD, entries, [
    storageApplyResponse(raft, entries),
  ]);
}

export function storageApplyResponse(raft: Raft, entries: readonly EntryBatch[]): Message {
  return applyMessage(MessageType.StorageApplyResp, LOCAL_APPLY_THREAD, raft.id, entries, NO_RESPONSES);
}

function applyMessage(
  type: MessageType,
  from: number,
  to: number,
  entries: readonly EntryBatch[],
  responses: readonly Message[],
): Message {
  return {
    type,
    to,
    from,
    term: 0,
    logTerm: 0,
    index: 0,
    entries,
    commit: 0,
    vote: NONE,
    snapshot: null,
    reject: false,
    rejectHint: 0,
    context: null,
    responses,
  };
}
