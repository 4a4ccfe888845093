import type { CoreConfig, RaftNode } from '../../core/api.ts';
import type { EntryBatch, Proposals } from '../../core/entry-batch.ts';
import { LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD } from '../../core/node-id.ts';
import { createRaftNode } from '../../core/raft-node.ts';
import {
  ConfChangeTransition,
  MessageType,
  StateType,
  type ConfChangeV2,
  type Message,
  type Snapshot,
} from '../../core/types.ts';
import { CatchUps } from './catch-ups.ts';
import { confStateOf, Configurations, type Members } from './configurations.ts';
import { Flag } from './layout.ts';
import { PendingWrites } from './pending-writes.ts';
import { makeRandom, type Settings } from './settings.ts';
import { TermTrail, trailBatch } from './term-trail.ts';

const SILENT = { debug(): void {}, info(): void {}, warning(): void {}, error(): void {} };
/** No change: where changes take effect when appended, the core looks only at the index. */
const APPLIED: ConfChangeV2 = { transition: ConfChangeTransition.Auto, changes: [], context: null };
/** Readys of one step; each has a cause, so that there are a handful. */
const READYS_MAX = 1_000;

export interface Stored {
  readonly term: number;
  readonly vote: number;
  readonly snapshot: { readonly index: number; readonly term: number; readonly members: Members } | null;
  readonly startIndex: number;
  /** Pairs (term, count). */
  readonly runs: readonly number[];
  readonly changes: readonly Members[];
}

/** One server between START and close: the core, what the program has stored, and what it is to do next. */
export class Machine {
  readonly node: RaftNode;
  readonly trail: TermTrail;
  readonly configurations = new Configurations();
  readonly catchUps = new CatchUps();
  readonly settings: Settings;
  private readonly writes = new PendingWrites();
  /** Configurations that come with the entries of this step. */
  private incoming: readonly Members[] = [];
  /** The configuration that comes with the snapshot of this step. */
  incomingSnapshot: Members | null = null;
  /** When a snapshot left for a member, ms. */
  private readonly snapshotSent = new Map<number, number>();
  /** Index of the last configuration entry that the program has applied. */
  appliedConfiguration = 0;
  now: number;

  // What this step is to tell.
  messages: Message[] = [];
  entriesFirst = 0;
  entriesCount = 0;
  snapshot: Snapshot | null = null;

  constructor(id: number, stored: Stored, settings: Settings, now: number) {
    this.settings = settings;
    this.now = now;
    const { snapshot, startIndex, runs, changes } = stored;
    if (snapshot !== null) this.configurations.restart(snapshot.members);
    const base = snapshot?.index ?? 0;
    const count = runs.reduce((sum, value, i) => (i % 2 === 1 ? sum + value : sum), 0);
    const commit = snapshot === null && count > 0 ? 1 : base;
    for (const members of changes) {
      if (members.index <= Math.max(base, 0) && snapshot !== null) continue;
      this.configurations.append(members);
    }
    const initial = this.configurations.committedAt(commit);
    this.trail = new TermTrail(
      { term: stored.term, vote: stored.vote, commit },
      confStateOf(initial),
      (index) => this.configurations.isChange(index),
    );
    if (snapshot !== null) {
      this.trail.restore({
        index: snapshot.index,
        term: snapshot.term,
        confState: confStateOf(snapshot.members),
      });
    }
    this.trail.appendStored(startIndex, runs);
    this.appliedConfiguration = initial.index;
    this.incoming = this.configurations.between(commit, Number.MAX_SAFE_INTEGER);
    this.node = createRaftNode(this.coreConfig(id, commit));
    this.incoming = [];
  }

