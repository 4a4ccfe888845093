/** One look at a server, for metrics and pages. Taken when somebody asks; the work itself only counts. */
import { nodeIdToBigint } from '../core/node-id.ts';
import type { Engine } from './engine.ts';
import { ROLE_NAMES, type OwnFacts } from './own-facts.ts';
import type { PeerFacts, ServerFigures } from './server-figures.ts';

export function serverFigures(engine: Engine, own: OwnFacts): ServerFigures {
  const { node, port, environment, config, counters } = engine;
  const status = node.status();
  const { walSyncs, commitTimes, loopDelay, ...counts } = counters;
  let role: ServerFigures['role'] = ROLE_NAMES[node.state];
  if (own.isRemoved) role = 'removed';
  if (own.failure !== null) role = 'failed';
  return {
    id: nodeIdToBigint(config.id),
    clusterId: config.clusterId,
    role,
    term: node.term,
    leader: nodeIdToBigint(own.isRemoved ? 0 : node.lead),
    commitIndex: node.committed,
    lastIndex: status.lastIndex,
    firstIndex: status.firstIndex,
    handedIndex: own.handedIndex,
    appliedIndex: port.appliedIndex(),
    snapshotIndex: own.snapshotIndex,
    logBytes: own.logBytes,
    members: engine.members.current.members.size,
    memberList: [...engine.members.current.members.values()].map(({ id, urls, learner }) => ({
      id: nodeIdToBigint(id),
      urls,
      learner,
    })),
    failure: own.failure,
    leaderChanges: own.leaderChanges.map(({ atMs, leader, term, silentMs, handedOver }) => ({
      secondsAgo: Math.max(0, environment.clock.now() - atMs) / 1000,
      leader: nodeIdToBigint(leader),
      term,
      silentSeconds: silentMs / 1000,
      handedOver,
    })),
    electionSeconds: engine.electionMs / 1000,
    wal: own.wal,
    counters: counts,
    walSyncs: walSyncs.facts(),
    commitTimes: commitTimes.facts(),
    loopDelay: loopDelay.facts(),
    applyTimes: port.applyTimes?.() ?? null,
    queues: port.queues?.() ?? [],
    peers: peerFacts(engine),
    version: environment.version ?? 'unknown',
    runtime: environment.runtime ?? 'node',
  };
}

function peerFacts(engine: Engine): PeerFacts[] {
  const { node, transport, environment } = engine;
  const now = environment.clock.now();
  const progress = new Map(node.status().progress.map((each) => [each.id, each]));
  return transport.peers().map((peer) => ({
    id: nodeIdToBigint(peer.id),
    active: peer.active,
    lastContactSeconds: peer.lastContactMs < 0 ? -1 : Math.max(0, now - peer.lastContactMs) / 1000,
    roundTripSeconds: peer.roundTripMs < 0 ? -1 : peer.roundTripMs / 1000,
    matchIndex: progress.get(peer.id)?.match ?? -1,
    inflightMessages: progress.get(peer.id)?.inflight ?? 0,
    replication: (progress.get(peer.id)?.state ?? '').replace(/^State/, '').toLowerCase(),
  }));
}
