/** What a cluster's server answers to requests: streams, pipeline, snapshots, outcomes, host messages. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { NodeId } from '../core/node-id.ts';
import { knownNodeId, nodeIdFromBigint, nodeIdToHex, UNKNOWN_NODE } from '../core/node-id.ts';
import { decodeMessage } from '../core/raftpb/message.ts';
import { DecodeError } from '../core/raftpb/varint.ts';
import { MessageType, type Message } from '../core/types.ts';
import { BodyBudget, BodyError, declaredLength, readBody } from './body-reader.ts';
import {
  INCOMPATIBLE_VERSION,
  natureHeaders,
  natureOf,
  membersOf,
  parseHexId,
  peerUrlsOf,
  refuse,
  SERVER_VERSION,
  versionsCompatible,
} from './headers.ts';
import type { StreamKind } from './incoming-stream.ts';
import { addressOf } from './listener-table.ts';
import { refusalOf } from './message-check.ts';
import { decodeOutcomes, OUTCOMES_BODY_BYTES_MAX, OUTCOMES_PATH, VIEW_PATH } from './outcomes.ts';
import type { Peer, PeerContext } from './peer.ts';
import { isSnapshotStart } from './snapshot-codec.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';

/** Servers with ids above 2^53 that may tell their URLs: each id takes a place in a process-wide table. */
const LARGE_STRANGERS_MAX = 64;
const SNAPSHOTS_MAX = 4;
/** Host messages that wait for the host's answer. */
const HOST_MESSAGES_MAX = 256;
/** Longest wait of `stop` for snapshot sinks. */
const STOP_MS = 2_000;

const POST_PATHS: ReadonlySet<string> = new Set(['/raft', '/raft/snapshot', OUTCOMES_PATH, VIEW_PATH]);
const STREAM_PATH = /^\/raft\/stream\/(msgapp|message)\/([^/]*)$/;

export interface RequestHandlerSettings {
  readonly context: PeerContext;
  readonly clusterHex: string;
  peer(key: bigint): Peer | undefined;
  isPeer(id: NodeId): boolean;
}

type Admission = { readonly peer: Peer } | { readonly status: 403 | 404; readonly text: string };

export class RequestHandler {
  private readonly settings: RequestHandlerSettings;
  private readonly context: PeerContext;
  private readonly budget: BodyBudget;
  private largeStrangers = 0;
  /** Requests that are being worked on; streams are not among them. */
  private readonly active = new Set<IncomingMessage>();
  private readonly receptions = new Set<Promise<unknown>>();
  private hostMessages = 0;
  private stopped = false;

  constructor(settings: RequestHandlerSettings) {
    this.settings = settings;
    this.context = settings.context;
    this.budget = new BodyBudget(this.context.limits.bodiesBytes, this.context.limits.bodiesCount);
  }

  /** Breaks off what is under way; resolves when sinks have been ended, or after a while. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const request of this.active) request.socket.destroy();
    if (this.receptions.size === 0) return;
    const { clock } = this.context;
    await new Promise<void>((resolve) => {
      const timer = clock.setTimer(STOP_MS, resolve);
      void Promise.allSettled(this.receptions).then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Answers the request when the work ends. */
  private answer(request: IncomingMessage, response: ServerResponse, work: Promise<() => void>): void {
    this.active.add(request);
    void work
      .then(
        (respond) => {
          if (!response.destroyed) respond();
        },
        (error: unknown) => this.failed(request, response, error),
      )
      .finally(() => this.active.delete(request));
  }

