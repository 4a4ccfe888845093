/** One raft server: its turns, its life cycle, and what facades call. */
import type { RaftNode } from '../core/api.ts';
import { ErrorCode, EventCode } from '../core/codes.generated.ts';
import type { Proposals } from '../core/entry-batch.ts';
import type { NodeId } from '../core/node-id.ts';
import { StateType, type Message } from '../core/types.ts';
import type { OpenedStorage } from '../storage/open-storage.ts';
import { HostMessageError, type HostMessageFailure, type Transport } from '../transport/types.ts';
import {
  ServerError,
  type Companion,
  type MemberChange,
  type MemberOperation,
  type RaftServer,
  type ServerFacts,
  type ServerConfig,
  type ServerEnvironment,
  type StateMachinePort,
  type Timer,
} from './api.ts';
import type { BootState } from './boot.ts';
import type { Counters } from './counters.ts';
import type { Phase, StepResult } from './engine.ts';
import { textOf, toServerError } from './errors.ts';
import { CommitTimer } from './commit-timer.ts';
import { serverFigures } from './figures.ts';
import { nodeView } from './node-view.ts';
import type { ServerFigures } from './server-figures.ts';
import { ROOM_POLL_MS, WAIT_FOR_LEADER_ELECTIONS } from './limits.ts';
import type { MembershipStore } from './membership-store.ts';
import { buildRooms, type Hub, type Rooms } from './rooms.ts';
import type { StableLog } from './stable-log.ts';
import { serverFacts } from './facts.ts';
import type { OwnFacts } from './own-facts.ts';
import { peersJson, statusJson } from './status.ts';
import { isDropped, isIgnorable } from './step-error.ts';
import { Ticker } from './ticker.ts';

const HOST_MESSAGE_CODES: Record<HostMessageFailure, ErrorCode> = {
  'unknown-peer': ErrorCode.UNKNOWN_MEMBER,
  url: ErrorCode.URL,
  connect: ErrorCode.CONNECT,
  read: ErrorCode.READ,
};

export class Server implements RaftServer, Hub {
  readonly config: ServerConfig;
  readonly environment: ServerEnvironment;
  readonly port: StateMachinePort;
  readonly counters: Counters;
  readonly electionMs: number;
  phase: Phase = 'running';
  onAcceptsProposals: (() => void) | null = null;

  private readonly storage: OpenedStorage;
  private readonly rooms: Rooms;
  private readonly ticker: Ticker;
  private readonly commitTimer: CommitTimer;
  private companion: Companion | null = null;
  private readonly defer: (callback: () => void) => void;
  private scheduled = false;
  /** The loop of this turn runs. */
  private turning = false;
  private accepts = true;
  private campaigned = false;
  private roomPoll: Timer | null = null;
  private purgeTimer: Timer | null = null;
  private failure: string | null = null;
  private closed: Promise<void> | null = null;
  private stopping: Promise<void> | null = null;

  /** Takes over the storage. Nothing happens before `start`. */
  constructor(
    config: ServerConfig,
    environment: ServerEnvironment,
    port: StateMachinePort,
    storage: OpenedStorage,
    boot: BootState,
    counters: Counters,
  ) {
    this.config = config;
    this.environment = environment;
    this.port = port;
    this.counters = counters;
    this.storage = storage;
    this.electionMs = config.electionTick * config.tickMs;
    this.defer = environment.defer ?? ((callback) => void setImmediate(callback));
    this.ticker = new Ticker(environment.clock, config.tickMs, (lateMs) => {
      counters.loopDelay.observe(lateMs);
      this.tick();
    });
    this.commitTimer = new CommitTimer(() => environment.clock.now(), counters.commitTimes);
    this.rooms = buildRooms(this, storage, boot);
  }

  get node(): RaftNode {
    return this.rooms.node;
  }

  get log(): StableLog {
    return this.rooms.log;
  }

  get transport(): Transport {
    return this.rooms.transport;
  }

  get members(): MembershipStore {
    return this.rooms.members;
  }

