/** Transports on loopback whose servers only record what they are told. */
import net from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Logger } from '../../src-ts/core/api.ts';
import type { NodeId } from '../../src-ts/core/node-id.ts';
import type { Message } from '../../src-ts/core/types.ts';
import { ListenerTable } from '../../src-ts/transport/listener-table.ts';
import type { TransportOptions } from '../../src-ts/transport/options.ts';
import { createTransport } from '../../src-ts/transport/rafthttp.ts';
import type {
  ForwardedOutcome,
  SnapshotSink,
  SnapshotSource,
  Transport,
  TransportClock,
  TransportEvents,
} from '../../src-ts/transport/types.ts';

export const realClock: TransportClock = {
  now: () => performance.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

setFlagsFromString('--expose-gc');

/** After it, figures of memory tell what is held, and nothing that only waits for the collector. */
export const collectGarbage = runInNewContext('gc') as () => void;

export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function freeUrl(): Promise<string> {
  return `http://127.0.0.1:${await freePort()}`;
}

export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

export async function until(condition: () => boolean, what: string, limitMs = 10_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms in vain for: ${what}`);
    await pause(5);
  }
}

/** Keeps snapshot data as one buffer, or only counts them. */
export class RecordingSink implements SnapshotSink {
  readonly message: Message;
  readonly dataBytes: number;
  readonly members: string | null;
  bytes = 0;
  checksum = 0;
  committed: Message | null = null;
  aborted = false;
  largestChunk = 0;

  constructor(message: Message, dataBytes: number, members: string | null) {
    this.message = message;
    this.dataBytes = dataBytes;
    this.members = members;
  }

  async write(chunk: Uint8Array): Promise<void> {
    for (let i = 0; i < chunk.length; i += 997)
      this.checksum = (this.checksum * 31 + chunk[i]! + this.bytes + i) >>> 0;
    this.bytes += chunk.length;
    this.largestChunk = Math.max(this.largestChunk, chunk.length);
    await Promise.resolve();
  }

  async commit(message: Message): Promise<void> {
    this.committed = message;
  }

  async abort(): Promise<void> {
    this.aborted = true;
  }
}

export class RecordingEvents implements TransportEvents {
  readonly messages: Message[] = [];
  readonly sinks: RecordingSink[] = [];
  readonly unreachableIds: NodeId[] = [];
  readonly snapshotResults: { id: NodeId; success: boolean }[] = [];
  readonly removed = new Set<NodeId>();
  readonly removedBy: NodeId[] = [];
  readonly urls: { id: NodeId; urls: readonly string[] }[] = [];
  readonly outcomes: { from: NodeId; outcomes: readonly ForwardedOutcome[] }[] = [];
  answer: (body: Uint8Array) => Promise<Uint8Array> = async (body) => body;
  wantSnapshot = true;
  onPeerUrls: (id: NodeId, urls: readonly string[]) => void = () => undefined;
  onReceive: (messages: readonly Message[]) => void = (messages) => void this.messages.push(...messages);
  makeSink = (message: Message, dataBytes: number, members: string | null): RecordingSink =>
    new RecordingSink(message, dataBytes, members);

  receive(messages: readonly Message[]): void {
    this.onReceive(messages);
  }

  async openSnapshotSink(
    message: Message,
    dataBytes: number,
    members: string | null,
  ): Promise<SnapshotSink | null> {
    if (!this.wantSnapshot) return null;
    const sink = this.makeSink(message, dataBytes, members);
    this.sinks.push(sink);
    return sink;
  }

  unreachable(id: NodeId): void {
    this.unreachableIds.push(id);
  }

  snapshotResult(id: NodeId, success: boolean): void {
    this.snapshotResults.push({ id, success });
  }

  isRemoved(id: NodeId): boolean {
    return this.removed.has(id);
  }

  removedByPeer(id: NodeId): void {
    this.removedBy.push(id);
  }

  peerUrls(id: NodeId, urls: readonly string[]): void {
    this.urls.push({ id, urls });
    this.onPeerUrls(id, urls);
  }

  hostMessage(body: Uint8Array): Promise<Uint8Array> {
    return this.answer(body);
  }

  forwardedOutcomes(from: NodeId, outcomes: readonly ForwardedOutcome[]): void {
    this.outcomes.push({ from, outcomes });
  }
}

export class RecordingLogger implements Logger {
  readonly lines: string[] = [];
  debug(text: string): void {
    this.lines.push(`debug ${text}`);
  }
  info(text: string): void {
    this.lines.push(`info ${text}`);
  }
  warning(text: string): void {
    this.lines.push(`warning ${text}`);
  }
  error(text: string): void {
    this.lines.push(`error ${text}`);
  }
}

export interface TestNode {
  readonly id: NodeId;
  readonly url: string;
  readonly transport: Transport;
  readonly events: RecordingEvents;
  readonly logger: RecordingLogger;
}

export const CLUSTER = 0x1234n;

export function makeNode(
  id: NodeId,
  url: string,
  peers: readonly { id: NodeId; urls: readonly string[] }[],
  overrides: Partial<TransportOptions> = {},
): TestNode {
  const events = new RecordingEvents();
  const logger = new RecordingLogger();
  const transport = createTransport({
    clusterId: CLUSTER,
    id,
    localUrl: url,
    peers,
    events,
    clock: realClock,
    random: (bound) => Math.floor(Math.random() * bound),
    logger,
    listeners: new ListenerTable(),
    ...overrides,
  });
  return { id, url, transport, events, logger };
}

/** Nodes 1..count that know each other, started. */
export async function makeCluster(
  count: number,
  overrides: Partial<TransportOptions> = {},
): Promise<TestNode[]> {
  const urls: string[] = [];
  for (let i = 0; i < count; i++) urls.push(await freeUrl());
  const addresses = urls.map((url, i) => ({ id: i + 1, urls: [url] }));
  const nodes = urls.map((url, i) => makeNode(i + 1, url, addresses, overrides));
  await Promise.all(nodes.map((node) => node.transport.start()));
  return nodes;
}

/** Both streams of every pair are up. */
export async function untilConnected(nodes: readonly TestNode[]): Promise<void> {
  const streams = 2 * (nodes.length - 1);
  await until(
    () =>
      nodes.every(
        (node) =>
          node.logger.lines.filter((line) => /^debug peer \w+ opened its/.test(line)).length >= streams &&
          node.logger.lines.filter((line) => /stream from peer \w+ is up/.test(line)).length >= streams,
      ),
    'all streams',
  );
}

export async function stopAll(nodes: readonly TestNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.transport.stop()));
}

/** Data that need no memory: byte i is a function of i. */
export function patternSource(dataBytes: number, chunkBytes = 256 * 1024): SnapshotSource {
  return {
    dataBytes,
    async read(chunk) {
      for (let at = 0; at < dataBytes; at += chunkBytes) {
        const piece = new Uint8Array(Math.min(chunkBytes, dataBytes - at));
        for (let i = 0; i < piece.length; i += 997) piece[i] = (at + i) % 251;
        await chunk(piece);
      }
    },
  };
}
