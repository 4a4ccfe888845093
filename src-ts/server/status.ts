/** JSON texts of RAFT_GetStatus (etcd's keys first, then ours) and RAFT_GetPeersStatus. */
import { nodeIdToBigint, nodeIdToHex, type NodeId } from '../core/node-id.ts';
import { StateType } from '../core/types.ts';
import type { WalStatistics } from '../storage/types.ts';
import type { PeerStatus } from '../transport/types.ts';
import type { Engine } from './engine.ts';
import { ROLE_NAMES, type OwnFacts } from './own-facts.ts';

const STATE_NAMES: Record<StateType, string> = {
  [StateType.Follower]: 'StateFollower',
  [StateType.Candidate]: 'StateCandidate',
  [StateType.Leader]: 'StateLeader',
  [StateType.PreCandidate]: 'StatePreCandidate',
};

export interface StatusFacts extends OwnFacts {
  readonly engine: Engine;
}

/** Ids of 64 bits do not fit a JSON number read by JavaScript; here they are written whole, as digits. */
function digits(id: NodeId): string {
  return nodeIdToBigint(id).toString();
}

function secondsSince(lastContactMs: number, now: number): number {
  return lastContactMs < 0 ? -1 : Math.max(0, Math.floor((now - lastContactMs) / 1000));
}

export function statusJson(facts: StatusFacts): string {
  const { engine } = facts;
  const { node, environment } = engine;
  const status = node.status();
  const raftState = facts.isRemoved ? StateType.Follower : node.state;
  const lead = facts.isRemoved ? 0 : node.lead;
  const progress = status.progress.map(
    (peer) => `"${nodeIdToHex(peer.id)}":{"match":${peer.match},"next":${peer.next},"state":"${peer.state}"}`,
  );
  const fields = [
    `"id":"${nodeIdToHex(engine.config.id)}"`,
    `"term":${node.term}`,
    `"vote":"${nodeIdToHex(status.hardState.vote)}"`,
    `"commit":${node.committed}`,
    `"lead":"${nodeIdToHex(lead)}"`,
    `"raftState":"${STATE_NAMES[raftState]}"`,
    `"applied":${status.applied}`,
    `"progress":{${progress.join(',')}}`,
    `"leadtransferee":"${nodeIdToHex(status.leadTransferee)}"`,
    `"role":"${roleOf(facts, raftState)}"`,
    `"leader":${digits(lead)}`,
    `"first_index":${status.firstIndex}`,
    `"last_index":${status.lastIndex}`,
    `"handed_over":${facts.handedIndex}`,
    `"applied_by_host":${engine.port.appliedIndex()}`,
    `"snapshot_index":${facts.snapshotIndex}`,
    `"log_bytes":${facts.logBytes}`,
    `"wal":${walJson(facts.wal)}`,
    `"members":[${membersJson(engine, environment.clock.now())}]`,
    `"runtime":${JSON.stringify(environment.runtime ?? 'node')}`,
    `"version":${JSON.stringify(environment.version ?? 'unknown')}`,
    `"failure":${JSON.stringify(facts.failure)}`,
  ];
  return `{${fields.join(',')}}`;
}

function roleOf(facts: StatusFacts, state: StateType): string {
  if (facts.failure !== null) return 'failed';
  if (facts.isRemoved) return 'removed';
  const self = facts.engine.members.current.members.get(facts.engine.config.id);
  return self?.learner === true ? 'learner' : ROLE_NAMES[state];
}

function walJson(wal: WalStatistics): string {
  return `{"segments":${wal.segments},"segment_bytes":${wal.segmentBytes},"syncs":${wal.syncs},"written_bytes":${wal.writtenBytes},"waiting_bytes":${wal.waitingBytes}}`;
}

function membersJson(engine: Engine, now: number): string {
  const contacts = new Map<NodeId, PeerStatus>();
  for (const peer of engine.transport.peers()) contacts.set(peer.id, peer);
  return [...engine.members.current.members.values()]
    .map((member) => {
      const peer = contacts.get(member.id);
      const contact = member.id === engine.config.id ? 0 : secondsSince(peer?.lastContactMs ?? -1, now);
      const active = member.id === engine.config.id || peer?.active === true;
      return (
        `{"id":${digits(member.id)},"urls":${JSON.stringify(member.urls)},"learner":${member.learner},` +
        `"active":${active},"last_contact":${contact}}`
      );
    })
    .join(',');
}

/** Every other member: host without scheme, seconds since it was last heard of (-1 never). */
export function peersJson(engine: Engine): string {
  const now = engine.environment.clock.now();
  const peers = engine.transport.peers().map((peer) => {
    const host = (peer.urls[0] ?? '').replace(/^[a-z]+:\/\//, '').replace(/\/+$/, '');
    return `{"id":${digits(peer.id)},"host":${JSON.stringify(host)},"active":${secondsSince(peer.lastContactMs, now)}}`;
  });
  return `[${peers.join(',')}]`;
}
