import type { CoreConfig, RaftNode } from '../../core/api.ts';
import type { EntryBatch, Proposals } from '../../core/entry-batch.ts';
import { LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD } from '../../core/node-id.ts';
import { createRaftNode } from '../../core/raft-node.ts';
import { SILENT } from '../../core/loggers.ts';
import {
  ConfChangeTransition,
  makeMessage,
  MessageType,
  StateType,
  type ConfChangeV2,
  type Message,
  type Snapshot,
} from '../../core/types.ts';
import { CatchUps } from './catch-ups.ts';
import {
  committedAt,
  confStateOf,
  Configurations,
  NO_MEMBERS,
  roleOf,
  type Members,
} from './configurations.ts';
import { Flag, Role } from './layout.ts';
import { PendingWrites, type PendingWrite } from './pending-writes.ts';
import { makeRandom, type Settings } from './settings.ts';
import { TermTrail, trailBatch } from './term-trail.ts';

/** No change: where changes take effect when appended, the core looks only at the index. */
const APPLIED: ConfChangeV2 = { transition: ConfChangeTransition.Auto, changes: [], context: null };
const NO_CHANGES: readonly Members[] = [];
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

/** What of the core's configuration may change while it runs. */
interface Timing {
  electionTick: number;
  heartbeatTick: number;
  preVote: boolean;
}

