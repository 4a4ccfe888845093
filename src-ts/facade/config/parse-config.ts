import * as path from 'node:path';
import { isLosslessNumber, parse } from 'lossless-json';
import { ErrorCode } from '../../core/codes.generated.ts';
import { nodeIdFromBigint } from '../../core/node-id.ts';
import { ServerError, type ServerConfig } from '../../server/api.ts';
import { adminConfig, adminProblem } from './admin-keys.ts';
import { ALIASES, FIELDS } from './fields.ts';
import { configSchema, type RawConfig } from './schema.ts';
import { isSecureUrl } from './peer-url.ts';
import { nearestKey } from './unknown-keys.ts';

export interface ParsedConfig {
  readonly config: ServerConfig;
  /** One line each, for the log. */
  readonly warnings: readonly string[];
}

function refuse(text: string): ServerError {
  return new ServerError(ErrorCode.CONFIG, `configuration: ${text}`);
}

function keyPath(parts: readonly PropertyKey[]): string {
  let text = '';
  for (const part of parts) {
    text += typeof part === 'number' ? `[${part}]` : `${text === '' ? '' : '.'}${String(part)}`;
  }
  return text;
}

function readJson(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw refuse(`not JSON: ${describeSyntax(text, error)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isLosslessNumber(value)) {
    throw refuse('must be a JSON object: { "id": 1, ... }');
  }
  return value as Record<string, unknown>;
}

/** lossless-json names a position; people look for lines. */
function describeSyntax(text: string, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const position = /position (\d+)/.exec(message);
  if (position === null) return message;
  const before = text.slice(0, Number(position[1])).split('\n');
  return `${message} (line ${before.length}, column ${before[before.length - 1]!.length + 1})`;
}

/** Resolves aliases and sorts out the keys that nobody knows. */
function checkKeys(raw: Record<string, unknown>, warnings: string[]): Record<string, unknown> {
  const known = [...Object.keys(FIELDS), ...Object.keys(ALIASES)];
  const values: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(raw)) {
    const name = Object.hasOwn(ALIASES, key) ? ALIASES[key]! : key;
    if (!Object.hasOwn(FIELDS, name)) {
      const near = nearestKey(key, known);
      const text = `${key} is not a known key${near === null ? '; remove it' : `; did you mean ${near}?`}`;
      if (raw['strict'] === true) throw refuse(text);
      warnings.push(`configuration: ${text}`);
      continue;
    }
    if (Object.hasOwn(values, name)) throw refuse(`${key} is given twice, under two spellings; keep one`);
    values[name] = value;
  }
  return values;
}

/** Rules between keys. */
function checkRelations(raw: RawConfig): void {
  if (raw.election_tick <= raw.heartbeat_tick) {
    throw refuse(
      `election_tick is ${raw.election_tick}, must be above heartbeat_tick, which is ${raw.heartbeat_tick}`,
    );
  }
  if (!raw.peers.some((peer) => peer.id === raw.id)) {
    throw refuse(
      `peers does not have this node: add {"id": ${raw.id}, "url": "http://host:port"}, its own address`,
    );
  }
  const walDirectory = path.resolve(raw.waldir);
  const snapDirectory = path.resolve(raw.snapdir);
  if (snapDirectory === walDirectory || snapDirectory.startsWith(`${walDirectory}${path.sep}`)) {
    throw refuse(
      `snapdir "${raw.snapdir}" is waldir "${raw.waldir}" or lies in it; give it a directory of its own`,
    );
  }
  const secure = raw.peers.findIndex((peer) => isSecureUrl(peer.url));
  if (secure >= 0 && raw.peer_tls === undefined) {
    throw refuse(
      `peers[${secure}].url is "${raw.peers[secure]!.url}", and https needs peer_tls: {"cert_file", "key_file", "ca_file"}`,
    );
  }
  if (raw.lease_reads && !raw.check_quorum) {
    throw refuse('lease_reads needs check_quorum; set check_quorum to true, or lease_reads to false');
  }
  const problem = adminProblem(raw);
  if (problem !== null) throw refuse(problem);
}

/** Checks every rule before anything is opened. Throws ServerError CONFIG with a text that names key and remedy. */
export function parseConfig(text: string): ParsedConfig {
  const warnings: string[] = [];
  const values = checkKeys(readJson(text), warnings);
  const result = configSchema.safeParse(values);
  if (!result.success) {
    const lines = result.error.issues.map((issue) => `${keyPath(issue.path)} ${issue.message}`);
    throw refuse(lines.join('; '));
  }
  const raw = result.data;
  checkRelations(raw);
  return { config: toServerConfig(raw), warnings };
}

function toServerConfig(raw: RawConfig): ServerConfig {
  return {
    id: nodeIdFromBigint(raw.id),
    clusterId: raw.cluster_id,
    walDirectory: raw.waldir,
    snapDirectory: raw.snapdir,
    peers: raw.peers.map((peer) => ({ id: nodeIdFromBigint(peer.id), url: peer.url })),
    join: raw.join,
    tickMs: raw.tickms,
    electionTick: raw.election_tick,
    heartbeatTick: raw.heartbeat_tick,
    bootstrapTimeoutMs: raw.boostrap_timeout * 1000,
    snapCount: raw.snap_count,
    snapshotEntries: raw.snapshot_entries,
    manualSnap: raw.manual_snap,
    maxSizePerMsg: raw.max_size_per_msg,
    maxInflightMsgs: raw.max_inflight_msgs,
    maxProposalBytes: raw.max_proposal_bytes,
    maxSnapFiles: raw.max_snap_files,
    maxWalFiles: raw.max_wal_files,
    purgeFileIntervalMs: raw.purge_file_interval * 1000,
    preVote: raw.pre_vote,
    checkQuorum: raw.check_quorum,
    leaseReads: raw.lease_reads,
    ...(raw.admin_url === '' ? {} : { admin: adminConfig(raw) }),
    ...(raw.peer_tls === undefined ? {} : { peerTls: raw.peer_tls }),
  };
}