  handleRaft(request: IncomingMessage, response: ServerResponse, path: string): void {
    response.setHeader('X-Server-Version', SERVER_VERSION);
    response.setHeader('X-Etcd-Cluster-ID', this.settings.clusterHex);
    const nature = natureHeaders(this.context.checkQuorum);
    for (const name of Object.keys(nature)) response.setHeader(name, nature[name]!);
    const stream = STREAM_PATH.exec(path);
    const isPost = POST_PATHS.has(path);
    if (stream === null && !isPost) {
      this.reject(request, response, 404, 'invalid path');
      return;
    }
    const method = stream === null ? 'POST' : 'GET';
    if (request.method !== method) {
      response.setHeader('Allow', method);
      this.reject(request, response, 405, 'Method Not Allowed');
      return;
    }
    if (!versionsCompatible(request.headers)) {
      this.reject(request, response, 412, INCOMPATIBLE_VERSION);
      return;
    }
    if (stream !== null) {
      this.stream(request, response, stream[1] as StreamKind, stream[2]!);
      return;
    }
    const from = parseHexId(String(request.headers['x-server-from'] ?? ''));
    if (from === null) {
      this.reject(request, response, 400, 'X-Server-From is not an id');
      return;
    }
    const admission = this.admit(from, request);
    if (!('peer' in admission)) {
      this.reject(request, response, admission.status, admission.text);
      return;
    }
    const { peer } = admission;
    if (path === VIEW_PATH) {
      this.view(request, response);
      return;
    }
    const work =
      path === OUTCOMES_PATH
        ? this.outcomes(request, peer)
        : path === '/raft'
          ? this.pipeline(request, peer)
          : this.prefixedSnapshot(request);
    this.answer(
      request,
      response,
      work.then(() => () => {
        peer.contact();
        response.writeHead(204).end();
      }),
    );
  }

  private failed(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    if (error instanceof BodyError) this.reject(request, response, error.status, error.message);
    else if (error instanceof DecodeError) this.reject(request, response, 400, error.message);
    else this.reject(request, response, 500, (error as Error).message);
  }

  private reject(request: IncomingMessage, response: ServerResponse, status: number, text: string): void {
    if (!this.stopped) {
      this.context.noise.warning(
        `${request.method} ${String(request.url).slice(0, 100)} of ${addressOf(request.socket)} answered with ${status}: ${text}`,
      );
    }
    refuse(request, response, status, text);
  }

  /** Finds the peer of an id, or lets the server decide about a new one. */
  private admit(key: bigint, request: IncomingMessage): Admission {
    const { events } = this.context;
    const known = this.settings.peer(key);
    const urls = peerUrlsOf(request.headers);
    if (known !== undefined) {
      if (events.isRemoved(known.id)) return { status: 403, text: 'removed member' };
      if (known.announced(urls)) events.peerUrls(known.id, urls);
      return this.settings.peer(key) === known
        ? { peer: known }
        : { status: 404, text: 'error sender not found' };
    }
    let id = knownNodeId(key);
    if (id === UNKNOWN_NODE) {
      if (urls.length === 0 || this.largeStrangers >= LARGE_STRANGERS_MAX)
        return { status: 404, text: 'error sender not found' };
      this.largeStrangers++;
      id = nodeIdFromBigint(key);
    }
    if (id === 0 || id === this.context.self) return { status: 404, text: 'error sender not found' };
    if (events.isRemoved(id)) return { status: 403, text: 'removed member' };
    if (urls.length > 0) events.peerUrls(id, urls);
    const added = this.settings.peer(key);
    return added === undefined ? { status: 404, text: 'error sender not found' } : { peer: added };
  }

  private stream(request: IncomingMessage, response: ServerResponse, kind: StreamKind, text: string): void {
    const from = parseHexId(text);
    if (from === null) {
      this.reject(request, response, 404, 'invalid from');
      return;
    }
    const admission = this.admit(from, request);
    if (!('peer' in admission)) {
      this.reject(request, response, admission.status === 403 ? 410 : 404, admission.text);
      return;
    }
    if (request.headers['x-raft-to'] !== nodeIdToHex(this.context.self)) {
      this.reject(request, response, 412, 'to field mismatch');
      return;
    }
    if (response.socket === null || response.socket.destroyed) return;
    admission.peer.contact();
    admission.peer.attach(kind, response, natureOf(request.headers));
  }