/** One server between START and close: the core, what the program has stored, and what it is to do next. */
export class Machine {
  readonly node: RaftNode;
  readonly trail: TermTrail;
  readonly configurations = new Configurations();
  readonly catchUps = new CatchUps();
  readonly settings: Settings;
  private readonly timing: Timing;
  private readonly writes = new PendingWrites();
  /** Configurations that come with the entries of this step. */
  private incoming: readonly Members[] = [];
  /** The configuration that comes with the snapshot of this step. */
  incomingSnapshot: Members | null = null;
  /** When a snapshot left for a member, ms. */
  private readonly snapshotSent = new Map<number, number>();
  /** Members that were sent a heartbeat and have not answered since. */
  private readonly asked = new Set<number>();
  /** Index of the last configuration entry that the program has applied. */
  appliedConfiguration = 0;
  /** Commit index up to which older configurations are forgotten. */
  private settled = 0;
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
    // The first entry of all is the same everywhere, so it counts as committed.
    const commit = snapshot?.index ?? (runs.length > 0 ? 1 : 0);
    const initial = committedAt(commit, snapshot?.members ?? NO_MEMBERS, changes);
    const hardState = { term: stored.term, vote: stored.vote, commit };
    this.trail = new TermTrail(hardState, confStateOf(initial), changes);
    this.incoming = changes;
    const metadata =
      snapshot === null
        ? null
        : { index: snapshot.index, term: snapshot.term, confState: confStateOf(snapshot.members) };
    if (!this.trail.load(startIndex, runs, metadata)) this.incoming = NO_CHANGES;
    this.configurations.restart(initial);
    this.appliedConfiguration = initial.index;
    this.settled = commit;
    const config = this.coreConfig(id, commit);
    this.timing = config;
    this.node = createRaftNode(config);
    this.incoming = NO_CHANGES;
    this.trail.forgetChanges();
  }

  private coreConfig(id: number, applied: number): Timing & CoreConfig {
    const { settings } = this;
    return {
      id,
      electionTick: settings.electionTimeoutMs,
      heartbeatTick: settings.heartbeatTimeoutMs,
      preVote: settings.preVote,
      storage: this.trail,
      applied,
      asyncStorageWrites: true,
      maxSizePerMsg: settings.maxInflightEntries,
      maxInflightMsgs: settings.maxInflightEntries,
      maxInflightBytes: settings.maxInflightEntries,
      fillsInflightBytes: true,
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

  /** The settings have changed. */
  adoptSettings(): void {
    const { timing, settings } = this;
    timing.electionTick = settings.electionTimeoutMs;
    timing.heartbeatTick = settings.heartbeatTimeoutMs;
    timing.preVote = settings.preVote;
  }

  beginStep(): void {
    if (this.messages.length > 0) this.messages = [];
    this.entriesFirst = 0;
    this.entriesCount = 0;
    this.snapshot = null;
    this.incoming = NO_CHANGES;
    this.incomingSnapshot = null;
  }

  /** Counts time; what is due waits for `timeout`. Backwards only when a step is taken back. */
  setTime(now: number): void {
    this.node.elapse(now - this.now, false);
    this.now = now;
  }

  /** A snapshot waits for the program's disk. */
  get isInstalling(): boolean {
    return (this.writes.newest?.snapshot ?? null) !== null;
  }

  timeoutAt(): number {
    return this.now + this.node.ticksUntilDue();
  }

  receive(message: Message, changes: readonly Members[] = NO_CHANGES): void {
    this.incoming = changes;
    this.node.step(message);
  }

  /**
   * A candidate of an earlier term learns this one, as from the original; the core would be silent. Else one that others
   * overtake all the time, servers that were removed among them, may never come first.
   */
  refuseVote(candidate: number): void {
    const { term } = this.node;
    this.messages.push(makeMessage({ type: MessageType.VoteResp, to: candidate, term, reject: true }));
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
    if (isOverdue && !isLeader && node.ticksUntilDue() <= 0) {
      // Who may not campaign waits once more, and does not keep others from it for a leader that is silent.
      node.restartElectionTimer();
      node.forgetLeader();
    }
    this.catchUps.passTime(node, this.now, this.settings);
  }

  /** A member has answered that it has entries up to `index`, of this server's term, and has rejected none. */
  acknowledged(message: Message): void {
    const { node } = this;
    const { from, index } = message;
    const progress = node.progressOf(from)!;
    const endsProbe = progress.state === 'probe' && index === progress.match && progress.next === index + 1;
    if (node.state !== StateType.Leader || index > progress.match || endsProbe) node.step(message);
    // No news. The first such answer to a heartbeat shows what was lost on the way; others only that the member lives.
    else if (this.asked.delete(from)) node.step({ ...message, type: MessageType.HeartbeatResp });
    else node.heardFrom(from);
  }

  /** Takes what the core has to say until it has nothing more. */
  drain(): void {
    const { node } = this;
    for (let i = 0; node.hasReady(); i++) {
      if (i === READYS_MAX) throw new Error('the core does not come to rest');
      for (const message of node.ready().messages) this.handle(message);
    }
    if (node.state !== StateType.Leader) this.catchUps.forget();
    if (node.committed === this.settled) return;
    this.settled = node.committed;
    this.configurations.settle(this.settled);
  }

  private handle(message: Message): void {
    if (message.to === LOCAL_APPEND_THREAD) this.store(message);
    else if (message.to === LOCAL_APPLY_THREAD) this.apply(message);
    else this.send(message);
  }

  private send(message: Message): void {
    const { to, type } = message;
    if (this.isKeptBack(to, type)) {
      if (type === MessageType.Snap) this.node.reportSnapshot(to, false);
      return;
    }
    if (type === MessageType.Snap) this.snapshotSent.set(to, this.now);
    else if (type === MessageType.Heartbeat) this.asked.add(to);
    this.messages.push(message);
  }

  /** A spare gets nothing of the log, but while it is brought up to date. */
  private isKeptBack(to: number, type: MessageType): boolean {
    if (!this.configurations.hasSpares) return false;
    if (type !== MessageType.App && type !== MessageType.Heartbeat && type !== MessageType.Snap) return false;
    return roleOf(this.configurations.effective, to) === Role.spare && !this.catchUps.isRunningFor(to);
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
    const rest = this.sendPromiseless(responses);
    if (snapshot !== null) {
      this.snapshot = snapshot;
      this.configurations.restart(this.incomingSnapshot!);
      this.appliedConfiguration = this.configurations.effective.index;
      const { index } = snapshot.metadata;
      this.writes.push({ firstIndex: index, lastKept: index, entries, snapshot, responses: rest });
      return;
    }
    const first = entries[0];
    if (first === undefined) {
      this.answerAll(rest);
      return;
    }
    const { firstIndex } = first;
    const { lastIndex } = entries[entries.length - 1]!;
    if (this.entriesCount > 0) throw new Error('the core hands out entries twice in a step');
    this.entriesFirst = firstIndex;
    this.entriesCount = lastIndex - firstIndex + 1;
    this.configurations.cutFrom(firstIndex, this.incoming);
    this.writes.push({ firstIndex, lastKept: lastIndex, entries, snapshot, responses: rest });
  }

  /**
   * Votes and rejections need the term and the vote on the disk, which go there before anything of this update is acted
   * on, but no entries. Returns what does need them.
   */
  private sendPromiseless(responses: readonly Message[]): Message[] {
    const rest: Message[] = [];
    for (const response of responses) {
      const { type } = response;
      const isVote = type === MessageType.VoteResp || type === MessageType.PreVoteResp;
      if (!isVote && !(type === MessageType.AppResp && response.reject)) rest.push(response);
      else if (response.to === this.node.id) this.stepOwn(response);
      else this.send(response);
    }
    return rest;
  }

  /** What this server tells itself; a leader that has taken itself out does not count its own entries and votes. */
  private stepOwn(response: Message): void {
    const isStorage = response.type === MessageType.StorageAppendResp;
    if (isStorage || this.node.progressOf(this.node.id) !== undefined) this.node.step(response);
  }

  /** Nothing is to be stored, but what these tell of may be under way. */
  private answerAll(responses: Message[]): void {
    const { newest } = this.writes;
    if (newest === undefined) {
      this.deliver(responses);
      return;
    }
    for (const response of responses) this.answerAhead(response);
    newest.responses.push(...responses);
  }

  /** While writes are under way the leader is told what is durable already, so that it knows that this server lives. */
  private answerAhead(response: Message): void {
    if (response.type !== MessageType.AppResp || response.to === this.node.id) return;
    const durable = Math.min(response.index, this.trail.lastIndex());
    const isSame = this.node.logTerm(durable) === this.trail.termOrZero(durable);
    this.send({ ...response, index: isSame ? durable : 0 });
  }

  private deliver(responses: readonly Message[]): void {
    const { node } = this;
    for (const response of responses) {
      if (response.to === node.id) this.stepOwn(response);
      // What an earlier term's leader sent may have been replaced before it was stored.
      else if (response.term === node.term) this.send(response);
    }
  }

  /** False when entries up to `index` were never handed out. */
  persistedEntries(index: number): boolean {
    if (index > this.node.lastIndex) return false;
    this.settleWrites(this.writes.acknowledge(index));
    return true;
  }

  persistedSnapshot(index: number): boolean {
    const done = this.writes.acknowledgeSnapshot(index);
    if (done === null) return false;
    this.settleWrites(done);
    return true;
  }

  private settleWrites(done: readonly PendingWrite[]): void {
    for (const { entries, lastKept, snapshot, responses } of done) {
      if (snapshot === null) this.stored(entries, lastKept, responses);
      else this.trail.restore(snapshot.metadata);
      this.deliver(responses);
    }
  }

  /**
   * The core does not take an answer of an earlier term, since what it tells of may have been replaced. Here that is
   * known; untold, entries that the program has stored, and may drop for a snapshot, would go on counting as unstored.
   */
  private stored(entries: readonly EntryBatch[], lastKept: number, responses: readonly Message[]): void {
    const { node, trail } = this;
    trail.append(entries, lastKept);
    const stale = responses.find(
      ({ type, term }) => type === MessageType.StorageAppendResp && term !== node.term,
    );
    if (stale !== undefined)
      node.step({ ...stale, term: node.term, index: lastKept, logTerm: trail.termOrZero(lastKept) });
  }

  /** Flags of what is not as `before` says, which is brought up to date. */
  flagsSince(before: Before): number {
    const { node } = this;
    const { term, vote } = node;
    // What a snapshot has in it is committed here once it is stored.
    const committed = this.isInstalling ? before.commit : node.committed;
    const state = publicState(node.state);
    const timeout = this.timeoutAt();
    let flags = 0;
    if (term !== before.term || vote !== before.vote) flags |= Flag.votedFor | Flag.currentTerm;
    if (this.entriesCount > 0) flags |= Flag.entries;
    if (this.snapshot !== null) flags |= Flag.snapshot;
    if (this.messages.length > 0) flags |= Flag.messages;
    if (state !== before.state) flags |= Flag.state;
    if (committed !== before.commit) flags |= Flag.commitIndex;
    if (timeout !== before.timeout) flags |= Flag.timeout;
    before.term = term;
    before.vote = vote;
    before.state = state;
    before.commit = committed;
    before.timeout = timeout;
    return flags;
  }
}

/** What was told last. */
export interface Before {
  term: number;
  vote: number;
  state: number;
  commit: number;
  timeout: number;
}

function publicState(state: StateType): number {
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
