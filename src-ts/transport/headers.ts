/** rafthttp's header names and the compatibility rules behind its 412 answers. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { nodeIdToHex, type NodeId } from '../core/node-id.ts';

/** The etcd release whose peer protocol is spoken, and the oldest one that is talked to. */
export const SERVER_VERSION = '3.5.0';
export const MIN_CLUSTER_VERSION = '3.0.0';

export const INCOMPATIBLE_VERSION = 'incompatible version';
export const CLUSTER_ID_MISMATCH = 'cluster ID mismatch';

export const MEMBERS_HEADER = 'x-polyraft-members';
export const POLYRAFT_HEADER = 'x-polyraft';
/** `off` when check_quorum is; absent otherwise. */
export const CHECK_QUORUM_HEADER = 'x-polyraft-check-quorum';

const MAX_PEER_URLS = 16;
const MAX_PEER_URL_BYTES = 2_048;

export interface Identity {
  readonly clusterId: bigint;
  readonly id: NodeId;
  readonly localUrl: string;
  readonly checkQuorum?: boolean;
}

/** What a peer says of itself. */
export interface PeerNature {
  readonly polyraft: boolean;
  readonly checkQuorum: boolean;
}

export function natureHeaders(checkQuorum: boolean): Record<string, string> {
  return { 'X-Polyraft': '1', ...(checkQuorum ? {} : { 'X-Polyraft-Check-Quorum': 'off' }) };
}

/** Headers of every request to a peer. */
export function requestHeaders(identity: Identity): Record<string, string> {
  return {
    'X-Server-From': nodeIdToHex(identity.id),
    'X-Server-Version': SERVER_VERSION,
    'X-Min-Cluster-Version': MIN_CLUSTER_VERSION,
    'X-Etcd-Cluster-ID': identity.clusterId.toString(16),
    'X-PeerURLs': identity.localUrl,
    ...natureHeaders(identity.checkQuorum ?? true),
  };
}

function majorMinor(version: string): number | null {
  const match = /^(\d{1,6})\.(\d{1,6})\.\d{1,6}(?:[-+].*)?$/.exec(version);
  return match === null ? null : Number(match[1]) * 1_000_000 + Number(match[2]);
}

const OWN_VERSION = majorMinor(SERVER_VERSION)!;
const OWN_MIN_VERSION = majorMinor(MIN_CLUSTER_VERSION)!;

function header(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  return typeof value === 'string' ? value : '';
}

/** Whether releases match as etcd decides it; a request without version headers counts as 2.0.0, too old. */
export function versionsCompatible(headers: IncomingHttpHeaders): boolean {
  const server = majorMinor(header(headers, 'x-server-version') || '2.0.0');
  const minCluster = majorMinor(header(headers, 'x-min-cluster-version') || '2.0.0');
  return server !== null && minCluster !== null && server >= OWN_MIN_VERSION && minCluster <= OWN_VERSION;
}

export function natureOf(headers: Readonly<Record<string, string | string[] | undefined>>): PeerNature {
  const polyraft = headers[POLYRAFT_HEADER] === '1';
  return { polyraft, checkQuorum: polyraft && headers[CHECK_QUORUM_HEADER] !== 'off' };
}

/** URLs of X-PeerURLs, bounded in number and length. */
export function peerUrlsOf(headers: IncomingHttpHeaders): string[] {
  const text = header(headers, 'x-peerurls');
  if (text === '') return [];
  return text
    .split(',', MAX_PEER_URLS)
    .map((url) => url.trim())
    .filter((url) => url !== '' && url.length <= MAX_PEER_URL_BYTES);
}

/** An id in hexadecimal, as Go parses it (leading zeros are fine); null when it is none. */
export function parseHexId(text: string): bigint | null {
  return /^[0-9a-fA-F]{1,16}$/.test(text) ? BigInt(`0x${text}`) : null;
}

export function encodeMembersHeader(members: string): string {
  return Buffer.from(members, 'utf8').toString('base64url');
}

/** Null when there is none. */
export function membersOf(headers: IncomingHttpHeaders): string | null {
  const text = header(headers, MEMBERS_HEADER);
  return text === '' ? null : Buffer.from(text, 'base64url').toString('utf8');
}

/** A short text answer, as Go's `http.Error` writes it. */
export function answerText(response: ServerResponse, status: number, text: string): void {
  const body = Buffer.from(text === '' ? '' : `${text}\n`);
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    'Content-Length': body.length,
  });
  response.end(body);
}

/** Bytes of an unwanted body that are read so that the sender sees the answer before the connection ends. */
const DRAINED_BYTES_MAX = 1024 * 1024;
const DRAINED_MS_MAX = 1_000;

/** Answers a request whose body is not wanted, and ends the connection when the body is long. */
export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
): void {
  if (response.headersSent || response.destroyed) {
    request.socket.destroy();
    return;
  }
  response.setHeader('Connection', 'close');
  answerText(response, status, text);
  if (request.complete) return;
  let drained = 0;
  const timer = setTimeout(() => request.socket.destroy(), DRAINED_MS_MAX);
  timer.unref();
  request.on('data', (chunk: Buffer) => {
    drained += chunk.length;
    if (drained > DRAINED_BYTES_MAX) request.socket.destroy();
  });
  request.on('error', () => undefined);
  request.socket.once('close', () => clearTimeout(timer));
  request.resume();
}
