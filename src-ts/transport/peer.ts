/** Everything between this node and one peer: two streams each way, the pipeline, snapshots, outcomes. */
import type { ServerResponse } from 'node:http';
import type { Logger } from '../core/api.ts';
import { nodeIdToBigint, nodeIdToHex, type NodeId } from '../core/node-id.ts';
import { MessageType, type Message } from '../core/types.ts';
import type { TlsIdentity } from '../tls/identity.ts';
import { FailureStreak } from './failure-streak.ts';
import { natureOf, type PeerNature } from './headers.ts';
import { CommitNotice } from './commit-notice.ts';
import { Connections } from './connections.ts';
import { exchange, ExchangeError, type Answer, type BodyWriter } from './http-client.ts';
import { IncomingStream, type IncomingStreamOwner, type StreamKind } from './incoming-stream.ts';
import { LogLimiter } from './log-limiter.ts';
import { MessageDecoder, MessageEncoder } from './message-codec.ts';
import { MsgAppV2Decoder } from './msgappv2-decoder.ts';
import { MsgAppV2Encoder, type AppEntriesFrames } from './msgappv2-encoder.ts';
import type { TransportLimits, TransportTimeouts } from './options.ts';
import { OUTCOMES_PATH, OutcomeSender } from './outcomes.ts';
import { OutgoingStream, type OutgoingStreamOwner } from './outgoing-stream.ts';
import { UrlPicker } from './peer-url.ts';
import { Pipeline, type PostResult } from './pipeline.ts';
import type { ForwardedOutcome, PeerStatus, TransportClock, TransportEvents } from './types.ts';
import { UnreachableReporter } from './unreachable-reporter.ts';

const MSGAPP_BUFFER_BYTES = 256 * 1024;
const MESSAGE_BUFFER_BYTES = 64 * 1024;
const NOTHING = new Uint8Array(0);
const ANSWER_BYTES_MAX = 64 * 1024;
/** Connections of the agent beyond the pipeline's: a snapshot, outcomes, host messages. */
const OTHER_CONNECTIONS = 4;

/** What all peers of a transport share. */
export interface PeerContext {
  readonly self: NodeId;
  readonly headers: Readonly<Record<string, string>>;
  readonly checkQuorum: boolean;
  readonly tls: TlsIdentity | null;
  readonly clock: TransportClock;
  readonly random: (bound: number) => number;
  readonly limits: TransportLimits;
  readonly timeouts: TransportTimeouts;
  readonly events: TransportEvents;
  readonly logger: Logger;
  readonly noise: LogLimiter;
  readonly frames: AppEntriesFrames;
  /** The peer has something to flush when the code that runs now has finished. */
  markDirty(peer: Peer): void;
  /** Messages of one read, to be checked and handed to the server. */
  received(peer: Peer, messages: readonly Message[]): void;
}

export class Peer implements IncomingStreamOwner, OutgoingStreamOwner {
  readonly id: NodeId;
  readonly key: bigint;
  /** For log lines. */
  readonly name: string;
  private readonly context: PeerContext;
  private readonly picker: UrlPicker;
  private urls: readonly string[] = [];
  /** What the peer said last in X-PeerURLs. */
  private announcedUrls = '';
  private msgAppOut: OutgoingStream | null = null;
  private messageOut: OutgoingStream | null = null;
  private readonly msgAppIn: IncomingStream;
  private readonly messageIn: IncomingStream;
  private readonly pipeline: Pipeline;
  private readonly outcomes: OutcomeSender;
  private readonly notice: CommitNotice;
  private readonly connections: Connections;
  private readonly stopping = new AbortController();
  private nature: PeerNature | null = null;
  private roundTripMs = -1;
  private probing = false;
  private lastContactMs = -1;
  private readonly reporter: UnreachableReporter;
  /** Apart from each other, so that many lines of one kind do not hide the other. */
  private readonly drops: LogLimiter;
  private readonly troubles: LogLimiter;
  private readonly dialFailures = new FailureStreak();
  private readonly sendFailures = new FailureStreak();
  /** Set by the transport while the peer waits for its flush. */
  dirty = false;
  snapshotRunning = false;

