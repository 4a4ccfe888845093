/** The receiving end of one stream: dials a peer, reads its frames, and dials again whenever the connection ends. */
import net from 'node:net';
import { connect as connectTls } from 'node:tls';
import { DecodeError } from '../core/raftpb/varint.ts';
import { nodeIdToHex, type NodeId } from '../core/node-id.ts';
import type { Message } from '../core/types.ts';
import { dialFailure, TLS_ALERT } from '../tls/failures.ts';
import type { TlsIdentity } from '../tls/identity.ts';
import { URL_NEEDS_HTTPS } from './connections.ts';
import type { FrameDecoder } from './frame.ts';
import { CLUSTER_ID_MISMATCH, INCOMPATIBLE_VERSION, natureOf, type PeerNature } from './headers.ts';
import {
  HttpFormatError,
  ResponseReader,
  type ResponseConsumer,
  type ResponseHead,
} from './http-response.ts';
import type { PeerAddressParts, UrlPicker } from './peer-url.ts';
import type { TransportClock, TransportTimer } from './types.ts';

export type StreamKind = 'msgapp' | 'message';

const REASON_BYTES_MAX = 1_024;

export interface IncomingStreamOwner {
  /** A connection is up. */
  streamOpened(kind: StreamKind, nature: PeerNature): void;
  /** Bytes arrived. */
  contact(): void;
  /** In order; not yet checked. */
  received(messages: Message[]): void;
  /** The peer says that this node was removed. */
  removedByPeer(): void;
  /** A connection or an attempt ended. `opened` tells which. */
  streamClosed(kind: StreamKind, opened: boolean, reason: string): void;
}

export interface IncomingStreamSettings {
  readonly kind: StreamKind;
  readonly self: NodeId;
  readonly peer: NodeId;
  readonly picker: UrlPicker;
  /** Null: there is no https URL in `picker`. */
  readonly tls: TlsIdentity | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: TransportClock;
  readonly random: (bound: number) => number;
  readonly dialMs: number;
  readonly reconnectMs: number;
  readonly bufferBytes: number;
  createDecoder(): FrameDecoder;
}

export class IncomingStream implements ResponseConsumer {
  private readonly settings: IncomingStreamSettings;
  private readonly owner: IncomingStreamOwner;
  private readonly buffer: Uint8Array;
  private socket: net.Socket | null = null;
  private address: PeerAddressParts | null = null;
  private decoder: FrameDecoder | null = null;
  private status = 0;
  private reason = '';
  private opened = false;
  private messages: Message[] = [];
  private timer: TransportTimer | null = null;
  private stopped = false;
  private receivedAt = 0;

  constructor(settings: IncomingStreamSettings, owner: IncomingStreamOwner) {
    this.settings = settings;
    this.owner = owner;
    this.buffer = Buffer.allocUnsafeSlow(settings.bufferBytes);
  }

  get isOpen(): boolean {
    return this.opened;
  }

  start(): void {
    this.stopped = false;
    this.dial();
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
    this.timer = null;
    const socket = this.socket;
    this.socket = null;
    this.opened = false;
    socket?.destroy();
  }

  /** The peer's URLs have changed: a connection to an old one is given up. */
  redial(): void {
    if (this.stopped) return;
    if (this.socket !== null) this.socket.destroy();
    else {
      this.timer?.cancel();
      this.dial();
    }
  }

  /** Closes an open stream that has been silent for too long. */
  checkSilence(limitMs: number): void {
    if (this.opened && this.settings.clock.now() - this.receivedAt > limitMs) {
      this.drop(`nothing came for ${limitMs} ms`);
    }
  }

