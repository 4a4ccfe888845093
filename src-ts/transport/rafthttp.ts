/** The transport of a raft server: rafthttp as etcd speaks it, over node:http and node:net. */
import { nodeIdToBigint, type NodeId } from '../core/node-id.ts';
import { MessageType, type Message } from '../core/types.ts';
import { TlsIdentity } from '../tls/identity.ts';
import { requestHeaders } from './headers.ts';
import { ExchangeError } from './http-client.ts';
import type { ListenerLease } from './listener-table.ts';
import { LogLimiter } from './log-limiter.ts';
import { refusalOf } from './message-check.ts';
import { AppEntriesFrames } from './msgappv2-encoder.ts';
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS, type TransportOptions } from './options.ts';
import { VIEW_PATH } from './outcomes.ts';
import { noTls, parsePeerUrl } from './peer-url.ts';
import { Peer, type PeerContext } from './peer.ts';
import { RequestHandler } from './request-handler.ts';
import { sendSnapshotTo } from './snapshot-sender.ts';
import {
  HostMessageError,
  type ForwardedOutcome,
  type PeerStatus,
  type SnapshotSource,
  type Transport,
  type TransportTimer,
} from './types.ts';

/** Checks of silence a read time-out; every second one sends heartbeats, so that three go in its time. */
const TICKS_PER_READ_TIMEOUT = 6;

/** Round trips are measured once in so many ticks: about every 3 s. */
const TICKS_PER_PROBE = 4;

/** Longest wait for what a peer tells of itself. */
const VIEW_MS = 2_000;
const NOTHING = new Uint8Array(0);

class RaftHttp implements Transport {
  private readonly options: TransportOptions;
  private readonly context: PeerContext;
  private readonly handler: RequestHandler;
  private readonly byId = new Map<NodeId, Peer>();
  private readonly byKey = new Map<bigint, Peer>();
  private dirty: Peer[] = [];
  private flushing = false;
  private lease: ListenerLease | null = null;
  private timer: TransportTimer | null = null;
  private ticks = 0;
  private tickDue = 0;
  private state: 'new' | 'running' | 'stopped' = 'new';

