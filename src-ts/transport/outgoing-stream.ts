/** The sending end of one stream: a response that never ends, written to as frames. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Message } from '../core/types.ts';
import type { FrameEncoder } from './frame.ts';

/** Frames up to this are put together into one buffer before they are written; larger ones are gathered by the kernel. */
const JOINED_BYTES_MAX = 32 * 1024;
/** Parts handed to the kernel at once; more are joined first. */
const GATHERED_PARTS_MAX = 64;
/** Larger parts are written in pieces, so that progress shows on a slow link. */
const PIECE_BYTES = 1024 * 1024;

export interface OutgoingStreamOwner {
  /** The connection ended; messages that were queued on it are lost. Not called after `close`. */
  streamLost(stream: OutgoingStream, reason: string): void;
}

/** Owned by a peer; lives as long as one connection. */
export class OutgoingStream {
  readonly response: ServerResponse;
  private readonly socket: Socket;
  private readonly encoder: FrameEncoder;
  private readonly owner: OutgoingStreamOwner;
  private parts: Uint8Array[] = [];
  private partsBytes = 0;
  private closed = false;
  private writesPending = 0;
  private progressAt: number;
  private readonly now: () => number;
  private readonly written: () => void;

  /** Takes over a response whose head has not been sent; the head's own headers have been set. */
  constructor(
    response: ServerResponse,
    encoder: FrameEncoder,
    owner: OutgoingStreamOwner,
    now: () => number,
  ) {
    this.response = response;
    this.socket = response.socket!;
    this.encoder = encoder;
    this.owner = owner;
    this.now = now;
    this.progressAt = now();
    this.written = () => {
      this.writesPending--;
      this.progressAt = this.now();
    };
    response.setHeader('Transfer-Encoding', 'chunked');
    response.writeHead(200);
    response.flushHeaders();
    response.on('close', () => this.lost('the peer closed it'));
    response.on('error', (error) => this.lost(error.message));
    this.socket.on('error', (error) => this.lost(error.message));
  }

  /** Bytes that the operating system has not taken yet. */
  get queuedBytes(): number {
    return this.partsBytes + this.socket.writableLength;
  }

  get open(): boolean {
    return !this.closed;
  }

  add(message: Message): void {
    this.partsBytes += this.encoder.encode(message, this.parts);
  }

  addHeartbeat(): void {
    this.parts.push(this.encoder.heartbeat);
    this.partsBytes += this.encoder.heartbeat.length;
  }

  /** Writes what was added since the last flush. */
  flush(): void {
    const parts = this.parts;
    if (parts.length === 0 || this.closed) return;
    const bytes = this.partsBytes;
    this.parts = [];
    this.partsBytes = 0;
    if (this.writesPending === 0) this.progressAt = this.now();
    if (parts.length === 1 && bytes <= PIECE_BYTES) {
      this.write(parts[0]!);
    } else if (bytes <= JOINED_BYTES_MAX || parts.length > GATHERED_PARTS_MAX) {
      this.write(Buffer.concat(parts, bytes));
    } else if (bytes <= PIECE_BYTES) {
      this.socket.cork();
      for (const part of parts) this.write(part);
      this.socket.uncork();
    } else {
      for (const part of parts) this.write(part);
    }
  }

  private write(part: Uint8Array): void {
    for (let at = 0; at < part.length; at += PIECE_BYTES) {
      this.writesPending++;
      const piece = part.length <= PIECE_BYTES ? part : part.subarray(at, at + PIECE_BYTES);
      this.socket.write(piece, this.written);
    }
  }

  /** True when the socket has taken nothing for `limitMs` although there was something to take. */
  stalled(limitMs: number): boolean {
    return this.writesPending > 0 && this.now() - this.progressAt > limitMs;
  }

  /** Ends the connection without telling the owner. */
  close(): void {
    this.closed = true;
    this.parts = [];
    this.partsBytes = 0;
    this.socket.destroy();
  }

  fail(reason: string): void {
    this.lost(reason);
  }

  private lost(reason: string): void {
    if (this.closed) return;
    this.close();
    this.owner.streamLost(this, reason);
  }
}
