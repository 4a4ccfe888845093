import type { CoreConfig, Logger, RaftNode, Ready } from '../core/api.ts';
import { EntryType, type EntryBatch } from '../core/entry-batch.ts';
import { MemoryStorage } from '../core/log/memory-storage.ts';
import { LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD, type NodeId } from '../core/node-id.ts';
import { decodeConfChange, decodeConfChangeV2 } from '../core/raftpb/conf-change.ts';
import {
  EMPTY_HARD_STATE,
  StateType,
  type ConfState,
  type HardState,
  type Message,
  type Snapshot,
} from '../core/types.ts';
import { createRaftNode } from '../core/raft-node.ts';
import { hashBytes, type Checker, type DurableLog } from './checker.ts';
import type { SimNetwork } from './network.ts';
import type { SimOptions } from './options.ts';
import type { SeededRandom } from './random.ts';

const QUIET: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warning: () => undefined,
  error: () => undefined,
};

/** What the simulated cluster lends to its nodes. */
export interface SimWorld {
  readonly options: SimOptions;
  readonly random: SeededRandom;
  readonly network: SimNetwork;
  readonly checker: Checker;
  readonly logs: () => readonly DurableLog[];
  /** Test-only seam: builds the core; a mutation test hands in a broken one. */
  readonly createNode: (config: CoreConfig) => RaftNode;
  /** Test-only seam: what reaches the durable hard state. */
  readonly persistedHardState: (state: HardState) => HardState;
  /** Test-only seam: acknowledges appends before they are durable. */
  readonly acknowledgeEarly: boolean;
}

export const SOUND_WORLD = {
  createNode: createRaftNode,
  persistedHardState: (state: HardState): HardState => state,
  acknowledgeEarly: false,
};

function snapshotData(stateHash: number): Uint8Array {
  return Uint8Array.of(stateHash & 255, (stateHash >>> 8) & 255, (stateHash >>> 16) & 255, stateHash >>> 24);
}

function hashOfSnapshot(data: Uint8Array): number {
  return (data[0]! | (data[1]! << 8) | (data[2]! << 16) | (data[3]! << 24)) >>> 0;
}

/** Stages of one Ready in synchronous mode; a crash may come between any two of them. */
type ReadyStage = 'persist' | 'send' | 'apply';

/** One node: the core under test, its durable log, its state machine, and the work that waits to be done. */
export class SimNode implements DurableLog {
  readonly id: NodeId;
  private readonly world: SimWorld;
  /** Exactly what is durable: entries enter it when their write has been synced. */
  private storage = new MemoryStorage();
  private syncedHardState: HardState = EMPTY_HARD_STATE;
  raft: RaftNode | null = null;
  private appendQueue: Message[] = [];
  private applyQueue: Message[] = [];
  private pending: { ready: Ready; stage: ReadyStage } | null = null;
  private applied = 0;
  private stateHash = 0;
  private confState: ConfState;
  private lastCommit = 0;
  private lastState: StateType = StateType.Follower;
  private lastTerm = 0;
  removed = false;
  readonly pendingReads = new Map<string, number>();

  constructor(id: NodeId, world: SimWorld, initial: ConfState | null) {
    this.id = id;
    this.world = world;
    this.confState = initial ?? {
      voters: [],
      learners: [],
      votersOutgoing: [],
      learnersNext: [],
      autoLeave: false,
    };
    if (initial !== null) {
      // All start from one snapshot that holds the first configuration, as a bootstrapped cluster does.
      this.storage.applySnapshot({
        data: snapshotData(0),
        metadata: { confState: initial, index: 1, term: 1 },
      });
      this.storage.setHardState({ term: 1, vote: 0, commit: 1 });
      this.syncedHardState = { term: 1, vote: 0, commit: 1 };
      this.applied = 1;
    }
    this.start();
  }

  get running(): boolean {
    return this.raft !== null;
  }

  get hasAppend(): boolean {
    return this.appendQueue.length > 0;
  }

  get hasApply(): boolean {
    return this.applyQueue.length > 0;
  }

  /** The configuration as of the applied index: committed, whatever the core has appended since. */
  get appliedConfState(): ConfState {
    return this.confState;
  }

  get appliedIndex(): number {
    return this.applied;
  }

  durableTerm(index: number): number {
    if (index < this.storage.firstIndex()) return -1;
    return index > this.storage.lastIndex() ? 0 : this.storage.term(index);
  }

