/**
 * A network in memory, driven by a virtual clock and a seeded random source: the same Transport as rafthttp, with loss,
 * duplication, reordering, delay and one-way partitions. Same seed and same calls give the same run.
 */
import type { Logger } from '../core/api.ts';
import { nodeIdToBigint, type NodeId } from '../core/node-id.ts';
import { decodeMessage, encodeMessage } from '../core/raftpb/message.ts';
import { MessageType, type Message } from '../core/types.ts';
import { TransportError } from './errors.ts';
import { MemoryPeer, sendMemorySnapshot, type MemoryEndpoint, type MemoryLinks } from './memory-peer.ts';
import { refusalOf } from './message-check.ts';
import {
  HostMessageError,
  type ForwardedOutcome,
  type PeerStatus,
  type SnapshotSource,
  type Transport,
  type TransportClock,
  type TransportEvents,
} from './types.ts';

/** How one direction of a link behaves. Shares are in thousandths, drawn a message. */
export interface LinkConditions {
  readonly lossPermille: number;
  readonly duplicatePermille: number;
  /** Messages that do not wait for those before them. */
  readonly reorderPermille: number;
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
}

export const PERFECT_LINK: LinkConditions = {
  lossPermille: 0,
  duplicatePermille: 0,
  reorderPermille: 0,
  delayMinMs: 1,
  delayMaxMs: 1,
};

export interface MemoryNetworkOptions {
  readonly clock: TransportClock;
  /** Uniform integer in [0, bound). */
  readonly random: (bound: number) => number;
  readonly conditions?: Partial<LinkConditions>;
  /** Messages are encoded and decoded on the way, instead of shared. */
  readonly encode?: boolean;
}

export interface MemoryTransportOptions {
  readonly clusterId: bigint;
  readonly id: NodeId;
  readonly localUrl: string;
  readonly peers: readonly { readonly id: NodeId; readonly urls: readonly string[] }[];
  readonly events: TransportEvents;
  readonly logger: Logger;
}

export interface NetworkCounters {
  sent: number;
  delivered: number;
  lost: number;
  duplicated: number;
}

export class MemoryNetwork implements MemoryLinks {
  readonly clock: TransportClock;
  readonly counters: NetworkCounters = { sent: 0, delivered: 0, lost: 0, duplicated: 0 };
  private readonly random: (bound: number) => number;
  private readonly encode: boolean;
  private conditions: LinkConditions;
  private readonly links = new Map<string, LinkConditions>();
  private readonly blocked = new Set<string>();
  private readonly lastArrivalMs = new Map<string, number>();
  private readonly nodes = new Map<string, MemoryEndpoint>();

  constructor(options: MemoryNetworkOptions) {
    this.clock = options.clock;
    this.random = options.random;
    this.encode = options.encode ?? false;
    this.conditions = { ...PERFECT_LINK, ...options.conditions };
  }

  createTransport(options: MemoryTransportOptions): Transport {
    return new MemoryTransport(this, options);
  }

  /** Conditions of all links that have none of their own. */
  setConditions(conditions: Partial<LinkConditions>): void {
    this.conditions = { ...this.conditions, ...conditions };
  }

  /** Conditions of one direction; null takes them back. */
  setLink(from: NodeId, to: NodeId, conditions: Partial<LinkConditions> | null): void {
    if (conditions === null) this.links.delete(linkKey(from, to));
    else this.links.set(linkKey(from, to), { ...this.conditions, ...conditions });
  }

  /** Nothing passes from one node to the other; the way back stays open. */
  block(from: NodeId, to: NodeId): void {
    this.blocked.add(linkKey(from, to));
  }

  unblock(from: NodeId, to: NodeId): void {
    this.blocked.delete(linkKey(from, to));
  }

  /** Two-way partition between the groups. */
  partition(left: readonly NodeId[], right: readonly NodeId[]): void {
    for (const one of left) {
      for (const other of right) {
        this.block(one, other);
        this.block(other, one);
      }
    }
  }

  /** Ends every partition; conditions stay. */
  heal(): void {
    this.blocked.clear();
  }

  isBlocked(from: NodeId, to: NodeId): boolean {
    return this.blocked.size > 0 && this.blocked.has(linkKey(from, to));
  }

  register(key: string, node: MemoryEndpoint): void {
    if (this.nodes.has(key)) {
      throw new TransportError(
        'cluster-already-served',
        `a server of this cluster listens on ${node.url} already`,
      );
    }
    this.nodes.set(key, node);
  }