  private coreConfig(id: number, applied: number): CoreConfig {
    const { settings } = this;
    return {
      id,
      get electionTick(): number {
        return settings.electionTimeoutMs;
      },
      get heartbeatTick(): number {
        return settings.heartbeatTimeoutMs;
      },
      get preVote(): boolean {
        return settings.preVote;
      },
      storage: this.trail,
      applied,
      asyncStorageWrites: true,
      maxSizePerMsg: settings.maxInflightEntries,
      maxInflightMsgs: settings.maxInflightEntries,
      maxInflightBytes: settings.maxInflightEntries,
      maxCommittedSizePerReady: Number.POSITIVE_INFINITY,
      checkQuorum: true,
      stepDownOnRemoval: true,
      disableProposalForwarding: true,
      configurationEffective: 'append',
      configurationAt: (index) => this.enter(index),
      makeBatch,
      random: makeRandom(settings.seed),
      logger: SILENT,
    };
  }

  /** The core has appended a configuration. */
  private enter(index: number): ReturnType<typeof confStateOf> {
    const members = this.incoming.find((candidate) => candidate.index === index);
    if (members === undefined) throw new Error(`entry ${index} is a configuration that nobody gave`);
    this.configurations.append(members);
    return confStateOf(members);
  }

  beginStep(): void {
    this.messages = [];
    this.entriesFirst = 0;
    this.entriesCount = 0;
    this.snapshot = null;
    this.incoming = [];
    this.incomingSnapshot = null;
  }

  /** Counts time; what is due waits for `timeout`. */
  passTime(now: number): void {
    this.node.elapse(now - this.now, false);
    this.now = now;
  }

  /** A snapshot waits for the program's disk. */
  get isInstalling(): boolean {
    return this.writes.newest?.snapshot != null;
  }

  timeoutAt(): number {
    return this.now + Math.max(0, Math.ceil(this.node.ticksUntilDue()));
  }

  receive(message: Message, changes: readonly Members[]): void {
    this.incoming = changes;
    this.node.step(message);
  }

  propose(count: number, types: Uint8Array | null, changes: readonly Members[]): void {
    this.incoming = changes;
    this.node.propose(proposalsOfCount(count, types));
  }

  timeout(): void {
    const { node } = this;
    const isOverdue = node.ticksUntilDue() <= 0;
    const isLeader = node.state === StateType.Leader;
    for (const [id, sentAt] of this.snapshotSent) {
      if (node.progressOf(id)?.state !== 'snapshot') this.snapshotSent.delete(id);
      else if (this.now - sentAt >= this.settings.installSnapshotTimeoutMs) {
        this.snapshotSent.delete(id);
        node.reportSnapshot(id, false);
      }
    }
    node.elapse(0, true);
    // Who may not campaign waits once more.
    if (isOverdue && !isLeader && node.ticksUntilDue() <= 0) node.restartElectionTimer();
    this.catchUps.passTime(node, this.now, this.settings);
  }

  /** Takes what the core has to say until it has nothing more. */
  drain(): void {
    const before = this.node.committed;
    for (let i = 0; this.node.hasReady(); i++) {
      if (i === READYS_MAX) throw new Error('the core does not come to rest');
      for (const message of this.node.ready().messages) this.handle(message);
    }
    if (this.node.committed !== before) this.configurations.settle(this.node.committed);
  }

  private handle(message: Message): void {
    if (message.to === LOCAL_APPEND_THREAD) this.store(message);
    else if (message.to === LOCAL_APPLY_THREAD) this.apply(message);
    else this.send(message);
  }

  private send(message: Message): void {
    if (message.type === MessageType.Snap) this.snapshotSent.set(message.to, this.now);
    this.messages.push(message);
  }

  /** To the core committed is applied: the program's state machine is its own. */
  private apply(message: Message): void {
    const { applied } = this.node;
    const last = message.entries[message.entries.length - 1]!.lastIndex;
    for (const response of message.responses) this.node.step(response);
    for (const { index } of this.configurations.between(applied, last))
      this.node.applyConfChange(APPLIED, index);
  }

