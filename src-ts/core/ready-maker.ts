import type { Ready } from './api.ts';
import type { EntryBatch } from './entry-batch.ts';
import { violated } from './errors.ts';
import { encodedSizeOf } from './log/batch-list.ts';
import { NONE } from './node-id.ts';
import type { Raft } from './raft.ts';
import {
  awaitsStorageAppend,
  storageAppend,
  storageAppendResponse,
  storageApply,
  storageApplyResponse,
} from './storage-messages.ts';
import type { HardState, Message, ReadState, Snapshot, SoftState } from './types.ts';

const NO_ENTRIES: readonly EntryBatch[] = [];
const NO_MESSAGES: readonly Message[] = [];
const NO_READ_STATES: readonly ReadState[] = [];

/** Turns what has happened in the core since the last Ready into the next one. */
export class ReadyMaker {
  private readonly raft: Raft;
  private readonly isAsynchronous: boolean;
  private previousSoft: SoftState;
  private previousHard: HardState;
  /** Synchronous mode: what the node acknowledges to itself when the Ready has been handled. */
  private ownAnswers: Message[] = [];
  private isTaken = false;

  constructor(raft: Raft) {
    this.raft = raft;
    this.isAsynchronous = raft.config.asyncStorageWrites === true;
    this.previousSoft = raft.softState;
    this.previousHard = raft.hardState;
  }

  private softChanged(): boolean {
    const { raft, previousSoft } = this;
    return raft.lead !== previousSoft.lead || raft.state !== previousSoft.raftState;
  }

  private hardChanged(): boolean {
    const { raft, previousHard } = this;
    return (
      raft.log.committed !== previousHard.commit ||
      raft.term !== previousHard.term ||
      raft.vote !== previousHard.vote
    );
  }

  private mustSync(entries: readonly EntryBatch[]): boolean {
    const { raft, previousHard } = this;
    return entries.length > 0 || raft.vote !== previousHard.vote || raft.term !== previousHard.term;
  }

  hasReady(): boolean {
    const { raft } = this;
    return (
      raft.messages.length > 0 ||
      raft.messagesAfterAppend.length > 0 ||
      raft.log.unstable.hasNextEntries ||
      raft.log.hasNextCommitted(!this.isAsynchronous) ||
      this.softChanged() ||
      (this.hardChanged() && (raft.term !== 0 || raft.vote !== NONE || raft.log.committed !== 0)) ||
      raft.log.unstable.nextSnapshot !== null ||
      raft.readStates.length > 0
    );
  }

  /** Everything handed out counts as under way from here on. */
  take(): Ready {
    if (this.isTaken && !this.isAsynchronous) violated('ready() was called twice without advance()');
    this.isTaken = true;
    const { raft } = this;
    const { log, messages, readStates } = raft;
    const entries = log.unstable.hasNextEntries ? log.unstable.nextEntries() : NO_ENTRIES;
    const committedEntries = log.nextCommitted(!this.isAsynchronous);
    const softState = this.softChanged() ? raft.softState : null;
    const hardState = this.hardChanged() ? raft.hardState : null;
    const snapshot = log.unstable.nextSnapshot;
    const mustSync = this.mustSync(entries);
    if (this.isAsynchronous) this.addStorageWork(messages, entries, committedEntries, hardState, snapshot);
    else this.addAnswers(messages, committedEntries, snapshot);

    if (softState !== null) this.previousSoft = softState;
    if (hardState !== null) this.previousHard = hardState;
    // What is handed out is the receiver's from now on; empty lists stay here.
    if (readStates.length > 0) raft.readStates = [];
    if (messages.length > 0) raft.messages = [];
    if (raft.messagesAfterAppend.length > 0) raft.messagesAfterAppend = [];
    log.unstable.acceptInProgress();
    if (committedEntries.length > 0) {
      const { lastIndex } = committedEntries[committedEntries.length - 1]!;
      log.acceptApplying(lastIndex, encodedSizeOf(committedEntries), !this.isAsynchronous);
    }
    return {
      softState,
      hardState,
      readStates: readStates.length > 0 ? readStates : NO_READ_STATES,
      entries,
      snapshot,
      committedEntries,
      messages: messages.length > 0 ? messages : NO_MESSAGES,
      mustSync,
    };
  }

  private addStorageWork(
    messages: Message[],
    entries: readonly EntryBatch[],
    committedEntries: readonly EntryBatch[],
    hardState: HardState | null,
    snapshot: Snapshot | null,
  ): void {
    const { raft } = this;
    const responses = raft.messagesAfterAppend;
    const writes = entries.length > 0 || hardState !== null || snapshot !== null;
    if (writes || responses.length > 0) {
      // The own acknowledgement comes first: it finds the entries still in the unstable log.
      if (awaitsStorageAppend(raft, snapshot)) responses.push(storageAppendResponse(raft, snapshot));
      const handedOut = responses.length > 0 ? responses : NO_MESSAGES;
      messages.push(storageAppend(raft, entries, hardState, snapshot, handedOut));
    }
    if (committedEntries.length > 0) messages.push(storageApply(raft, committedEntries));
  }

  private addAnswers(
    messages: Message[],
    committedEntries: readonly EntryBatch[],
    snapshot: Snapshot | null,
  ): void {
    const { raft, ownAnswers } = this;
    for (const message of raft.messagesAfterAppend) {
      if (message.to === raft.id) ownAnswers.push(message);
      else messages.push(message);
    }
    if (awaitsStorageAppend(raft, snapshot)) ownAnswers.push(storageAppendResponse(raft, snapshot));
    if (committedEntries.length > 0) ownAnswers.push(storageApplyResponse(raft, committedEntries));
  }

  /** Synchronous mode: the last Ready has been handled. Returns what the node now answers itself. */
  advance(): readonly Message[] {
    if (this.isAsynchronous) violated('advance() must not be called with asynchronous storage writes');
    const answers = this.ownAnswers;
    this.ownAnswers = [];
    this.isTaken = false;
    return answers;
  }
}