  constructor(context: PeerContext, id: NodeId, urls: readonly string[]) {
    this.context = context;
    this.id = id;
    this.key = nodeIdToBigint(id);
    this.name = `peer ${nodeIdToHex(id)}`;
    this.picker = new UrlPicker(context.tls !== null);
    const { limits, clock, logger } = context;
    this.drops = new LogLimiter(logger, () => clock.now(), 1);
    this.troubles = new LogLimiter(logger, () => clock.now(), 5);
    this.connections = new Connections(context.tls, limits.pipelineConnections + OTHER_CONNECTIONS);
    this.reporter = new UnreachableReporter(context.clock, context.timeouts.unreachableIntervalMs, () =>
      context.events.unreachable(id),
    );
    this.msgAppIn = this.incoming('msgapp');
    this.messageIn = this.incoming('message');
    this.pipeline = new Pipeline({
      queueMessagesMax: limits.pipelineQueueMessages,
      queueBytesMax: limits.streamQueueBytes,
      connections: limits.pipelineConnections,
      post: (body) => this.postMessage(body),
      failed: () => this.reportUnreachable(),
    });
    this.notice = new CommitNotice(clock, context.timeouts.notice, (message) => this.transmit(message));
    this.outcomes = new OutcomeSender(limits.outcomesQueued, (body) => this.postOutcomes(body));
    this.setUrls(urls);
  }

  private incoming(kind: StreamKind): IncomingStream {
    const { context } = this;
    const { messageBytes } = context.limits;
    return new IncomingStream(
      {
        kind,
        self: context.self,
        peer: this.id,
        picker: this.picker,
        tls: context.tls,
        headers: context.headers,
        clock: context.clock,
        random: context.random,
        dialMs: context.timeouts.dialMs,
        reconnectMs: context.timeouts.reconnectMs,
        bufferBytes: kind === 'msgapp' ? MSGAPP_BUFFER_BYTES : MESSAGE_BUFFER_BYTES,
        createDecoder: () =>
          kind === 'msgapp'
            ? new MsgAppV2Decoder(context.self, this.id, messageBytes)
            : new MessageDecoder(messageBytes),
      },
      this,
    );
  }

  private setUrls(urls: readonly string[]): void {
    this.urls = [...urls];
    for (const problem of this.picker.update(urls)) {
      this.context.logger.error(`${this.name} cannot be dialled: ${problem}`);
    }
  }

  start(): void {
    this.msgAppIn.start();
    this.messageIn.start();
  }

  stop(): void {
    this.stopping.abort();
    this.notice.stop();
    this.msgAppIn.stop();
    this.messageIn.stop();
    this.msgAppOut?.close();
    this.messageOut?.close();
    this.msgAppOut = this.messageOut = null;
    this.pipeline.stop();
    this.reporter.stop();
    this.connections.end();
  }

  get isStopped(): boolean {
    return this.stopping.signal.aborted;
  }

  get dialable(): boolean {
    return this.picker.pick() !== null;
  }

  updateUrls(urls: readonly string[]): void {
    if (urls.length === this.urls.length && urls.every((url, i) => url === this.urls[i])) return;
    this.setUrls(urls);
    this.msgAppIn.redial();
    this.messageIn.redial();
  }

  status(): PeerStatus {
    return {
      id: this.id,
      urls: this.urls,
      active: this.isActive,
      lastContactMs: this.lastContactMs,
      polyraft: this.nature?.polyraft ?? null,
      checkQuorum: this.nature?.checkQuorum ?? null,
      roundTripMs: this.roundTripMs,
    };
  }

  private get isActive(): boolean {
    return (
      this.msgAppOut !== null || this.messageOut !== null || this.msgAppIn.isOpen || this.messageIn.isOpen
    );
  }