  /** Binds, then begins to take part. Rejects with what kept it from listening; the storage stays the caller's then. */
  async start(boot: BootState): Promise<void> {
    const { snapshotFile } = this.storage;
    await this.transport.start();
    if (this.phase === 'ended') return;
    if (snapshotFile !== null && boot.appliedIndex < snapshotFile.metadata.index) {
      this.rooms.installer.restore(snapshotFile);
    }
    this.armPurge();
    if (this.config.reusableIds !== true && this.members.current.removed.has(this.config.id)) {
      this.rooms.removal.applied(this.members.current.index);
      return;
    }
    this.ticker.start();
    this.schedule();
  }

  /** Something that runs beside this server from now on; it is stopped with it, not by its failure. */
  accompany(companion: Companion): Promise<void> {
    this.companion = companion;
    return companion.start();
  }

  // Turns

  schedule(): void {
    if (this.scheduled || this.phase === 'ended') return;
    this.scheduled = true;
    this.defer(() => {
      this.scheduled = false;
      this.turning = false;
      this.guard('a turn of the engine', () => {
        this.turn();
      });
    });
  }

  private turn(): void {
    if (this.phase === 'ended') return;
    const { rooms } = this;
    const { proposing, applies } = rooms;
    this.timeCommits();
    if (!rooms.removal.detached) {
      if (rooms.intake.isWaiting) rooms.intake.retry(this.environment.clock.now());
      rooms.reads.flush();
      this.turning = true;
      const isDone = rooms.loop.run();
      this.turning = false;
      if (isDone) proposing.settle();
      else this.schedule();
      rooms.changes.progress(applies.handedIndex);
      this.campaignIfAlone();
    }
    proposing.turnBytes = 0;
    rooms.snapshots.check(rooms.taker);
    proposing.flush();
    this.lookForRoom();
    this.timeCommits();
  }

  private timeCommits(): void {
    const { node } = this.rooms;
    const term = node.state === StateType.Leader ? node.term : 0;
    this.commitTimer.look(term, node.committed, node.lastIndex);
  }

  /** A single voter need not wait for an election timeout. */
  private campaignIfAlone(): void {
    const { applies, node } = this.rooms;
    if (this.campaigned || applies.size > 0 || !applies.isCaughtUp || applies.handedIndex < node.committed)
      return;
    this.campaigned = true;
    const { voters, votersOutgoing } = applies.handedConfState;
    if (voters.length !== 1 || voters[0] !== this.config.id || votersOutgoing.length > 0 || node.lead !== 0)
      return;
    node.campaign();
    this.schedule();
  }

  private tick(): void {
    const { rooms } = this;
    this.guard('a tick', () => {
      if (this.phase === 'ended' || rooms.removal.detached) return;
      rooms.node.tick();
      rooms.removal.tick();
      rooms.leadership.tick();
      rooms.changes.retry();
      rooms.reads.tick();
      rooms.proposing.tick();
    });
    this.schedule();
  }

