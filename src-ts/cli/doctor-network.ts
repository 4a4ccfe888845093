/** Own addresses, and the way to the peers. */
import { get as getPlain, type IncomingMessage } from 'node:http';
import { get as getSecure } from 'node:https';
import { createServer } from 'node:net';
import { nodeIdToBigint } from '../core/node-id.ts';
import { SILENT } from '../core/loggers.ts';
import type { PeerConfig, ServerConfig } from '../server/api.ts';
import { textOf } from '../server/errors.ts';
import { bindError, resolveHost } from '../transport/listener-table.ts';
import { parsePeerUrl } from '../transport/peer-url.ts';
import { dialFailure } from '../tls/failures.ts';
import { TlsIdentity } from '../tls/identity.ts';
import { shownFingerprint } from './doctor-tls.ts';
import type { Finding } from './finding.ts';

const ANSWER_MS = 3_000;
/** Clocks need not agree for consensus; people and certificates mind. */
const SKEW_MS_MAX = 1_000;

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly tookMs: number;
}

function ask(base: string, path: string, identity: TlsIdentity | null): Promise<Answer> {
  const url = `${base}${path}`;
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    const answered = (response: IncomingMessage): void => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        if (text.length < 65_536) text += piece;
      });
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, text, tookMs: performance.now() - begun });
      });
    };
    const request =
      identity === null
        ? getPlain(url, { agent: false }, answered)
        : getSecure(url, { agent: false, ...identity.dialOptions(parsePeerUrl(base).host) }, answered);
    request.setTimeout(ANSWER_MS, () => {
      request.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`));
    });
    request.on('error', (error) => {
      reject(identity === null ? error : new Error(dialFailure(error, identity.name)));
    });
  });
}

function bind(url: string, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? error : bindError(url, error));
    });
    server.listen({ host, port, exclusive: true }, () => {
      server.close(() => {
        resolve();
      });
    });
  });
}

/**
 * Whether the address can be listened on; taken is fine when one of ours answers there. With TLS that is whoever shows the
 * certificate of `certFingerprint`: a request would need one of a client.
 */
export async function checkLocalAddress(
  check: string,
  url: string,
  path: string,
  certFingerprint: string | null,
): Promise<Finding> {
  const { host, port, secure } = parsePeerUrl(url);
  try {
    await bind(url, await resolveHost(url, host), port);
    return { check, result: 'ok', text: `${url} is free to be listened on` };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE')
      return { check, result: 'problem', text: textOf(error) };
  }
  if (secure) {
    const shown = await shownFingerprint(host, port);
    if (shown !== null && shown === certFingerprint)
      return { check, result: 'ok', text: `${url} is in use by a server that shows this certificate` };
  }
  const answer = secure ? null : await ask(url, path, null).catch(() => null);
  if (answer?.status === 200 || answer?.status === 503)
    return { check, result: 'ok', text: `${url} is in use by a raft server, which answers` };
  return {
    check,
    result: 'problem',
    text: `${url} is in use by another program`,
    advice: 'stop that program, or change the port',
  };
}

/** Reaches a peer, and compares its clock with the own one. */
export async function checkPeer({ id, url }: PeerConfig, config: ServerConfig): Promise<readonly Finding[]> {
  const check = `peer ${nodeIdToBigint(id)}`;
  const { peerTls } = config;
  let answer: Answer;
  const before = Date.now();
  try {
    const isSecure = parsePeerUrl(url).secure && peerTls !== undefined;
    const identity = isSecure ? new TlsIdentity('peer_tls', peerTls, SILENT) : null;
    answer = await ask(url, '/raft/probing', identity);
  } catch (error) {
    return [
      {
        check,
        result: 'warning',
        text: `${url} cannot be reached: ${textOf(error)}`,
        advice: 'start its server, or look at the network between the two',
      },
    ];
  }
  const now = answer.status === 200 ? timeIn(answer.text) : null;
  if (now === null)
    return [
      {
        check,
        result: 'problem',
        text: `${url} answers, but not as a raft server does (status ${answer.status})`,
        advice: 'look whether the URL in peers is right',
      },
    ];
  const found: Finding[] = [];
  const heartbeatMs = config.heartbeatTick * config.tickMs;
  const took = `${url} answers in ${answer.tookMs.toFixed(1)} ms`;
  if (answer.tookMs > heartbeatMs)
    found.push({
      check,
      result: 'warning',
      text: took,
      advice: `that is longer than the time between heartbeats (${heartbeatMs} ms): raise tickms`,
    });
  else found.push({ check, result: 'ok', text: took });
  const skewMs = now - (before + answer.tookMs / 2);
  // The answer was made at some time while it was waited for.
  if (Math.abs(skewMs) - answer.tookMs / 2 > SKEW_MS_MAX)
    found.push({
      check,
      result: 'warning',
      text: `its clock is ${(Math.abs(skewMs) / 1000).toFixed(1)} s ${skewMs > 0 ? 'ahead' : 'behind'}`,
      advice: 'set both by NTP: consensus does not need it, logs and certificates do',
    });
  return found;
}

function timeIn(text: string): number | null {
  try {
    const { Now } = JSON.parse(text) as { Now?: unknown };
    const time = typeof Now === 'string' ? Date.parse(Now) : Number.NaN;
    return Number.isNaN(time) ? null : time;
  } catch {
    return null;
  }
}