  unregister(key: string, node: MemoryEndpoint): void {
    if (this.nodes.get(key) === node) this.nodes.delete(key);
  }

  /** The running server with that id at one of the URLs. */
  find(clusterId: bigint, id: NodeId, urls: readonly string[]): MemoryEndpoint | null {
    for (const url of urls) {
      const node = this.nodes.get(addressKey(clusterId, url));
      if (node !== undefined && node.id === id) return node;
    }
    return null;
  }

  /** Draws what becomes of one message: a delay for each copy that arrives. */
  draw(from: NodeId, to: NodeId): number[] {
    this.counters.sent++;
    const link = this.links.get(linkKey(from, to)) ?? this.conditions;
    if (this.isBlocked(from, to) || this.chance(link.lossPermille)) {
      this.counters.lost++;
      return [];
    }
    const delays = [this.delay(from, to, link)];
    if (this.chance(link.duplicatePermille)) {
      this.counters.duplicated++;
      delays.push(this.delay(from, to, link));
    }
    return delays;
  }

  private chance(permille: number): boolean {
    return permille > 0 && this.random(1_000) < permille;
  }

  private delay(from: NodeId, to: NodeId, link: LinkConditions): number {
    const spread = link.delayMaxMs - link.delayMinMs;
    const delayMs = link.delayMinMs + (spread > 0 ? this.random(spread + 1) : 0);
    if (this.chance(link.reorderPermille)) return delayMs;
    const now = this.clock.now();
    const key = linkKey(from, to);
    const arrival = Math.max(now + delayMs, this.lastArrivalMs.get(key) ?? 0);
    this.lastArrivalMs.set(key, arrival);
    return arrival - now;
  }

  /** What the receiver gets to see of a message. */
  passed(message: Message): Message {
    return this.encode ? decodeMessage(encodeMessage(message).slice()) : message;
  }
}

function linkKey(from: NodeId, to: NodeId): string {
  return `${from}>${to}`;
}

function addressKey(clusterId: bigint, url: string): string {
  return `${clusterId}@${url}`;
}

class MemoryTransport implements Transport, MemoryEndpoint {
  readonly network: MemoryNetwork;
  readonly id: NodeId;
  readonly url: string;
  readonly clusterId: bigint;
  readonly events: TransportEvents;
  readonly logger: Logger;
  private readonly peersById = new Map<NodeId, MemoryPeer>();
  private state: 'new' | 'running' | 'stopped' = 'new';

  constructor(network: MemoryNetwork, options: MemoryTransportOptions) {
    this.network = network;
    this.id = options.id;
    this.url = options.localUrl;
    this.clusterId = options.clusterId;
    this.events = options.events;
    this.logger = options.logger;
    for (const peer of options.peers) this.addPeer(peer.id, peer.urls);
  }

  get running(): boolean {
    return this.state === 'running';
  }

  async start(): Promise<void> {
    if (this.state !== 'new') throw new RangeError('a transport starts once');
    this.network.register(addressKey(this.clusterId, this.url), this);
    this.state = 'running';
  }

  async stop(): Promise<void> {
    this.state = 'stopped';
    this.network.unregister(addressKey(this.clusterId, this.url), this);
    for (const peer of this.peersById.values()) peer.stop();
    this.peersById.clear();
  }

  send(messages: readonly Message[]): void {
    if (!this.running) return;
    for (const message of messages) {
      const peer = this.peersById.get(message.to);
      if (peer === undefined) continue;
      if (message.type === MessageType.Snap) {
        const data = message.snapshot?.data ?? new Uint8Array(0);
        this.sendSnapshot(message, { dataBytes: data.length, read: async (chunk) => chunk(data) }, null);
        continue;
      }
      const delays = this.network.draw(this.id, message.to);
      // A sender notices when nobody is there or nothing gets through; a single lost message it does not notice.
      if (delays.length === 0 && (peer.target() === null || this.network.isBlocked(this.id, message.to))) {
        peer.reporter.note();
      }
      for (const delayMs of delays) this.network.clock.setTimer(delayMs, () => this.arrive(peer, message));
    }
  }

  flush(): void {
    // Every message is under way already.
  }

