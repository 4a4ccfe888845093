/**
 * The libraft interface's RaftConfig, as the host sends it, and what its members mean for a server. Keys have the names of
 * the members; durations are nanoseconds. The host has checked all that it can; names are looked up here.
 */
import * as path from 'node:path';
import { ErrorCode } from '../core/codes.generated.ts';
import { ServerError, type PeerConfig, type ServerConfig } from '../server/api.ts';
import type { ParsedConfig } from './config/parse-config.ts';
import {
  idOfAddress,
  resolveAddress,
  splitAddress,
  urlOfAddress,
  type NodeAddress,
} from './libraft-address.ts';

const NANOSECONDS = 1_000_000;
const ENTRIES_MAX = 2 ** 40;
/** HashiCorp's leader sends ten heartbeats in the time after which a follower misses them. */
const HEARTBEATS = 10;
/** Heartbeats within a lease, so that one may be lost. */
const HEARTBEATS_IN_LEASE = 4;
const MEBIBYTE = 1024 * 1024;

export interface LibraftConfig {
  /** Where log, snapshots and membership lie; the host has made it. */
  readonly directory: string;
  /** "host" or "host:port"; empty: 127.0.0.1. */
  readonly advertise: string;
  readonly listen_port: number;
  readonly peers: string;
  readonly max_command_bytes: number;
  readonly HeartbeatTimeout: number;
  readonly ElectionTimeout: number;
  readonly CommitTimeout: number;
  readonly MaxAppendEntries: number;
  readonly TrailingLogs: number;
  readonly SnapshotInterval: number;
  readonly SnapshotThreshold: number;
  readonly EnableSingleNode: boolean;
  readonly LeaderLeaseTimeout: number;
  readonly RetainSnapshots: number;
}

function refuse(text: string): ServerError {
  return new ServerError(ErrorCode.CONFIG, `RaftConfig: ${text}`);
}

export function isLibraftConfig(text: string): boolean {
  return text.startsWith('{"libraft":');
}

/** Ticks in which the relations between the times hold; at least a millisecond each. */
export function ticksOf(
  raw: Pick<LibraftConfig, 'HeartbeatTimeout' | 'LeaderLeaseTimeout'>,
): Pick<ServerConfig, 'tickMs' | 'heartbeatTick' | 'electionTick'> & { readonly quorumTick: number } {
  const heartbeatMs = raw.HeartbeatTimeout / NANOSECONDS;
  const leaseMs = raw.LeaderLeaseTimeout / NANOSECONDS;
  const tickMs = Math.max(
    1,
    Math.floor(Math.min(heartbeatMs / HEARTBEATS, leaseMs / HEARTBEATS_IN_LEASE, 60_000)),
  );
  const electionTick = Math.max(2, Math.round(heartbeatMs / tickMs));
  const quorumTick = Math.min(electionTick, Math.max(2, Math.round(leaseMs / tickMs)));
  return { tickMs, heartbeatTick: 1, electionTick, quorumTick };
}

async function resolveMember(name: string, host: string, port: number): Promise<NodeAddress> {
  try {
    return await resolveAddress(host, port);
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    throw new ServerError(error.code, `RaftConfig: ${name}: ${error.message} (RAFT_E_RESOLVE)`);
  }
}

async function ownAddress(raw: LibraftConfig): Promise<NodeAddress> {
  const text = raw.advertise.trim();
  if (text === '') return { ip: '127.0.0.1', port: raw.listen_port };
  const given = splitAddress(text.includes(':') ? text : `${text}:${raw.listen_port}`);
  if (given === null)
    throw refuse(`the environment variable POLYRAFT_ADVERTISE is "${text}"; write host or host:port`);
  return await resolveMember('POLYRAFT_ADVERTISE', given.host, given.port);
}

/** All nodes, in the same order on each of them: they begin with the same log. */
async function clusterOf(raw: LibraftConfig, own: NodeAddress): Promise<PeerConfig[]> {
  const addresses = [own];
  for (const text of raw.peers.split(',').map((part) => part.trim())) {
    if (text === '') continue;
    const given = splitAddress(text);
    if (given === null) throw refuse(`peers: "${text}" is not host:port`);
    addresses.push(await resolveMember('peers', given.host, given.port));
  }
  const byId = new Map<number, PeerConfig>();
  for (const address of addresses)
    byId.set(idOfAddress(address), { id: idOfAddress(address), url: urlOfAddress(address) });
  return [...byId.values()].sort((a, b) => a.id - b.id);
}

/** Throws ServerError CONFIG or RESOLVE with a text that names the member. */
export async function parseLibraftConfig(text: string): Promise<ParsedConfig> {
  const { libraft: raw } = JSON.parse(text) as { readonly libraft: LibraftConfig };
  const own = await ownAddress(raw);
  const peers = await clusterOf(raw, own);
  const config: ServerConfig = {
    id: idOfAddress(own),
    clusterId: 0n,
    walDirectory: path.join(raw.directory, 'wal'),
    snapDirectory: path.join(raw.directory, 'snap'),
    peers,
    // One without peers that may not lead alone waits until a leader adds it.
    join: peers.length === 1 && !raw.EnableSingleNode,
    ...ticksOf(raw),
    bootstrapTimeoutMs: 5000,
    snapCount: Math.min(raw.SnapshotThreshold, ENTRIES_MAX),
    snapshotEntries: Math.min(raw.TrailingLogs, ENTRIES_MAX),
    snapshotIntervalMs: raw.SnapshotInterval / NANOSECONDS,
    manualSnap: false,
    maxSizePerMsg: MEBIBYTE,
    maxInflightMsgs: 256,
    maxProposalBytes: raw.max_command_bytes,
    maxSnapFiles: Math.max(2, raw.RetainSnapshots),
    maxWalFiles: 1,
    purgeFileIntervalMs: 5000,
    preVote: true,
    checkQuorum: true,
    leaderOnly: true,
    outcomesWithEntries: true,
    reusableIds: true,
  };
  return { config, warnings: [] };
}
