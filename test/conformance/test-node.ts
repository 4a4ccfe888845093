import type { CoreConfig, LogStorage, RaftNode, StepErrorCode } from '../../src-ts/core/api.ts';
import { EntryType, type EntryBatch } from '../../src-ts/core/entry-batch.ts';
import { StepError } from '../../src-ts/core/errors.ts';
import { MemoryStorage } from '../../src-ts/core/log/memory-storage.ts';
import { createRaftNode } from '../../src-ts/core/raft-node.ts';
import { decodeConfChange, decodeConfChangeV2 } from '../../src-ts/core/raftpb/conf-change.ts';
import type { ConfState, HardState, Message, Snapshot } from '../../src-ts/core/types.ts';
import { isEmptySnapshot } from './describe.ts';

/** The sentences that the test data have for refusals. */
const REFUSALS: Readonly<Record<StepErrorCode, string>> = {
  dropped: 'raft proposal dropped',
  'step-local': 'raft: cannot step raft local message',
  'unknown-peer': 'raft: cannot step as peer not found',
  stopped: 'raft: stopped',
};

/** The refusal's text, or null when the core took the call. */
export function refusalOf(action: () => void): string | null {
  try {
    action();
    return null;
  } catch (error) {
    if (error instanceof StepError) return REFUSALS[error.code];
    throw error;
  }
}

/** One node of a scenario: core, storage, a state machine that concatenates payloads, and local work not yet done. */
export class TestNode {
  readonly raft: RaftNode;
  readonly config: CoreConfig;
  readonly storage = new MemoryStorage();
  readonly appendWork: Message[] = [];
  readonly applyWork: Message[] = [];
  /** The state after every applied entry; the newest is what the core gets when it asks for a snapshot. */
  private readonly history: Snapshot[];

  constructor(options: Omit<CoreConfig, 'storage'>, initial: Snapshot) {
    this.history = [initial];
    const { storage } = this;
    if (initial.metadata.index > 0) storage.applySnapshot(initial);
    const view: LogStorage = {
      initialState: () => storage.initialState(),
      entries: (lo, hi, maxBytes) => storage.entries(lo, hi, maxBytes),
      term: (index) => storage.term(index),
      firstIndex: () => storage.firstIndex(),
      lastIndex: () => storage.lastIndex(),
      snapshot: () => this.newestState(),
    };
    this.config = { ...options, storage: view };
    this.raft = createRaftNode(this.config);
  }

  newestState(): Snapshot {
    return this.history[this.history.length - 1]!;
  }

  persist(hardState: HardState | null, entries: readonly EntryBatch[], snapshot: Snapshot | null): void {
    const { storage } = this;
    if (hardState !== null && (hardState.term !== 0 || hardState.vote !== 0 || hardState.commit !== 0)) {
      storage.setHardState(hardState);
    }
    if (isEmptySnapshot(snapshot)) storage.append(entries);
    else if (entries.length > 0) throw new Error('a snapshot and entries came together');
    else storage.applySnapshot(snapshot!);
  }

  apply(batches: readonly EntryBatch[]): void {
    for (const batch of batches) for (let i = 0; i < batch.count; i++) this.applyEntry(batch, i);
  }

  private applyEntry(batch: EntryBatch, i: number): void {
    const previous = this.newestState();
    let update: Uint8Array = batch.data(i);
    let confState: ConfState = previous.metadata.confState;
    if (batch.type(i) !== EntryType.Normal) {
      const change =
        batch.type(i) === EntryType.ConfChange ? decodeConfChange(update) : decodeConfChangeV2(update);
      update = change.context ?? new Uint8Array(0);
      confState = this.raft.applyConfChange(change);
    }
    this.history.push({
      data: Buffer.concat([previous.data, update]),
      metadata: { index: batch.firstIndex + i, term: batch.term, confState },
    });
  }
}

/** Test-only: the core draws this itself; scenarios that depend on it set it. */
export function setRandomizedElectionTimeout(node: RaftNode, ticks: number): void {
  const { raft } = node as unknown as { raft: { randomizedElectionTimeout: number } };
  if (typeof raft.randomizedElectionTimeout !== 'number')
    throw new Error('the core has no randomized election timeout');
  raft.randomizedElectionTimeout = ticks;
}
