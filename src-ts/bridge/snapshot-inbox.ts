import { ErrorCode } from '../core/codes.generated.ts';
import { ServerError, type HostSnapshot } from '../server/api.ts';

/** Bytes of a snapshot that wait for the disk; above it the command ring is left alone until some are written. */
const MAX_QUEUED_BYTES = 8 * 1024 * 1024;

/**
 * Puts the chunks of one SNAPSHOT_DATA answer into a reader's hands, in order and with bounded memory: while it is full,
 * the host's command ring waits. So somebody must always read, discard or abandon it; then it is never full again.
 */
export class SnapshotInbox {
  /** Settled by the answer's first chunk, or by `abandon`. */
  readonly snapshot: Promise<HostSnapshot>;
  private readonly onRoom: () => void;
  private readonly queue: Uint8Array[] = [];
  private queuedBytes = 0;
  private received = 0;
  private total = 0;
  /** Why nothing is kept any more. */
  private closed: Error | null = null;
  private wake: (() => void) | null = null;
  private resolve!: (snapshot: HostSnapshot) => void;
  private reject!: (error: Error) => void;

  constructor(onRoom: () => void) {
    this.onRoom = onRoom;
    this.snapshot = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Whoever asked may have been given up before the answer.
    this.snapshot.catch(() => undefined);
  }

  get isFull(): boolean {
    return this.queuedBytes >= MAX_QUEUED_BYTES;
  }

  /** The first chunk told getSnapshot's result, and how many bytes of data there are (0 unless it succeeded). */
  begin(code: number, dataBytes: number): void {
    this.total = dataBytes;
    if (code !== 0) {
      this.abandon(snapshotRefused(code));
      return;
    }
    this.resolve({
      dataBytes,
      read: (chunk) => this.read(chunk),
      discard: () => {
        this.abandon(new ServerError(ErrorCode.STOPPED, 'the snapshot was not wanted any more'));
      },
    });
  }

  /** False when there are more bytes than were announced, or fewer with the last. Takes them. */
  add(bytes: Uint8Array, last: boolean): boolean {
    this.received += bytes.length;
    if (this.received > this.total || (last && this.received < this.total)) return false;
    if (this.closed !== null || bytes.length === 0) return true;
    this.queue.push(bytes);
    this.queuedBytes += bytes.length;
    this.wakeReader();
    return true;
  }

  /** Nobody will read on; what still comes is dropped. */
  abandon(error: Error): void {
    this.closed ??= error;
    this.queue.length = 0;
    this.queuedBytes = 0;
    this.reject(error);
    this.wakeReader();
    this.onRoom();
  }

  private wakeReader(): void {
    const { wake } = this;
    this.wake = null;
    wake?.();
  }

  private async read(chunk: (bytes: Uint8Array) => Promise<void> | void): Promise<void> {
    let done = 0;
    try {
      while (done < this.total) {
        if (this.closed !== null) throw this.closed;
        const bytes = this.queue.shift();
        if (bytes === undefined) {
          await new Promise<void>((resolve) => {
            this.wake = resolve;
          });
          continue;
        }
        await chunk(bytes);
        done += bytes.length;
        // Counted until it is written, so that the bound holds for a slow disk, too.
        const wasFull = this.isFull;
        this.queuedBytes = Math.max(0, this.queuedBytes - bytes.length);
        if (wasFull && !this.isFull) this.onRoom();
      }
    } catch (error) {
      this.abandon(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }
}

function snapshotRefused(code: number): ServerError {
  if (code === ErrorCode.UNSUPPORTED) return new ServerError(code, 'the host has no getSnapshot callback');
  if (code === ErrorCode.BUSY)
    return new ServerError(code, 'the host is ahead of what this engine has handed out; try again later');
  return new ServerError(ErrorCode.CALLBACK_FAILED, `getSnapshot returned ${code}`);
}