  start(): void {
    const { options, random } = this.world;
    const snapshot = this.storage.snapshot();
    const { hardState } = this.storage.initialState();
    // As a server does: what a durable snapshot holds has been committed, whatever the hard state knew.
    if (hardState.commit < snapshot.metadata.index)
      this.storage.setHardState({ ...hardState, commit: snapshot.metadata.index });
    this.applied = snapshot.metadata.index;
    this.stateHash = snapshot.data.length === 4 ? hashOfSnapshot(snapshot.data) : 0;
    if (snapshot.metadata.index > 0) this.confState = snapshot.metadata.confState;
    this.raft = this.world.createNode({
      id: this.id,
      electionTick: options.electionTick,
      heartbeatTick: options.heartbeatTick,
      storage: this.storage,
      applied: this.applied,
      asyncStorageWrites: options.asyncStorageWrites,
      maxSizePerMsg: options.maxSizePerMsg,
      maxCommittedSizePerReady: options.maxCommittedSizePerReady,
      maxInflightMsgs: options.maxInflightMsgs,
      maxInflightBytes: options.maxInflightBytes,
      maxUncommittedEntriesSize: options.maxUncommittedEntriesSize,
      checkQuorum: options.checkQuorum,
      preVote: options.preVote,
      stepDownOnRemoval: options.stepDownOnRemoval,
      configurationEffective: options.configurationEffective,
      random: (bound) => random.below(bound),
      logger: QUIET,
    });
    this.lastCommit = this.raft.committed;
    this.lastState = this.raft.state;
    this.lastTerm = this.raft.term;
  }

  /** Loses everything that was not durable; a prefix of the writes under way may have reached the disk. */
  crash(): void {
    const { random } = this.world;
    let survive = random.below(this.appendQueue.length + 1);
    for (const message of this.appendQueue) {
      if (survive-- <= 0) break;
      this.persistAppend(message);
    }
    if (this.pending !== null && this.pending.stage === 'persist' && random.chance(0.5))
      this.persistReady(this.pending.ready);
    if (random.chance(0.5)) this.storage.setHardState(this.syncedHardState);
    this.appendQueue = [];
    this.applyQueue = [];
    this.pending = null;
    this.pendingReads.clear();
    this.raft = null;
  }

