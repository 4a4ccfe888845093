/** Builds the rooms of one server and connects them. */
import type { RaftNode } from '../core/api.ts';
import { ErrorCode } from '../core/codes.generated.ts';
import { nodeIdToBigint } from '../core/node-id.ts';
import { StateType, type Message } from '../core/types.ts';
import type { OpenedStorage } from '../storage/open-storage.ts';
import type { Transport } from '../transport/types.ts';
import { AppendQueue } from './append-queue.ts';
import { ApplyQueue } from './apply-queue.ts';
import type { BootState } from './boot.ts';
import { ServerError } from './api.ts';
import { Configuration } from './configuration.ts';
import { createNode, transportPeers } from './create-node.ts';
import type { Engine } from './engine.ts';
import { Incoming } from './incoming.ts';
import { LeaderHistory } from './leader-history.ts';
import { Leadership } from './leadership.ts';
import {
  CHANGE_ELECTIONS,
  CHANGE_LEAST_MS,
  LEASE_SHARE,
  READ_ELECTIONS,
  SNAPSHOT_GRACE_ELECTIONS,
} from './limits.ts';
import { LogRoom } from './log-room.ts';
import { MemberChanges } from './member-changes.ts';
import { MembershipStore } from './membership-store.ts';
import { ProposalIntake } from './proposal-intake.ts';
import { Proposing } from './proposing.ts';
import { ReadRequests } from './read-requests.ts';
import { ReadyLoop } from './ready-loop.ts';
import { Removal } from './removal.ts';
import { Reporter } from './reporter.ts';
import { SnapshotInstaller } from './snapshot-installer.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';
import { SnapshotSender } from './snapshot-sender.ts';
import { SnapshotShelf } from './snapshot-shelf.ts';
import { SnapshotTaker } from './snapshot-taker.ts';
import { Snapshots } from './snapshots.ts';
import { StableLog } from './stable-log.ts';

/** The server's own part in what its rooms do. Only called after `buildRooms` has returned. */
export interface Hub extends Engine {
  /** Responses whose work is done: to the core, or to peers. */
  deliver(responses: readonly Message[]): void;
  failBy(error: unknown, doing: string): void;
  /** Runs `work`; an error in it stops the server. */
  guard(doing: string, work: () => void): void;
  /** This server is no member any more. */
  leaveCluster(index: number): void;
  /** ... and takes no part in the consensus any more. */
  detach(): void;
}

export interface Rooms {
  readonly log: StableLog;
  readonly node: RaftNode;
  readonly members: MembershipStore;
  readonly transport: Transport;
  readonly room: LogRoom;
  readonly proposing: Proposing;
  readonly intake: ProposalIntake;
  readonly appends: AppendQueue;
  readonly applies: ApplyQueue;
  readonly configuration: Configuration;
  readonly changes: MemberChanges;
  readonly removal: Removal;
  readonly leadership: Leadership;
  readonly history: LeaderHistory;
  readonly reads: ReadRequests;
  readonly shelf: SnapshotShelf;
  readonly taker: SnapshotTaker;
  readonly snapshots: Snapshots;
  readonly installer: SnapshotInstaller;
  readonly reporter: Reporter;
  readonly loop: ReadyLoop;
}