  private arrive(peer: MemoryPeer, message: Message): void {
    const target = peer.target();
    if (target === null) {
      peer.reporter.note();
      return;
    }
    if (this.network.isBlocked(this.id, peer.id)) return;
    if (!target.admit(this)) return;
    const passed = this.network.passed(message);
    const refusal = refusalOf(passed, target.id, (id) => target.knows(id));
    if (refusal !== null) {
      target.logger.warning(
        `message of type ${message.type} from node ${nodeIdToBigint(this.id)} refused: ${refusal}`,
      );
      return;
    }
    this.network.counters.delivered++;
    target.contact(this.id);
    target.events.receive([passed]);
  }

  admit(from: MemoryEndpoint): boolean {
    if (this.events.isRemoved(from.id)) {
      const delays = this.network.draw(this.id, from.id);
      if (delays.length > 0) {
        this.network.clock.setTimer(delays[0]!, () => {
          if (from.running) from.events.removedByPeer(this.id);
        });
      }
      return false;
    }
    const peer = this.peersById.get(from.id);
    if (peer === undefined) this.events.peerUrls(from.id, [from.url]);
    else if (peer.announced(from.url)) this.events.peerUrls(from.id, [from.url]);
    return this.peersById.has(from.id);
  }

  knows(id: NodeId): boolean {
    return this.peersById.has(id);
  }

  contact(id: NodeId): void {
    const peer = this.peersById.get(id);
    if (peer !== undefined) peer.lastContactMs = this.network.clock.now();
  }

  sendSnapshot(message: Message, source: SnapshotSource, members: string | null): void {
    if (!this.running) return;
    const peer = this.peersById.get(message.to);
    if (peer === undefined)
      queueMicrotask(() => this.running && this.events.snapshotResult(message.to, false));
    else void sendMemorySnapshot(this, peer, message, source, members);
  }

  sendForwardedOutcomes(to: NodeId, outcomes: readonly ForwardedOutcome[]): void {
    const peer = this.peersById.get(to);
    if (!this.running || peer === undefined) return;
    for (const delayMs of this.network.draw(this.id, to).slice(0, 1)) {
      this.network.clock.setTimer(delayMs, () => {
        const target = peer.target();
        if (target !== null && target.knows(this.id)) target.events.forwardedOutcomes(this.id, outcomes);
      });
    }
  }

  async sendHostMessage(to: NodeId, body: Uint8Array): Promise<Uint8Array> {
    const peer = this.peersById.get(to);
    if (peer === undefined)
      throw new HostMessageError('unknown-peer', `node ${nodeIdToBigint(to)} is not a peer`);
    await this.pass(this.id, to, 'connect');
    const target = peer.target();
    if (target === null) throw new HostMessageError('connect', `node ${nodeIdToBigint(to)} does not answer`);
    let answer: Uint8Array;
    try {
      answer = await target.events.hostMessage(body.slice());
    } catch (error) {
      throw new HostMessageError('read', `status 500: ${(error as Error).message}`);
    }
    await this.pass(to, this.id, 'read');
    return answer;
  }

  async askView(id: NodeId): Promise<Uint8Array> {
    const peer = this.peersById.get(id);
    if (peer === undefined)
      throw new HostMessageError('unknown-peer', `node ${nodeIdToBigint(id)} is not a peer`);
    await this.pass(this.id, id, 'connect');
    const view = peer.target()?.events.view?.();
    if (view === undefined) throw new HostMessageError('read', `node ${nodeIdToBigint(id)} does not answer`);
    await this.pass(id, this.id, 'read');
    return view;
  }

  private pass(from: NodeId, to: NodeId, failure: 'connect' | 'read'): Promise<void> {
    const delays = this.network.draw(from, to);
    if (delays.length === 0) throw new HostMessageError(failure, 'the message was lost');
    return new Promise((resolve) => this.network.clock.setTimer(delays[0]!, () => resolve()));
  }

  addPeer(id: NodeId, urls: readonly string[]): void {
    if (this.state === 'stopped' || id === this.id) return;
    const known = this.peersById.get(id);
    if (known === undefined) this.peersById.set(id, new MemoryPeer(this, id, urls));
    else known.urls = [...urls];
  }

  updatePeer(id: NodeId, urls: readonly string[]): void {
    const peer = this.peersById.get(id);
    if (peer !== undefined) peer.urls = [...urls];
  }

  removePeer(id: NodeId): void {
    this.peersById.get(id)?.stop();
    this.peersById.delete(id);
  }

  peers(): readonly PeerStatus[] {
    return [...this.peersById.values()].map((peer) => peer.status());
  }
}