  private async pipeline(request: IncomingMessage, peer: Peer): Promise<void> {
    const { limits, timeouts, clock } = this.context;
    const length = declaredLength(request);
    const first = await firstPiece(request, timeouts.readMs, clock.setTimer.bind(clock));
    if (first.length >= 2 && isSnapshotStart(first[0]!, first[1]!)) {
      await this.snapshot(request, (receiver) => receiver.receive(request, first));
      return;
    }
    if (length !== null && length > limits.messageBytes) {
      throw new BodyError(413, `message of ${length} bytes; the limit is ${limits.messageBytes}`);
    }
    const body = await readBody(request, clock, timeouts.readMs, limits.messageBytes, this.budget, first);
    const message = decodeMessage(body);
    if (message.type === MessageType.Snap) {
      await this.snapshot(request, (receiver) => receiver.receiveWhole(message));
      return;
    }
    const refusal = refusalOf(message, this.context.self, this.settings.isPeer);
    if (refusal !== null) throw new DecodeError(`message refused: ${refusal}`);
    peer.contact();
    if (!this.stopped) this.context.events.receive([message]);
  }

  private prefixedSnapshot(request: IncomingMessage): Promise<void> {
    return this.snapshot(request, (receiver) => receiver.receivePrefixed(request));
  }

  private async snapshot(
    request: IncomingMessage,
    run: (receiver: SnapshotReceiver) => Promise<Message>,
  ): Promise<void> {
    if (this.receptions.size >= SNAPSHOTS_MAX) {
      throw new BodyError(503, `${SNAPSHOTS_MAX} snapshots are arriving already`);
    }
    const { self, events, clock, timeouts } = this.context;
    const receiver = new SnapshotReceiver(
      { self, events, clock, silenceMs: timeouts.readMs, isPeer: this.settings.isPeer },
      membersOf(request.headers),
    );
    const reception = run(receiver);
    this.receptions.add(reception);
    try {
      const message = await reception;
      if (!this.stopped) events.receive([message]);
    } finally {
      this.receptions.delete(reception);
    }
  }

  private view(request: IncomingMessage, response: ServerResponse): void {
    const view = this.stopped ? undefined : this.context.events.view?.();
    if (view === undefined) {
      this.reject(request, response, 404, 'this server tells nothing of itself');
      return;
    }
    request.resume();
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': view.length });
    response.end(view);
  }

  private async outcomes(request: IncomingMessage, peer: Peer): Promise<void> {
    const { clock, timeouts, events } = this.context;
    const body = await readBody(request, clock, timeouts.readMs, OUTCOMES_BODY_BYTES_MAX, this.budget);
    const outcomes = decodeOutcomes(body);
    if (!this.stopped) events.forwardedOutcomes(peer.id, outcomes);
  }

  handleHostMessage(request: IncomingMessage, response: ServerResponse): void {
    if (request.method !== 'POST') {
      response.setHeader('Allow', 'POST');
      this.reject(request, response, 405, 'Method Not Allowed');
      return;
    }
    const { clock, timeouts, limits, events } = this.context;
    if (this.hostMessages >= HOST_MESSAGES_MAX) {
      this.reject(request, response, 503, `${HOST_MESSAGES_MAX} host messages wait for an answer already`);
      return;
    }
    this.hostMessages++;
    const work = readBody(request, clock, timeouts.readMs, limits.hostMessageBytes, this.budget)
      .then((body) => events.hostMessage(body))
      .finally(() => this.hostMessages--)
      .then((answer) => () => {
        response.writeHead(200, {
          'Content-Type': 'application/octet-stream',
          'Content-Length': answer.length,
        });
        response.end(answer);
      });
    this.answer(request, response, work);
  }
}

/** The first bytes of a body; empty when it has none. */
function firstPiece(
  request: IncomingMessage,
  silenceMs: number,
  setTimer: PeerContext['clock']['setTimer'],
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const timer = setTimer(silenceMs, () =>
      finish(new BodyError(408, `the sender was silent for ${silenceMs} ms`)),
    );
    const onReadable = (): void => {
      const piece = request.read() as Buffer | null;
      if (piece !== null) finish(piece);
    };
    const onEnd = (): void => finish(Buffer.alloc(0));
    const onClose = (): void => finish(new BodyError(400, 'the sender went away'));
    function finish(result: Buffer | BodyError): void {
      timer.cancel();
      request.off('readable', onReadable);
      request.off('end', onEnd);
      request.off('close', onClose);
      if (result instanceof BodyError) reject(result);
      else resolve(result);
    }
    request.on('readable', onReadable);
    request.on('end', onEnd);
    request.on('close', onClose);
  });
}