  /** Measures the round trip to an active peer. One at a time; a failure is told by the streams, not here. */
  async probe(): Promise<void> {
    const address = this.picker.pick();
    if (this.probing || this.isStopped || !this.isActive || address === null) return;
    const { clock, timeouts, headers } = this.context;
    this.probing = true;
    const begun = clock.now();
    try {
      const answer = await exchange({
        connections: this.connections,
        address,
        method: 'GET',
        path: '/raft/probing',
        headers,
        body: NOTHING,
        contentBytes: 0,
        clock,
        dialMs: timeouts.dialMs,
        responseMs: timeouts.responseMs,
        answerBytesMax: ANSWER_BYTES_MAX,
        signal: this.stopping.signal,
      });
      this.roundTripMs = answer.status === 200 ? clock.now() - begun : -1;
    } catch {
      this.roundTripMs = -1;
    } finally {
      this.probing = false;
    }
  }

  // Sending

  send(message: Message): void {
    if (message.type === MessageType.App && this.msgAppOut !== null && this.notice.takes(message)) return;
    this.transmit(message);
  }

  private transmit(message: Message): void {
    let stream: OutgoingStream | null = null;
    if (message.type === MessageType.App && this.msgAppOut !== null) stream = this.msgAppOut;
    else if (this.messageOut !== null) stream = this.messageOut;
    if (stream === null) {
      if (!this.pipeline.add(message)) this.dropped(message, 'its pipeline is full');
      return;
    }
    if (stream.queuedBytes >= this.context.limits.streamQueueBytes) {
      this.dropped(message, `${stream.queuedBytes} bytes wait for it already`);
      return;
    }
    stream.add(message);
    if (!this.dirty) this.context.markDirty(this);
  }

  /** Nothing waits for a better moment any more. */
  settle(): void {
    this.notice.release();
  }

  flush(): void {
    this.dirty = false;
    this.msgAppOut?.flush();
    this.messageOut?.flush();
  }

  private dropped(message: Message, reason: string): void {
    this.drops.warning(`message of type ${message.type} to ${this.name} dropped: ${reason}`);
    this.reportUnreachable();
  }

  sendOutcomes(outcomes: readonly ForwardedOutcome[]): void {
    if (this.nature?.polyraft === true) this.outcomes.add(outcomes);
  }

  /** A request to the peer over its pooled connections. Rejects with ExchangeError, or with what the body threw. */
  async post(
    path: string,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array | BodyWriter,
    contentBytes: number,
    responseMs: number,
    answerBytesMax = ANSWER_BYTES_MAX,
  ): Promise<Answer> {
    const address = this.picker.pick();
    if (address === null) throw new ExchangeError('connect', `${this.name} has no usable URL`);
    const { context } = this;
    try {
      const answer = await exchange({
        connections: this.connections,
        address,
        path,
        headers: { ...context.headers, ...headers },
        body,
        contentBytes,
        clock: context.clock,
        dialMs: context.timeouts.dialMs,
        responseMs,
        answerBytesMax,
        signal: this.stopping.signal,
      });
      this.contact();
      return answer;
    } catch (error) {
      this.picker.failed(address);
      throw error;
    }
  }

  private async postMessage(body: Uint8Array): Promise<PostResult> {
    if (this.isStopped) return 'failed';
    try {
      const headers = { 'Content-Type': 'application/protobuf' };
      const answer = await this.post('/raft', headers, body, body.length, this.context.timeouts.responseMs);
      return this.judge(answer) ? 'sent' : 'failed';
    } catch (error) {
      this.logFailure('a message', error);
      return 'failed';
    }
  }

  private async postOutcomes(body: Uint8Array): Promise<void> {
    if (this.isStopped) return;
    try {
      const headers = { 'Content-Type': 'application/octet-stream' };
      await this.post(OUTCOMES_PATH, headers, body, body.length, this.context.timeouts.responseMs);
    } catch (error) {
      this.logFailure('outcomes', error);
    }
  }