  private dial(): void {
    const { settings } = this;
    this.timer = null;
    const address = settings.picker.pick();
    this.address = address;
    if (address === null) {
      this.retryLater();
      return;
    }
    this.decoder = settings.createDecoder();
    this.status = 0;
    this.reason = '';
    const reader = new ResponseReader(this);
    const options = {
      host: address.host,
      port: address.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 10_000,
      onread: {
        buffer: this.buffer,
        callback: (byteCount: number, buffer: Uint8Array): boolean => {
          if (this.socket === socket) this.take(reader, buffer, byteCount);
          return true;
        },
      },
    };
    const { tls } = settings;
    const isSecure = address.secure && tls !== null;
    const socket: net.Socket = isSecure
      ? connectTls({ ...options, ...tls.dialOptions(address.host) })
      : net.connect(options);
    this.socket = socket;
    this.timer = settings.clock.setTimer(settings.dialMs, () => {
      this.timer = null;
      if (!this.opened) socket.destroy(new Error(`no answer within ${settings.dialMs} ms`));
    });
    let failure = '';
    socket.on('error', (error) => {
      failure = isSecure ? dialFailure(error, tls.name) : error.message;
    });
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      if (this.socket === socket) this.closed(failure);
    });
    // Not before the peer has proved who it is.
    if (isSecure) socket.once('secureConnect', () => socket.write(this.requestText(address)));
    else socket.write(this.requestText(address));
  }

  private requestText(address: PeerAddressParts): string {
    const { settings } = this;
    let text = `GET /raft/stream/${settings.kind}/${nodeIdToHex(settings.self)} HTTP/1.1\r\nHost: ${address.authority}\r\n`;
    for (const [name, value] of Object.entries(settings.headers)) text += `${name}: ${value}\r\n`;
    return `${text}X-Raft-To: ${nodeIdToHex(settings.peer)}\r\n\r\n`;
  }

  private take(reader: ResponseReader, bytes: Uint8Array, byteCount: number): void {
    this.receivedAt = this.settings.clock.now();
    if (this.status === 0 && bytes[0] === TLS_ALERT) {
      this.drop(URL_NEEDS_HTTPS);
      return;
    }
    try {
      reader.push(bytes, 0, byteCount);
    } catch (error) {
      if (!(error instanceof DecodeError) && !(error instanceof HttpFormatError)) throw error;
      // What was decoded before the fault is good; the connection's state is not.
      this.deliver();
      this.drop(error.message);
      return;
    }
    if (this.status === 200) this.owner.contact();
    this.deliver();
  }

  private deliver(): void {
    if (this.messages.length === 0) return;
    const messages = this.messages;
    this.messages = [];
    this.owner.received(messages);
  }

  private drop(reason: string): void {
    this.reason = reason;
    this.socket?.destroy();
  }

  head(head: ResponseHead): void {
    this.status = head.status;
    if (head.status !== 200) return;
    this.timer?.cancel();
    this.timer = null;
    this.opened = true;
    this.owner.streamOpened(this.settings.kind, natureOf(head.headers));
  }

  body(bytes: Uint8Array, start: number, end: number): void {
    if (this.status === 200) {
      this.decoder!.push(bytes, start, end, this.messages);
    } else if (this.reason.length < REASON_BYTES_MAX) {
      this.reason += Buffer.from(bytes.subarray(start, end)).toString('latin1');
    }
  }

  end(): void {
    this.socket?.destroy();
  }

  private closed(failure: string): void {
    const opened = this.opened;
    this.socket = null;
    this.opened = false;
    this.decoder = null;
    this.messages = [];
    this.timer?.cancel();
    this.timer = null;
    if (!opened && this.address !== null) this.settings.picker.failed(this.address);
    this.retryLater();
    const { status } = this;
    if (status === 410) this.owner.removedByPeer();
    this.owner.streamClosed(this.settings.kind, opened, this.describe(failure));
  }

  private describe(failure: string): string {
    const text = this.reason.slice(0, REASON_BYTES_MAX).trim();
    switch (this.status) {
      case 0:
      case 200:
        return text || failure || this.closedWithoutReason();
      case 404:
        return 'the peer does not know this node';
      case 410:
        return 'the peer says that this node was removed';
      case 412:
        if (text === CLUSTER_ID_MISMATCH) return 'the peer belongs to another cluster (cluster_id differs)';
        if (text === INCOMPATIBLE_VERSION) return 'the peer speaks an incompatible version';
        return `the peer refuses: ${text}`;
      default:
        return `HTTP status ${this.status} ${text}`.trim();
    }
  }

  private closedWithoutReason(): string {
    if (this.status !== 0) return 'the peer closed it';
    return this.address?.secure === true
      ? "the peer closed it without an answer; if it does not accept this node's certificate, its log says why"
      : 'the peer closed it without an answer; if it takes TLS, write https:// in its URL';
  }

  private retryLater(): void {
    if (this.stopped) return;
    const { clock, reconnectMs, random } = this.settings;
    const spread = random(Math.max(1, Math.floor(reconnectMs / 4)));
    this.timer = clock.setTimer(reconnectMs + spread, () => this.dial());
  }
}
