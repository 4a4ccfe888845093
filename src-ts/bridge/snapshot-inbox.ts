import { ErrorCode } from '../core/codes.generated.ts';
import { ServerError, type HostSnapshot } from '../server/api.ts';

/** Bytes of a snapshot that wait for the disk; above it the command ring is left alone until some are written. */
const MAX_QUEUED_BYTES = 8 * 1024 * 1024;

/** Puts the chunks of one SNAPSHOT_DATA answer into a reader's hands, in order and with bounded memory. */
export class SnapshotInbox {
  private readonly queue: Uint8Array[] = [];
  private queuedBytes = 0;
  private received = 0;
  private total = -1;
  private closed = false;
  private wake: (() => void) | null = null;
  private readonly onRoom: () => void;
  private settle: { resolve: (snapshot: HostSnapshot) => void; reject: (error: Error) => void } | null = null;
  readonly snapshot: Promise<HostSnapshot>;

  constructor(onRoom: () => void) {
    this.onRoom = onRoom;
    this.snapshot = new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
  }

  get isFull(): boolean {
    return !this.closed && this.queuedBytes >= MAX_QUEUED_BYTES;
  }

  get isDone(): boolean {
    return this.total >= 0 && this.received >= this.total;
  }

  /** The first chunk told `code` (0: a snapshot of `dataBytes` follows). */
  begin(code: number, dataBytes: number): void {
    this.total = dataBytes;
    if (code !== 0) {
      this.closed = true;
      this.settle?.reject(snapshotRefused(code));
    } else {
      this.settle?.resolve({ dataBytes, read: (chunk) => this.read(chunk) });
    }
    this.settle = null;
  }

  add(bytes: Uint8Array): void {
    this.received += bytes.length;
    if (this.closed || bytes.length === 0) return;
    this.queue.push(bytes);
    this.queuedBytes += bytes.length;
    this.wake?.();
  }

  /** Nobody will read on; what still comes is dropped. */
  abandon(error: Error): void {
    this.closed = true;
    this.queue.length = 0;
    this.queuedBytes = 0;
    this.settle?.reject(error);
    this.settle = null;
    this.wake?.();
    this.onRoom();
  }

  private async read(chunk: (bytes: Uint8Array) => Promise<void> | void): Promise<void> {
    let done = 0;
    try {
      while (done < this.total) {
        const bytes = this.queue.shift();
        if (bytes === undefined) {
          if (this.closed)
            throw new ServerError(ErrorCode.STOPPED, 'the host stopped in the middle of a snapshot');
          await new Promise<void>((resolve) => {
            this.wake = resolve;
          });
          this.wake = null;
          continue;
        }
        const wasFull = this.isFull;
        this.queuedBytes -= bytes.length;
        done += bytes.length;
        await chunk(bytes);
        if (wasFull) this.onRoom();
      }
    } finally {
      this.closed = true;
      this.queue.length = 0;
      this.queuedBytes = 0;
      this.onRoom();
    }
  }
}

function snapshotRefused(code: number): ServerError {
  if (code === ErrorCode.UNSUPPORTED) return new ServerError(code, 'the host has no getSnapshot callback');
  if (code === ErrorCode.BUSY)
    return new ServerError(code, 'the host is ahead of what this engine has handed out');
  return new ServerError(ErrorCode.CALLBACK_FAILED, `getSnapshot returned ${code}`);
}