  private store({ entries, snapshot, responses }: Message): void {
    if (snapshot !== null) {
      this.snapshot = snapshot;
      const lastIndex = snapshot.metadata.index;
      this.configurations.restart(this.incomingSnapshot!);
      this.appliedConfiguration = this.configurations.effective.index;
      this.writes.push({ firstIndex: lastIndex, lastIndex, entries, snapshot, responses: [...responses] });
      return;
    }
    const first = entries[0];
    if (first !== undefined) {
      const { lastIndex } = entries[entries.length - 1]!;
      this.entriesFirst = first.firstIndex;
      this.entriesCount = lastIndex - first.firstIndex + 1;
      this.configurations.cutFrom(first.firstIndex, this.incoming);
      const { firstIndex } = first;
      this.writes.push({ firstIndex, lastIndex, entries, snapshot, responses: this.sendVotes(responses) });
      return;
    }
    // Nothing but answers. The term and the vote go to the disk before anything of this update is acted on.
    const rest = this.sendVotes(responses);
    const { newest } = this.writes;
    if (newest === undefined) this.deliver(rest);
    else {
      for (const response of rest) this.answerAhead(response);
      newest.responses.push(...rest);
    }
  }

  private sendVotes(responses: readonly Message[]): Message[] {
    const rest: Message[] = [];
    for (const response of responses) {
      const isVote = response.type === MessageType.VoteResp || response.type === MessageType.PreVoteResp;
      if (isVote) this.deliver([response]);
      else rest.push(response);
    }
    return rest;
  }

  /** While writes are under way the leader is told what is durable already, so that it knows that this server lives. */
  private answerAhead(response: Message): void {
    if (response.type !== MessageType.AppResp || response.to === this.node.id) return;
    if (response.reject) return;
    const durable = Math.min(response.index, this.trail.lastIndex());
    if (this.node.logTerm(durable) !== this.trail.termOrZero(durable)) return;
    this.send({ ...response, index: durable });
  }

  private deliver(responses: readonly Message[]): void {
    for (const response of responses) {
      if (response.to === this.node.id) this.node.step(response);
      else this.send(response);
    }
  }

  /** False when entries up to `index` were never handed out. */
  persistedEntries(index: number): boolean {
    const done = this.writes.acknowledge(index);
    if (done === null) return index <= this.trail.lastIndex();
    for (const { entries, snapshot, responses } of done) {
      if (snapshot === null) this.trail.append(entries);
      this.deliver(responses);
    }
    return true;
  }

  persistedSnapshot(index: number): boolean {
    const done = this.writes.acknowledgeSnapshot(index);
    if (done === null) return false;
    for (const { entries, snapshot, responses } of done) {
      if (snapshot === null) this.trail.append(entries);
      else this.trail.restore(snapshot.metadata);
      this.deliver(responses);
    }
    return true;
  }

  flagsSince(before: { term: number; vote: number; state: number; commit: number; timeout: number }): number {
    const { node } = this;
    let flags = 0;
    const vote = node.vote;
    if (node.term !== before.term) flags |= Flag.currentTerm | Flag.votedFor;
    if (vote !== before.vote) flags |= Flag.votedFor | Flag.currentTerm;
    if (this.entriesCount > 0) flags |= Flag.entries;
    if (this.snapshot !== null) flags |= Flag.snapshot;
    if (this.messages.length > 0) flags |= Flag.messages;
    if (publicState(node.state) !== before.state) flags |= Flag.state;
    if (node.committed !== before.commit) flags |= Flag.commitIndex;
    if (this.timeoutAt() !== before.timeout) flags |= Flag.timeout;
    return flags;
  }
}

export function publicState(state: StateType): number {
  if (state === StateType.Leader) return 3;
  return state === StateType.Follower ? 1 : 2;
}

function makeBatch(firstIndex: number, term: number, { count, types }: Proposals): EntryBatch {
  return trailBatch(firstIndex, term, count, types);
}

const NO_WORDS = new Uint32Array(0);
const NO_BYTES = new Uint8Array(0);

/** Entries without bytes; nothing here looks at where they lie. */
function proposalsOfCount(count: number, types: Uint8Array | null): Proposals {
  return { count, bytes: NO_BYTES, starts: NO_WORDS, ends: NO_WORDS, types };
}