  constructor(options: TransportOptions) {
    this.options = options;
    const { clock, logger, tls } = options;
    const identity = tls === undefined ? null : new TlsIdentity('peer_tls', tls, logger);
    if (parsePeerUrl(options.localUrl).secure && identity === null) throw noTls(options.localUrl);
    this.context = {
      tls: identity,
      self: options.id,
      headers: requestHeaders(options),
      checkQuorum: options.checkQuorum ?? true,
      clock,
      random: options.random,
      limits: { ...DEFAULT_LIMITS, ...options.limits },
      timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts },
      events: options.events,
      logger,
      noise: new LogLimiter(logger, () => clock.now()),
      frames: new AppEntriesFrames(),
      markDirty: (peer) => this.markDirty(peer),
      received: (peer, messages) => this.received(peer, messages),
    };
    this.handler = new RequestHandler({
      context: this.context,
      clusterHex: options.clusterId.toString(16),
      peer: (key) => this.byKey.get(key),
      isPeer: (id) => this.byId.has(id),
    });
    for (const peer of options.peers) this.addPeer(peer.id, peer.urls);
  }

  async start(): Promise<void> {
    if (this.state !== 'new') throw new RangeError('a transport starts once');
    const { options, handler, context } = this;
    const lease = await options.listeners.acquire(options.localUrl, {
      clusterId: options.clusterId,
      tls: context.tls,
      handleRaft: (request, response, path) => handler.handleRaft(request, response, path),
      handleHostMessage: (request, response) => handler.handleHostMessage(request, response),
      strangeRequest: (text) => context.noise.warning(text),
    });
    if ((this.state as string) === 'stopped') {
      await lease.release();
      return;
    }
    this.lease = lease;
    this.state = 'running';
    for (const peer of this.byId.values()) peer.start();
    this.scheduleTick();
  }

  async stop(): Promise<void> {
    if (this.state !== 'stopped') {
      this.state = 'stopped';
      this.timer?.cancel();
      for (const peer of this.byId.values()) peer.settle();
      this.flush();
      for (const peer of this.byId.values()) peer.stop();
      this.byId.clear();
      this.byKey.clear();
      this.context.frames.clear();
    }
    await this.handler.stop();
    await this.lease?.release();
  }

  send(messages: readonly Message[]): void {
    if (this.state === 'stopped') return;
    for (const message of messages) {
      const peer = this.byId.get(message.to);
      // A message for nobody is one that the core has given up; one for a removed peer comes too late.
      if (peer === undefined) continue;
      if (message.type === MessageType.Snap) {
        const data = message.snapshot?.data ?? new Uint8Array(0);
        const source = {
          dataBytes: data.length,
          read: async (chunk: (bytes: Uint8Array) => unknown) => void (await chunk(data)),
        };
        this.sendSnapshot(message, source, null);
      } else {
        peer.send(message);
      }
    }
  }

  sendSnapshot(message: Message, source: SnapshotSource, members: string | null): void {
    if (this.state === 'stopped') return;
    const peer = this.byId.get(message.to);
    if (peer !== undefined) void sendSnapshotTo(this.context, peer, message, source, members);
    else queueMicrotask(() => this.context.events.snapshotResult(message.to, false));
  }

  sendForwardedOutcomes(to: NodeId, outcomes: readonly ForwardedOutcome[]): void {
    this.byId.get(to)?.sendOutcomes(outcomes);
  }

  async sendHostMessage(to: NodeId, body: Uint8Array): Promise<Uint8Array> {
    const peer = this.byId.get(to);
    if (peer === undefined)
      throw new HostMessageError('unknown-peer', `node ${nodeIdToBigint(to)} is not a peer`);
    const { limits, timeouts } = this.context;
    if (body.length > limits.hostMessageBytes) {
      throw new HostMessageError(
        'read',
        `message of ${body.length} bytes; the limit is ${limits.hostMessageBytes}`,
      );
    }
    if (!peer.dialable) throw new HostMessageError('url', `node ${nodeIdToBigint(to)} has no usable URL`);
    const headers = {
      'Content-Type': 'application/octet-stream',
      'X-Etcd-Cluster-ID': this.options.clusterId.toString(10),
    };
    try {
      const { responseMs } = timeouts;
      const answer = await peer.post(
        '/message',
        headers,
        body,
        body.length,
        responseMs,
        limits.hostMessageBytes,
      );
      if (answer.status === 200) return answer.body;
      throw new HostMessageError(
        'read',
        `status ${answer.status}: ${answer.body.toString('utf8', 0, 200).trim()}`,
      );
    } catch (error) {
      if (error instanceof ExchangeError) throw new HostMessageError(error.phase, error.message);
      throw error;
    }
  }

  async askView(id: NodeId): Promise<Uint8Array> {
    const peer = this.byId.get(id);
    if (peer === undefined)
      throw new HostMessageError('unknown-peer', `node ${nodeIdToBigint(id)} is not a peer`);
    if (peer.status().polyraft === false)
      throw new HostMessageError('read', `node ${nodeIdToBigint(id)} is not a polyraft server`);
    try {
      const answer = await peer.post(VIEW_PATH, {}, NOTHING, 0, VIEW_MS);
      if (answer.status === 200) return answer.body;
      throw new HostMessageError('read', `status ${answer.status}`);
    } catch (error) {
      if (error instanceof ExchangeError) throw new HostMessageError(error.phase, error.message);
      throw error;
    }
  }

  addPeer(id: NodeId, urls: readonly string[]): void {
    if (this.state === 'stopped' || id === this.options.id) return;
    const known = this.byId.get(id);
    if (known !== undefined) {
      known.updateUrls(urls);
      return;
    }
    const peer = new Peer(this.context, id, urls);
    this.byId.set(id, peer);
    this.byKey.set(peer.key, peer);
    if (this.state === 'running') peer.start();
  }

  updatePeer(id: NodeId, urls: readonly string[]): void {
    this.byId.get(id)?.updateUrls(urls);
  }

  removePeer(id: NodeId): void {
    const peer = this.byId.get(id);
    if (peer === undefined) return;
    peer.settle();
    this.flush();
    this.byId.delete(id);
    this.byKey.delete(peer.key);
    peer.stop();
  }

  peers(): readonly PeerStatus[] {
    return [...this.byId.values()].map((peer) => peer.status());
  }

  flush(): void {
    if (this.dirty.length === 0) return;
    const dirty = this.dirty;
    this.dirty = [];
    for (const peer of dirty) peer.flush();
  }

  private markDirty(peer: Peer): void {
    peer.dirty = true;
    this.dirty.push(peer);
    if (this.flushing) return;
    // An immediate would cost the event loop one more round, and usually the server has flushed by then.
    this.flushing = true;
    queueMicrotask(() => {
      this.flushing = false;
      this.flush();
    });
  }

  private received(peer: Peer, messages: readonly Message[]): void {
    if (this.state !== 'running' || this.byId.get(peer.id) !== peer) return;
    const isPeer = (id: NodeId): boolean => this.byId.has(id);
    let accepted: Message[] | null = null;
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i]!;
      const refusal =
        message.type === MessageType.Snap
          ? 'MsgSnap does not travel on streams'
          : refusalOf(message, this.options.id, isPeer);
      if (refusal === null) {
        accepted?.push(message);
        continue;
      }
      accepted ??= messages.slice(0, i);
      this.context.noise.warning(
        `message of type ${message.type} from node ${nodeIdToBigint(peer.id)} refused: ${refusal}`,
      );
    }
    const good = accepted ?? messages;
    if (good.length > 0) this.options.events.receive(good);
  }

  private scheduleTick(): void {
    const { clock, timeouts } = this.context;
    const intervalMs = timeouts.readMs / TICKS_PER_READ_TIMEOUT;
    this.tickDue = clock.now() + intervalMs;
    this.timer = clock.setTimer(intervalMs, () => {
      // After a pause of the whole process everybody looks silent: what has come meanwhile is read first.
      const late = clock.now() - this.tickDue > timeouts.readMs / 2;
      this.ticks++;
      if (!late) {
        for (const peer of [...this.byId.values()]) {
          peer.tick(this.ticks % 2 === 0);
          if (this.ticks % TICKS_PER_PROBE === 1) void peer.probe();
        }
      }
      this.context.frames.clear();
      this.scheduleTick();
    });
  }
}

/**
 * A transport for one server. Throws TransportError when `localUrl` cannot be used, TlsError when `tls` cannot; peers' URLs that cannot be
 * used are logged, and those peers are not dialled.
 */
export function createTransport(options: TransportOptions): Transport {
  return new RaftHttp(options);
}

export { ListenerTable } from './listener-table.ts';