  /** Runs `action` on the core and checks what it changed. Refusals by the core are part of life. */
  drive(action: (raft: RaftNode) => void): boolean {
    const { raft } = this;
    if (raft === null) return false;
    let accepted = true;
    try {
      action(raft);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'StepError') throw error;
      accepted = false;
    }
    this.observe(raft);
    return accepted;
  }

  private observe(raft: RaftNode): void {
    if (raft.state !== this.lastState || raft.term !== this.lastTerm) {
      if (
        raft.state === StateType.Leader &&
        (this.lastState !== StateType.Leader || raft.term !== this.lastTerm)
      ) {
        this.world.checker.becameLeader(this.id, raft.term, (index) => this.termAt(raft, index));
      }
      this.lastState = raft.state;
      this.lastTerm = raft.term;
    }
    if (raft.committed !== this.lastCommit) {
      const configuration = raft.state === StateType.Leader ? raft.status().confState : null;
      if (raft.state === StateType.Leader) {
        this.world.checker.leaderCommitted(this.id, raft.term, raft.committed, raft.logTerm(raft.committed));
      }
      const logs = configuration === null ? [] : this.world.logs();
      this.world.checker.nodeCommitted(
        this.id,
        this.lastCommit,
        raft.committed,
        (index) => this.termAt(raft, index),
        logs,
        configuration,
      );
      this.lastCommit = raft.committed;
    }
  }

  private termAt(raft: RaftNode, index: number): number {
    return raft.logTerm(index);
  }

  /** One stage of Ready handling. Returns false when there was nothing to do. */
  processReady(): boolean {
    const { raft } = this;
    if (raft === null) return false;
    if (this.world.options.asyncStorageWrites) {
      if (!raft.hasReady()) return false;
      const ready = raft.ready();
      this.checkReady(ready);
      for (const message of ready.messages) {
        if (message.to === LOCAL_APPEND_THREAD) {
          this.appendQueue.push(message);
          if (this.world.acknowledgeEarly) this.acknowledgeToSelf(message);
        } else if (message.to === LOCAL_APPLY_THREAD) this.applyQueue.push(message);
        else this.world.network.send(message);
      }
      this.observe(raft);
      return true;
    }
    return this.processSynchronous(raft);
  }

  private processSynchronous(raft: RaftNode): boolean {
    if (this.pending === null) {
      if (!raft.hasReady()) return false;
      const ready = raft.ready();
      this.checkReady(ready);
      this.pending = { ready, stage: 'persist' };
      return true;
    }
    const { ready, stage } = this.pending;
    if (stage === 'persist') {
      this.persistReady(ready);
      this.pending.stage = 'send';
    } else if (stage === 'send') {
      for (const message of ready.messages) this.world.network.send(message);
      this.pending.stage = 'apply';
    } else {
      if (ready.snapshot !== null) this.restore(ready.snapshot);
      this.applyEntries(raft, ready.committedEntries);
      this.pending = null;
      raft.advance();
      this.observe(raft);
    }
    return true;
  }

  private checkReady(ready: Ready): void {
    const first = ready.entries[0];
    if (first !== undefined && this.raft !== null) {
      const before = first.firstIndex - 1;
      this.world.checker.appended(this.id, ready.entries, this.raft.logTerm(before));
    }
    for (const state of ready.readStates) {
      const key = Buffer.from(state.requestContext).toString('hex');
      const asked = this.pendingReads.get(key);
      if (asked !== undefined) this.world.checker.readIndex(this.id, state.index, asked);
      this.pendingReads.delete(key);
    }
  }

  private persistReady(ready: Ready): void {
    if (ready.snapshot !== null) this.storage.applySnapshot(ready.snapshot);
    if (ready.entries.length > 0) this.storage.append(ready.entries);
    if (ready.hardState !== null) this.persistHardState(ready.hardState, ready.mustSync);
  }

  private persistHardState(state: HardState, synced: boolean): void {
    const kept = this.world.persistedHardState(state);
    this.storage.setHardState(kept);
    if (synced || kept.term !== this.syncedHardState.term || kept.vote !== this.syncedHardState.vote)
      this.syncedHardState = kept;
  }

  private persistAppend(message: Message): void {
    if (message.snapshot !== null) {
      this.storage.applySnapshot(message.snapshot);
    }
    if (message.entries.length > 0) this.storage.append(message.entries);
    if (message.term !== 0 || message.vote !== 0 || message.commit !== 0) {
      const state = { term: message.term, vote: message.vote, commit: message.commit };
      this.persistHardState(state, message.responses.length > 0);
    }
  }

  /** The append thread finishes its oldest write. */
  processAppend(): boolean {
    const message = this.appendQueue.shift();
    if (message === undefined) return false;
    this.persistAppend(message);
    if (message.snapshot !== null) this.restore(message.snapshot);
    this.respond(message);
    return true;
  }

  /** The seam's defect: the leader counts its own entries before they are durable. */
  private acknowledgeToSelf(message: Message): void {
    for (const response of message.responses) {
      if (response.to === this.id && response.from === this.id) this.drive((raft) => raft.step(response));
    }
  }

  private respond(message: Message): void {
    for (const response of message.responses) {
      if (response.to === this.id) this.drive((raft) => raft.step(response));
      else this.world.network.send(response);
    }
  }

  /** The apply thread applies its oldest batch. */
  processApply(): boolean {
    const message = this.applyQueue.shift();
    if (message === undefined || this.raft === null) return false;
    this.applyEntries(this.raft, message.entries);
    this.respond(message);
    return true;
  }

  private restore(snapshot: Snapshot): void {
    if (snapshot.metadata.index <= this.applied) return;
    this.applied = snapshot.metadata.index;
    this.stateHash = hashOfSnapshot(snapshot.data);
    this.confState = snapshot.metadata.confState;
    this.world.checker.applied(this.id, this.applied, this.stateHash);
  }

  private applyEntries(raft: RaftNode, batches: readonly EntryBatch[]): void {
    for (const batch of batches) {
      for (let i = 0; i < batch.count; i++) {
        const index = batch.firstIndex + i;
        if (index <= this.applied) continue;
        this.applied = index;
        this.stateHash = hashBytes(batch.bytes, batch.start(i), batch.end(i), this.stateHash ^ index);
        this.world.checker.applied(this.id, index, this.stateHash);
        const type = batch.type(i);
        if (type === EntryType.Normal) continue;
        const data = batch.data(i);
        const change = type === EntryType.ConfChange ? decodeConfChange(data) : decodeConfChangeV2(data);
        const confState = raft.applyConfChange(change, index);
        // A newer snapshot has been restored by the core and waits to be restored here.
        if (index < raft.status().firstIndex) continue;
        this.confState = confState;
        const { voters, learners, votersOutgoing } = this.confState;
        this.removed =
          !voters.includes(this.id) && !learners.includes(this.id) && !votersOutgoing.includes(this.id);
        this.observe(raft);
      }
    }
  }

  /** Takes a snapshot at the applied index and drops the log behind it, keeping `trailing` entries. */
  compact(trailing: number): void {
    // While a newer snapshot waits to be restored, the configuration of the applied index is not known here.
    if (this.raft === null || this.raft.status().firstIndex - 1 > this.applied) return;
    if (this.applied <= this.storage.snapshot().metadata.index || this.applied > this.storage.lastIndex())
      return;
    this.storage.createSnapshot(this.applied, this.confState, snapshotData(this.stateHash));
    const upTo = this.applied - trailing;
    if (upTo >= this.storage.firstIndex()) this.storage.compact(upTo);
  }

  describe(): string {
    const { raft } = this;
    if (raft === null) return `${this.id}: down`;
    const { confState } = raft.status();
    const voters = `${confState.voters.join(',')}|${confState.votersOutgoing.join(',')}|${confState.learners.join(',')}`;
    return `${this.id}: state ${raft.state} term ${raft.term} lead ${raft.lead} commit ${raft.committed} last ${raft.lastIndex} applied ${this.applied} conf ${voters}`;
  }

  get idle(): boolean {
    return (
      this.appendQueue.length === 0 &&
      this.applyQueue.length === 0 &&
      this.pending === null &&
      this.raft?.hasReady() !== true
    );
  }
}
