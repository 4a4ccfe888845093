/** A peer in the network in memory, and the way of a snapshot to it. */
import type { NodeId } from '../core/node-id.ts';
import type { Message } from '../core/types.ts';
import type { Logger } from '../core/api.ts';
import { refusalOf } from './message-check.ts';
import type { PeerStatus, SnapshotSink, SnapshotSource, TransportClock, TransportEvents } from './types.ts';
import { UnreachableReporter } from './unreachable-reporter.ts';

const UNREACHABLE_INTERVAL_MS = 100;

/** The network as its parts see it. */
export interface MemoryLinks {
  readonly clock: TransportClock;
  isBlocked(from: NodeId, to: NodeId): boolean;
  /** A delay for each copy of a message that arrives. */
  draw(from: NodeId, to: NodeId): number[];
  passed(message: Message): Message;
  find(clusterId: bigint, id: NodeId, urls: readonly string[]): MemoryEndpoint | null;
}

/** One server's transport, as others in the network see it. */
export interface MemoryEndpoint {
  readonly network: MemoryLinks;
  readonly id: NodeId;
  readonly url: string;
  readonly clusterId: bigint;
  readonly events: TransportEvents;
  readonly logger: Logger;
  readonly running: boolean;
  /** Whether a server's messages are taken; it is told when it has been removed. */
  admit(from: MemoryEndpoint): boolean;
  knows(id: NodeId): boolean;
  contact(id: NodeId): void;
}

export class MemoryPeer {
  readonly id: NodeId;
  urls: readonly string[];
  lastContactMs = -1;
  snapshotRunning = false;
  readonly reporter: UnreachableReporter;
  private readonly owner: MemoryEndpoint;
  private announcedUrl = '';
  private stopped = false;

  constructor(owner: MemoryEndpoint, id: NodeId, urls: readonly string[]) {
    this.owner = owner;
    this.id = id;
    this.urls = [...urls];
    this.reporter = new UnreachableReporter(owner.network.clock, UNREACHABLE_INTERVAL_MS, () =>
      owner.events.unreachable(id),
    );
  }

  /** The server that is reached under the peer's URLs now; null when none runs there. */
  target(): MemoryEndpoint | null {
    return this.stopped ? null : this.owner.network.find(this.owner.clusterId, this.id, this.urls);
  }

  announced(url: string): boolean {
    if (url === this.announcedUrl) return false;
    this.announcedUrl = url;
    return !this.urls.includes(url);
  }

  status(): PeerStatus {
    const { network, id } = this.owner;
    const active =
      this.target() !== null && !network.isBlocked(id, this.id) && !network.isBlocked(this.id, id);
    return {
      id: this.id,
      urls: this.urls,
      active,
      lastContactMs: this.lastContactMs,
      polyraft: true,
      checkQuorum: true,
      roundTripMs: -1,
    };
  }

  get running(): boolean {
    return !this.stopped;
  }

  stop(): void {
    this.stopped = true;
    this.reporter.stop();
  }
}

/** Sends and reports the result, once, unless the sender stops. */
export async function sendMemorySnapshot(
  sender: MemoryEndpoint,
  peer: MemoryPeer,
  message: Message,
  source: SnapshotSource,
  members: string | null,
): Promise<void> {
  const owner = !peer.snapshotRunning;
  let success = false;
  if (owner) {
    peer.snapshotRunning = true;
    success = await transfer(sender, peer, message, source, members).catch((error: unknown) => {
      sender.logger.warning(`snapshot failed: ${(error as Error).message}`);
      return false;
    });
    peer.snapshotRunning = false;
  } else {
    await Promise.resolve();
  }
  if (!sender.running || !peer.running) return;
  if (!success) peer.reporter.note();
  sender.events.snapshotResult(peer.id, success);
}

async function transfer(
  sender: MemoryEndpoint,
  peer: MemoryPeer,
  message: Message,
  source: SnapshotSource,
  members: string | null,
): Promise<boolean> {
  const { network } = sender;
  const pass = (from: NodeId, to: NodeId): Promise<boolean> => {
    const delays = network.draw(from, to);
    // What is lost shows after a while only.
    return new Promise((resolve) =>
      network.clock.setTimer(delays[0] ?? 1_000, () => resolve(delays.length > 0)),
    );
  };
  if (!(await pass(sender.id, peer.id))) return false;
  const target = peer.target();
  if (target === null || !target.admit(sender)) return false;
  const bare: Message = {
    ...network.passed({ ...message, snapshot: { ...message.snapshot!, data: new Uint8Array(0) } }),
  };
  if (refusalOf(bare, target.id, (id) => target.knows(id)) !== null) return false;
  const connected = (): boolean =>
    sender.running && peer.running && target.running && !network.isBlocked(sender.id, peer.id);
  const sink: SnapshotSink | null = await target.events.openSnapshotSink(bare, source.dataBytes, members);
  if (sink === null) return false;
  let open = true;
  try {
    let bytes = 0;
    await source.read(async (chunk) => {
      if (!connected()) throw new Error('the connection broke');
      bytes += chunk.length;
      await sink.write(chunk.slice());
    });
    if (bytes !== source.dataBytes) throw new Error(`snapshot of ${source.dataBytes} bytes had ${bytes}`);
    if (!(await pass(sender.id, peer.id)) || !connected()) throw new Error('the connection broke');
    open = false;
    await sink.commit(bare);
  } finally {
    if (open) await sink.abort();
  }
  if (!target.running) return false;
  target.contact(sender.id);
  target.events.receive([bare]);
  return pass(peer.id, sender.id);
}