  /** Whether an answer on the pipeline means that the message was taken. */
  judge(answer: Answer): boolean {
    if (answer.status === 204) {
      this.nature ??= natureOf(answer.headers);
      this.sendFailures.end();
      return true;
    }
    if (answer.status === 403) this.removedByPeer();
    else {
      const text = answer.body.toString('utf8', 0, 200).trim();
      this.troubles.warning(`${this.name} refused a message: status ${answer.status} ${text}`);
    }
    return false;
  }

  logFailure(what: string, error: unknown): void {
    if (this.isStopped) return;
    const text = `${what} could not be sent to ${this.name}: ${(error as Error).message}`;
    if (this.sendFailures.isNews(text)) this.troubles.warning(text);
  }

  reportUnreachable(): void {
    this.reporter.note();
  }

  // Streams that the peer has dialled

  attach(kind: StreamKind, response: ServerResponse, nature: PeerNature): void {
    const { context } = this;
    const encoder = kind === 'msgapp' ? new MsgAppV2Encoder(context.frames) : new MessageEncoder();
    const stream = new OutgoingStream(response, encoder, this, () => context.clock.now());
    const previous = kind === 'msgapp' ? this.msgAppOut : this.messageOut;
    previous?.close();
    if (kind === 'msgapp') this.msgAppOut = stream;
    else this.messageOut = stream;
    this.nature = nature;
    context.logger.debug(`${this.name} opened its ${kind} stream`);
  }

  streamLost(stream: OutgoingStream, reason: string): void {
    let kind: StreamKind;
    if (stream === this.msgAppOut) {
      kind = 'msgapp';
      this.msgAppOut = null;
    } else if (stream === this.messageOut) {
      kind = 'message';
      this.messageOut = null;
    } else return;
    this.troubles.warning(`lost the ${kind} stream to ${this.name}: ${reason}`);
    // What was under way is lost.
    this.reportUnreachable();
  }

  tick(heartbeat: boolean): void {
    const { readMs, writeMs } = this.context.timeouts;
    this.msgAppIn.checkSilence(readMs);
    this.messageIn.checkSilence(readMs);
    for (const stream of [this.msgAppOut, this.messageOut]) {
      if (stream === null) continue;
      if (stream.stalled(writeMs)) {
        stream.fail(`it took nothing for ${writeMs} ms`);
      } else if (heartbeat && stream.queuedBytes === 0) {
        stream.addHeartbeat();
        stream.flush();
      }
    }
  }

  // Streams that this node has dialled

  contact(): void {
    this.lastContactMs = this.context.clock.now();
  }

  streamOpened(kind: StreamKind, nature: PeerNature): void {
    this.nature = nature;
    this.dialFailures.end();
    this.sendFailures.end();
    this.context.logger.info(`${kind} stream from ${this.name} is up`);
  }

  received(messages: Message[]): void {
    for (const { type } of messages) this.notice.heard(type);
    this.context.received(this, messages);
  }

  removedByPeer(): void {
    if (!this.isStopped) this.context.events.removedByPeer(this.id);
  }

  streamClosed(kind: StreamKind, opened: boolean, reason: string): void {
    if (opened) {
      this.troubles.warning(`lost the ${kind} stream from ${this.name}: ${reason}`);
      return;
    }
    if (this.dialFailures.isNews(reason))
      this.troubles.warning(`${this.name} cannot be reached for its ${kind} stream: ${reason}`);
  }

  /** URLs in a request of the peer; true when they are news. */
  announced(urls: readonly string[]): boolean {
    const text = urls.join(',');
    if (text === '' || text === this.announcedUrls) return false;
    this.announcedUrls = text;
    return urls.length !== this.urls.length || urls.some((url, i) => url !== this.urls[i]);
  }
}