export function buildRooms(hub: Hub, storage: OpenedStorage, start: BootState): Rooms {
  const { config, environment, port, electionMs } = hub;
  const { clock, random, logger } = environment;
  const failed = (error: unknown, doing: string): void => {
    hub.failBy(error, doing);
  };
  const deliver = (responses: readonly Message[]): void => {
    hub.deliver(responses);
  };

  const log = new StableLog();
  log.load(start.snapshot, start.hardState, start.batches);
  const node = createNode(config, environment, log, start.snapshot?.index ?? 0);
  const members = new MembershipStore(start.membership, (file) => storage.saveMembers(file));
  const room = new LogRoom(hub, log.ledger);
  const shelf = new SnapshotShelf();
  if (storage.snapshotFile !== null) shelf.add(storage.snapshotFile);
  const leadership = new Leadership(hub);
  const history = new LeaderHistory(clock, (id) => {
    const heardMs = transport.peers().find((peer) => peer.id === id)?.lastContactMs ?? -1;
    return heardMs < 0 ? null : heardMs;
  });

  const appends: AppendQueue = new AppendQueue(storage.wal, start.hardState, {
    durable: (hardState, entries, snapshot) => {
      if (snapshot !== null) installer.install(snapshot.metadata);
      log.append(entries);
      if (hardState !== null) log.setHardState(hardState);
    },
    deliver,
    failed: (error) => {
      failed(error, `writing the log in ${config.walDirectory}`);
    },
  });
  const proposing: Proposing = new Proposing(hub, {
    hasRoom: () => room.hasRoom(proposing.turnBytes),
    committedLog: {
      get leadingTerm() {
        return node.state === StateType.Leader ? node.term : 0;
      },
      get committed() {
        return node.committed;
      },
      get stableFirst() {
        return log.firstIndex();
      },
      get stableLast() {
        return Math.min(log.lastIndex(), appends.firstPendingIndex - 1);
      },
      term: (index) => log.term(index),
    },
    changeDecided: (index, code) => {
      changes.decided(index, code);
    },
  });
  const intake = new ProposalIntake(proposing, config.maxProposalBytes);
  const changes: MemberChanges = new MemberChanges(
    clock,
    {
      get membership() {
        return members.current;
      },
      propose: (change) => proposing.proposeChange(change),
      get isBarred() {
        return config.leaderOnly === true && node.state !== StateType.Leader;
      },
      reusableIds: config.reusableIds === true,
      hasTls: config.peerTls !== undefined,
    },
    Math.max(CHANGE_LEAST_MS, CHANGE_ELECTIONS * electionMs),
    random(2 ** 30) * 2 ** 20 + 1,
  );
  const removal = new Removal(hub, {
    removed: (index) => {
      hub.leaveCluster(index);
    },
    detached: () => {
      hub.detach();
    },
  });
  const configuration = new Configuration(hub, start.confState, {
    applied: (index, change) => {
      changes.applied(index, change);
    },
    removedSelf: (index) => {
      removal.applied(index);
    },
  });
  const applies = new ApplyQueue(
    port,
    { configure: (batch, position) => configuration.apply(batch, position), deliver, failed },
    applyStart(log, start),
    proposing.own,
  );
  const reads = new ReadRequests(
    clock,
    {
      get hasLeader() {
        return node.lead !== 0;
      },
      get servingTerm() {
        return node.state === StateType.Leader && termOf(log, node.committed) === node.term ? node.term : 0;
      },
      get committed() {
        return node.committed;
      },
      get leaseObstacle() {
        return leaseObstacle(hub);
      },
      request: (context) => {
        node.readIndex(context);
        hub.schedule();
      },
    },
    { waitMs: READ_ELECTIONS * electionMs, retryMs: electionMs / 2, leaseMs: leaseMs(hub) },
    random(2 ** 30),
  );
  const reporter = new Reporter(port, hub.counters, {
    leadershipLost: () => {
      proposing.leadershipLost();
      if (config.leaderOnly !== true) return;
      const error = new ServerError(ErrorCode.LEADERSHIP_LOST, 'this server has ceased to lead');
      changes.end(error);
      reads.end(error);
    },
    leaderChanged: (lead) => {
      proposing.leaderChanged(lead);
      leadership.leaderChanged(lead);
      history.add(lead, node.term);
    },
  });
  const receiver = new SnapshotReceiver(storage.snapshots, logger, {
    accepts: (message) => message.term >= node.term && hub.phase === 'running',
    committed: () => node.committed,
    received: (file, text) => installer.take(file, text),
  });
  const incoming = new Incoming(hub, {
    proposing,
    removal,
    receiver,
    snapshotFinished: (id, success) => {
      sender.finished(id, success, SNAPSHOT_GRACE_ELECTIONS * electionMs);
    },
    isLeaving: (id) => configuration.isLeaving(id),
    hostIsBehind: () => room.hostIsBehind,
    snapshotAccepted: (index) => {
      configuration.superseded(index);
    },
    transferSeen: () => {
      reads.suspendLease(2 * electionMs);
    },
    handedOver: (term) => {
      history.transfer(term);
    },
    guard: (doing, work) => {
      hub.guard(doing, work);
    },
  });
  const transport: Transport = environment.createTransport(
    config,
    transportPeers(config, start.membership),
    incoming,
  );
  const sender = new SnapshotSender(shelf, storage.snapshots, transport, clock, () => {
    taker.takeIfIdle();
  });
  const snapshots = new Snapshots(hub, { wal: storage.wal, log, shelf, appends, applies, sender }, failed);
  const taker: SnapshotTaker = new SnapshotTaker(port, storage.snapshots, clock, snapshots);
  log.onSnapshotWanted(() => {
    taker.takeIfIdle();
  });
  const installer = new SnapshotInstaller(hub, {
    wal: storage.wal,
    directory: storage.snapshots,
    log,
    shelf,
    applies,
    configuration,
    failed,
  });
  const loop = new ReadyLoop(hub, {
    appends,
    applies,
    ledger: log.ledger,
    softState: (state) => {
      reporter.report(state);
    },
    readStates: (states) => {
      reads.answered(states);
    },
    sendSnapshot: (message) => {
      sender.send(message, members.encoded, (id) => {
        incoming.snapshotResult(id, false);
      });
    },
  });
  return {
    log,
    node,
    members,
    transport,
    room,
    proposing,
    intake,
    appends,
    applies,
    configuration,
    changes,
    removal,
    leadership,
    history,
    reads,
    shelf,
    taker,
    snapshots,
    installer,
    reporter,
    loop,
  };
}

/** A voter that does not refuse votes while it hears its leader makes every lease worthless. */
function leaseObstacle(hub: Hub): string | null {
  for (const peer of hub.transport.peers()) {
    if (hub.members.current.members.get(peer.id)?.learner !== false) continue;
    const name = `voter ${String(nodeIdToBigint(peer.id))}`;
    if (peer.polyraft === false) return `lease reads: ${name} is not a polyraft server`;
    if (peer.checkQuorum === false) return `lease reads: ${name} has check_quorum off`;
  }
  return null;
}

/** Lease reads rest on the members' check-quorum: they refuse votes for a while after they heard their leader. */
function leaseMs(hub: Hub): number {
  const { leaseReads, checkQuorum, electionTick, tickMs } = hub.config;
  return leaseReads === true && checkQuorum ? Math.max(0, electionTick - 2) * tickMs * LEASE_SHARE : 0;
}

/** The term of a stable entry; 0 when the log does not have it. */
function termOf(log: StableLog, index: number): number {
  return index < log.firstIndex() - 1 || index > log.lastIndex() ? 0 : log.term(index);
}

/** A host that has applied more than the snapshot goes on after that; any other is given the snapshot first. */
function applyStart(log: StableLog, start: BootState): ConstructorParameters<typeof ApplyQueue>[2] {
  const begin = start.snapshot?.index ?? 0;
  const keepsState = start.appliedIndex >= begin;
  return {
    handedIndex: keepsState ? start.appliedIndex : 0,
    term: keepsState ? termOf(log, start.appliedIndex) : 0,
    configuredIndex: begin,
    confState: start.confState,
  };
}