  guard(doing: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.failBy(error, doing);
    }
  }

  step(message: Message): StepResult {
    try {
      this.node.step(message);
      return 'ok';
    } catch (error) {
      if (isDropped(error)) return 'dropped';
      if (isIgnorable(error)) return 'ignored';
      throw error;
    }
  }

  deliver(responses: readonly Message[]): void {
    if (responses.length === 0 || this.phase === 'ended' || this.rooms.removal.detached) return;
    const outgoing: Message[] = [];
    for (const response of responses) {
      if (response.to === this.config.id) this.step(response);
      else outgoing.push(response);
    }
    if (outgoing.length > 0) this.transport.send(outgoing);
    // The turn that goes on now takes up what this has brought.
    if (!this.turning) this.schedule();
  }

  // Proposals

  /** Asked for once a proposal, so it is no more than a field; it changes with proposals, turns and the host's progress. */
  get acceptsProposals(): boolean {
    return this.accepts;
  }

  private lookForRoom(): void {
    const { intake, proposing, room } = this.rooms;
    const had = this.accepts;
    this.accepts =
      this.phase !== 'running' || (intake.hasRoom && proposing.hasRoom && room.hasRoom(proposing.turnBytes));
    if (!this.accepts && this.roomPoll === null && room.hostIsBehind) this.pollRoom();
    if (this.accepts && !had) this.onAcceptsProposals?.();
  }

  /** The host's progress in applying is a number that it moves without telling. */
  private pollRoom(): void {
    this.roomPoll = this.environment.clock.setTimer(ROOM_POLL_MS, () => {
      this.roomPoll = null;
      if (this.phase === 'ended') return;
      this.guard('looking for room', () => {
        this.lookForRoom();
      });
    });
  }

  propose(proposals: Proposals, sequences: Float64Array): void {
    this.counters.proposals += proposals.count;
    if (this.phase !== 'running') {
      this.rooms.proposing.refuse(
        sequences.slice(0, proposals.count),
        this.phase === 'removed' ? ErrorCode.REMOVED : ErrorCode.STOPPED,
      );
      this.rooms.proposing.flush();
      return;
    }
    this.guard('proposing', () => {
      const deadline = this.environment.clock.now() + WAIT_FOR_LEADER_ELECTIONS * this.electionMs;
      this.rooms.intake.submit(proposals, sequences, deadline);
      this.lookForRoom();
    });
  }

  // The host

  hostHasRoom(): void {
    this.guard('handing over entries', () => {
      this.rooms.applies.pump();
    });
    this.schedule();
  }

  hostFailed(index: number, code: number, which: 'apply' | 'restore'): void {
    const what = which === 'apply' ? 'applying entry' : 'restoring the snapshot at index';
    this.fail(ErrorCode.CALLBACK_FAILED, `the host failed ${what} ${index} with code ${code}`);
  }

  // Requests

  private refusal(): ServerError | null {
    if (this.phase === 'running') return null;
    return this.phase === 'removed'
      ? new ServerError(ErrorCode.REMOVED, 'this server has been removed from its cluster')
      : this.stoppedError();
  }

  private stoppedError(): ServerError {
    const why = this.failure === null ? 'the server has stopped' : `the server has failed: ${this.failure}`;
    return new ServerError(ErrorCode.STOPPED, why);
  }

  async changeMember(operation: MemberOperation, id: NodeId, url: string | null): Promise<number> {
    const refusal = this.refusal();
    if (refusal !== null) throw refusal;
    return await this.rooms.changes.change(operation, id, url);
  }

  async changeMembers(changes: readonly MemberChange[]): Promise<number> {
    const refusal = this.refusal();
    if (refusal !== null) throw refusal;
    return await this.rooms.changes.changeAll(changes);
  }

  async snapshot(): Promise<number> {
    if (this.phase === 'ended') throw this.stoppedError();
    return await this.rooms.taker.force();
  }

  async transferLeadership(to: NodeId): Promise<void> {
    const refusal = this.refusal();
    if (refusal !== null) throw refusal;
    this.rooms.reads.suspendLease(2 * this.electionMs);
    await this.rooms.leadership.transfer(to);
  }

  async readIndex(kind: 'safe' | 'lease'): Promise<number> {
    const refusal = this.refusal();
    if (refusal !== null) throw refusal;
    const { node, config } = this;
    const { term } = node;
    if (config.leaderOnly === true && node.state !== StateType.Leader)
      throw new ServerError(ErrorCode.NOT_LEADER, 'this server is not the leader');
    this.schedule();
    this.counters.reads++;
    const index = await this.rooms.reads.read(kind);
    if (config.leaderOnly === true && (node.state !== StateType.Leader || node.term !== term))
      throw new ServerError(ErrorCode.LEADERSHIP_LOST, 'this server has ceased to lead');
    return index;
  }

  async sendHostMessage(to: NodeId, body: Uint8Array): Promise<Uint8Array> {
    if (this.phase === 'ended') throw this.stoppedError();
    if (to === this.config.id)
      throw new ServerError(ErrorCode.INVALID_ARGUMENT, 'a message to the own server');
    try {
      return await this.transport.sendHostMessage(to, body);
    } catch (error) {
      if (!(error instanceof HostMessageError)) throw error;
      throw new ServerError(HOST_MESSAGE_CODES[error.failure], error.message);
    }
  }

  statusJson(): string {
    return statusJson({ engine: this, ...this.ownFacts() });
  }

  figures(): ServerFigures {
    return serverFigures(this, this.ownFacts());
  }

  view(): Uint8Array {
    return Buffer.from(JSON.stringify(nodeView(this.figures())));
  }

  async askView(id: NodeId): Promise<string> {
    return Buffer.from(await this.transport.askView(id)).toString('utf8');
  }

  private ownFacts(): OwnFacts {
    const { rooms } = this;
    return {
      isRemoved: this.phase === 'removed' || rooms.removal.detached,
      snapshotIndex: rooms.shelf.newestIndex,
      handedIndex: rooms.applies.handedIndex,
      logBytes: rooms.log.ledger.bytes,
      wal: this.storage.wal.statistics,
      failure: this.failure,
      leaderChanges: rooms.history.changes,
    };
  }

  peersJson(): string {
    return peersJson(this);
  }

  facts(): ServerFacts {
    return serverFacts(this, this.rooms, this.failure === null && this.phase !== 'removed');
  }

  private armPurge(): void {
    const { maxSnapFiles, maxWalFiles, purgeFileIntervalMs } = this.config;
    if ((maxSnapFiles === 0 && maxWalFiles === 0) || purgeFileIntervalMs <= 0) return;
    this.purgeTimer = this.environment.clock.setTimer(purgeFileIntervalMs, () => {
      this.purge(maxSnapFiles, maxWalFiles)
        .catch((error: unknown) => {
          this.environment.logger.warning(`purging old files failed: ${textOf(error)}`);
        })
        .finally(() => {
          if (this.phase !== 'ended') this.armPurge();
        });
    });
  }

  private async purge(maxSnapFiles: number, maxWalFiles: number): Promise<void> {
    const { snapshots, wal } = this.storage;
    // The newest file may not be in the WAL yet; until it is, a restart needs the one before.
    const removed = [
      ...(maxSnapFiles > 0 ? await snapshots.purge(Math.max(maxSnapFiles, 2)) : []),
      ...(maxWalFiles > 0 && this.phase !== 'ended' ? await wal.purge(maxWalFiles) : []),
    ];
    if (removed.length > 0) this.environment.logger.info(`purged ${removed.join(', ')}`);
  }

  // Removal

  leaveCluster(index: number): void {
    if (this.phase === 'running') this.phase = 'removed';
    this.environment.logger.warning('this server has been removed from its cluster');
    const { rooms } = this;
    rooms.intake.endAll(ErrorCode.REMOVED);
    const error = new ServerError(ErrorCode.REMOVED, 'this server has been removed from its cluster');
    rooms.changes.end(error);
    rooms.reads.end(error);
    rooms.leadership.end(error);
    this.port.event(EventCode.REMOVED, index, '');
    this.schedule();
  }

  detach(): void {
    const { rooms } = this;
    this.ticker.stop();
    rooms.proposing.settle();
    rooms.proposing.endAll();
    rooms.reporter.report({ lead: 0, raftState: StateType.Follower });
    for (const peer of this.transport.peers()) this.transport.removePeer(peer.id);
    this.schedule();
  }

  // The end

  failBy(error: unknown, doing: string): void {
    const failure = toServerError(error, doing);
    this.fail(failure.code, failure.message);
  }

  fail(code: ErrorCode, text: string): void {
    if (this.phase === 'ended') return;
    this.failure = text;
    this.environment.logger.error(`the server stops for good: ${text}`);
    this.end();
    this.closed = this.close().catch(() => undefined);
    this.port.event(EventCode.SERVER_FAILED, code, text);
  }

  stop(handOver: boolean): Promise<void> {
    this.stopping ??= this.finish(handOver);
    return this.stopping;
  }

  private async finish(handOver: boolean): Promise<void> {
    if (this.phase === 'running' && handOver) {
      this.phase = 'stopping';
      await this.rooms.leadership.handOver();
    }
    if (this.phase !== 'ended') {
      this.end();
      this.rooms.appends.flushCommit();
      this.closed = this.close();
    }
    await this.closed;
    await this.companion?.stop();
  }

  /** Nothing is taken or tried from here on; everything that waits gets its answer. */
  private end(): void {
    const { rooms } = this;
    this.phase = 'ended';
    this.ticker.stop();
    this.roomPoll?.cancel();
    this.purgeTimer?.cancel();
    const error = this.stoppedError();
    rooms.applies.end();
    rooms.intake.endAll(ErrorCode.STOPPED);
    rooms.proposing.endAll();
    rooms.changes.end(error);
    rooms.reads.end(error);
    rooms.leadership.end(error);
    rooms.taker.end(error);
    rooms.proposing.flush();
    this.lookForRoom();
  }

  /** What was given to the WAL is synced by its close; nobody hears from us before the transport has ended. */
  private async close(): Promise<void> {
    try {
      await this.transport.stop();
    } finally {
      await this.storage.close();
    }
  }
}
