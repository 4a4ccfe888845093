import type { RaftNode } from '../core/api.ts';
import { createRaftNode } from '../core/raft-node.ts';
import { loggerOf } from '../core/loggers.ts';
import type { ServerConfig, ServerEnvironment, TransportPeer } from './api.ts';
import { APPLYING_BYTES, INFLIGHT_BYTES } from './limits.ts';
import type { Membership } from './membership.ts';
import type { StableLog } from './stable-log.ts';

/** `applied` is the snapshot that the log begins after: what follows is handed out again, for its configuration entries. */
export function createNode(
  config: ServerConfig,
  environment: ServerEnvironment,
  log: StableLog,
  applied: number,
): RaftNode {
  return createRaftNode({
    id: config.id,
    electionTick: config.electionTick,
    heartbeatTick: config.heartbeatTick,
    storage: log,
    applied,
    asyncStorageWrites: true,
    maxSizePerMsg: config.maxSizePerMsg,
    maxCommittedSizePerReady: APPLYING_BYTES,
    maxInflightMsgs: config.maxInflightMsgs,
    maxInflightBytes: Math.max(INFLIGHT_BYTES, config.maxSizePerMsg),
    checkQuorum: config.checkQuorum,
    ...(config.quorumTick === undefined ? {} : { quorumTick: config.quorumTick }),
    preVote: config.preVote,
    random: environment.random,
    logger: loggerOf(environment.logger, 'raft'),
  });
}

/** Whom to dial at the start: the members, and as long as none are known, the configured peers. */
export function transportPeers(config: ServerConfig, membership: Membership): TransportPeer[] {
  const peers = new Map<number, TransportPeer>();
  if (membership.index === 0) {
    for (const peer of config.peers) peers.set(peer.id, { id: peer.id, urls: [peer.url] });
  }
  for (const member of membership.members.values())
    peers.set(member.id, { id: member.id, urls: member.urls });
  peers.delete(config.id);
  for (const id of membership.removed) peers.delete(id);
  return [...peers.values()];
}
