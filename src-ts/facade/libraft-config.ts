/**
 * The libraft interface's RaftConfig, as the host sends it: the rules of HashiCorp's Raft, and what its members mean for a
 * server. Keys have the names of the members; durations are nanoseconds.
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
const LONGEST_MS = 24 * 60 * 60 * 1000;
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

function needDuration(name: keyof LibraftConfig, nanoseconds: number, leastMs: number): void {
  if (nanoseconds < leastMs * NANOSECONDS)
    throw refuse(`${name} is ${nanoseconds} ns, must be at least ${leastMs * NANOSECONDS} (${leastMs} ms)`);
  if (nanoseconds > LONGEST_MS * NANOSECONDS) throw refuse(`${name} is ${nanoseconds} ns, more than a day`);
}

/** Every rule, before a name is resolved or a file opened. */
function check(raw: LibraftConfig): void {
  needDuration('HeartbeatTimeout', raw.HeartbeatTimeout, 5);
  needDuration('ElectionTimeout', raw.ElectionTimeout, 5);
  needDuration('CommitTimeout', raw.CommitTimeout, 1);
  needDuration('SnapshotInterval', raw.SnapshotInterval, 5);
  needDuration('LeaderLeaseTimeout', raw.LeaderLeaseTimeout, 5);
  if (raw.ElectionTimeout < raw.HeartbeatTimeout)
    throw refuse(
      `ElectionTimeout is ${raw.ElectionTimeout}, below HeartbeatTimeout, ${raw.HeartbeatTimeout}`,
    );
  if (raw.LeaderLeaseTimeout > raw.HeartbeatTimeout) {
    throw refuse(
      `LeaderLeaseTimeout is ${raw.LeaderLeaseTimeout}, above HeartbeatTimeout, ${raw.HeartbeatTimeout}`,
    );
  }
  if (raw.MaxAppendEntries < 1 || raw.MaxAppendEntries > 1024)
    throw refuse(`MaxAppendEntries is ${raw.MaxAppendEntries}, outside 1..1024`);
  if (raw.SnapshotThreshold < 1) throw refuse('SnapshotThreshold is 0, must be at least 1');
  if (raw.RetainSnapshots < 1) throw refuse('RetainSnapshots is 0, must be at least 1');
  if (raw.listen_port < 1) throw refuse('listen_port is 0, must be the port that the peers know');
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

async function ownAddress(raw: LibraftConfig): Promise<NodeAddress> {
  const text = raw.advertise.trim();
  if (text === '') return { ip: '127.0.0.1', port: raw.listen_port };
  const given = splitAddress(text.includes(':') ? text : `${text}:${raw.listen_port}`);
  if (given === null)
    throw refuse(`the environment variable POLYRAFT_ADVERTISE is "${text}"; write host or host:port`);
  return await resolveAddress(given.host, given.port);
}

/** All nodes, in the same order on each of them: they begin with the same log. */
async function clusterOf(raw: LibraftConfig, own: NodeAddress): Promise<PeerConfig[]> {
  const addresses = [own];
  for (const text of raw.peers.split(',').map((part) => part.trim())) {
    if (text === '') continue;
    const given = splitAddress(text);
    if (given === null) throw refuse(`peers: "${text}" is not host:port`);
    addresses.push(await resolveAddress(given.host, given.port));
  }
  const byId = new Map<number, PeerConfig>();
  for (const address of addresses)
    byId.set(idOfAddress(address), { id: idOfAddress(address), url: urlOfAddress(address) });
  return [...byId.values()].sort((a, b) => a.id - b.id);
}

/** Throws ServerError CONFIG or RESOLVE with a text that names the member. */
export async function parseLibraftConfig(text: string): Promise<ParsedConfig> {
  const { libraft: raw } = JSON.parse(text) as { readonly libraft: LibraftConfig };
  check(raw);
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
