/** A few cores in memory: everything durable at once, messages delivered in order unless a filter stops them. */
import type { CoreConfig, Logger, RaftNode } from '../../src-ts/core/api.ts';
import { EntryType, proposalsOf, type EntryBatch } from '../../src-ts/core/entry-batch.ts';
import { StepError } from '../../src-ts/core/errors.ts';
import { MemoryStorage } from '../../src-ts/core/log/memory-storage.ts';
import { LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD, type NodeId } from '../../src-ts/core/node-id.ts';
import { createRaftNode } from '../../src-ts/core/raft-node.ts';
import { decodeConfChange, decodeConfChangeV2 } from '../../src-ts/core/raftpb/conf-change.ts';
import {
  EMPTY_CONF_STATE,
  StateType,
  type ConfState,
  type HardState,
  type Message,
  type ReadState,
} from '../../src-ts/core/types.ts';

export const QUIET: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warning: () => undefined,
  error: () => undefined,
};

/** Rounds after which a cluster that still talks is taken to never stop. */
const MAX_ROUNDS = 2_000;

export type Options = Partial<Omit<CoreConfig, 'id' | 'storage' | 'logger'>>;

export class Member {
  readonly id: NodeId;
  readonly storage: MemoryStorage;
  readonly raft: RaftNode;
  readonly applied: string[] = [];
  readonly readStates: ReadState[] = [];
  confState: ConfState;

  constructor(id: NodeId, confState: ConfState, options: Options, storage?: MemoryStorage) {
    this.id = id;
    this.confState = confState;
    this.storage = storage ?? new MemoryStorage();
    if (storage === undefined) {
      this.storage.applySnapshot({ data: new Uint8Array(0), metadata: { confState, index: 1, term: 1 } });
    }
    this.raft = createRaftNode({
      electionTick: 10,
      heartbeatTick: 1,
      maxSizePerMsg: 1_048_576,
      maxInflightMsgs: 256,
      applied: 1,
      random: () => 0,
      ...options,
      id,
      storage: this.storage,
      logger: QUIET,
    });
  }

  get isLeader(): boolean {
    return this.raft.state === StateType.Leader;
  }

  propose(...texts: string[]): void {
    this.raft.propose(proposalsOf(texts.map((text) => Buffer.from(text))));
  }

  persist(hardState: HardState | null, entries: readonly EntryBatch[], snapshot: Message['snapshot']): void {
    if (snapshot !== null) {
      this.storage.applySnapshot(snapshot);
      this.confState = snapshot.metadata.confState;
    }
    this.storage.append(entries);
    if (hardState !== null && hardState.term !== 0) this.storage.setHardState(hardState);
  }

  apply(batches: readonly EntryBatch[]): void {
    for (const batch of batches) {
      for (let i = 0; i < batch.count; i++) {
        const data = batch.data(i);
        const type = batch.type(i);
        if (type === EntryType.Normal) {
          if (data.length > 0) this.applied.push(Buffer.from(data).toString());
          continue;
        }
        const change = type === EntryType.ConfChange ? decodeConfChange(data) : decodeConfChangeV2(data);
        this.confState = this.raft.applyConfChange(change, batch.firstIndex + i);
      }
    }
  }
}

export class Cluster {
  readonly members = new Map<NodeId, Member>();
  private readonly options: Options;
  /** Everything that was handed to the network, in order; stopped messages included. */
  readonly sent: Message[] = [];
  private queue: Message[] = [];
  /** Decides what reaches its target. */
  passes: (message: Message) => boolean = () => true;

  constructor(voters: readonly NodeId[], options: Options = {}, learners: readonly NodeId[] = []) {
    this.options = options;
    const confState = { ...EMPTY_CONF_STATE, voters, learners };
    for (const id of [...voters, ...learners]) this.members.set(id, new Member(id, confState, options));
  }

  member(id: NodeId): Member {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`there is no node ${id}`);
    return member;
  }

  /** A new node that knows nothing. */
  add(id: NodeId): Member {
    const member = new Member(id, EMPTY_CONF_STATE, { ...this.options, applied: 0 }, new MemoryStorage());
    this.members.set(id, member);
    return member;
  }

  /** The same disk, a new core. */
  restart(id: NodeId, options: Options = {}): Member {
    const { storage, confState } = this.member(id);
    const applied = storage.firstIndex() - 1;
    const member = new Member(id, confState, { ...this.options, applied, ...options }, storage);
    this.members.set(id, member);
    return member;
  }

  elect(id: NodeId): Member {
    const member = this.member(id);
    member.raft.campaign();
    this.settle();
    if (!member.isLeader) throw new Error(`node ${id} was not elected`);
    return member;
  }

  tick(id: NodeId, times = 1): void {
    for (let i = 0; i < times; i++) this.member(id).raft.tick();
  }

  cut(...ids: NodeId[]): void {
    this.passes = (message) => !ids.includes(message.to) && !ids.includes(message.from);
  }

  heal(): void {
    this.passes = () => true;
  }

  settle(): void {
    for (let round = 0; round < MAX_ROUNDS; round++) if (!this.settleOnce()) return;
    throw new Error('the cluster does not settle');
  }

  /** Delivers what is on its way and handles one Ready of everybody who has one; false when there was nothing. */
  settleOnce(): boolean {
    let worked = this.deliver();
    for (const member of this.members.values()) {
      if (!member.raft.hasReady()) continue;
      worked = true;
      this.handleReady(member);
    }
    return worked;
  }

  private handleReady(member: Member): void {
    const ready = member.raft.ready();
    member.readStates.push(...ready.readStates);
    if (this.options.asyncStorageWrites === true) {
      for (const message of ready.messages) this.handleAsynchronous(member, message);
      return;
    }
    member.persist(ready.hardState, ready.entries, ready.snapshot);
    for (const message of ready.messages) this.send(message);
    member.apply(ready.committedEntries);
    member.raft.advance();
  }

  private handleAsynchronous(member: Member, message: Message): void {
    if (message.to === LOCAL_APPEND_THREAD) member.persist(message, message.entries, message.snapshot);
    else if (message.to === LOCAL_APPLY_THREAD) member.apply(message.entries);
    else {
      this.send(message);
      return;
    }
    for (const response of message.responses) {
      if (response.to === member.id) this.queue.push(response);
      else this.send(response);
    }
  }

  private send(message: Message): void {
    this.sent.push(message);
    if (this.passes(message)) this.queue.push(message);
  }

  private deliver(): boolean {
    const { queue } = this;
    this.queue = [];
    for (const message of queue) {
      try {
        this.members.get(message.to)?.raft.step(message);
      } catch (error) {
        if (!(error instanceof StepError)) throw error;
      }
    }
    return queue.length > 0;
  }
}
