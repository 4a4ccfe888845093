/** Snapshots of the own host's state: one at a time, labelled with the last entry handed to the host before. */
import { ErrorCode } from '../core/codes.generated.ts';
import type { SnapshotMetadata } from '../core/types.ts';
import type { SnapshotDirectory, SnapshotFile } from '../storage/types.ts';
import { ServerError, type Clock, type StateMachinePort } from './api.ts';
import { toServerError } from './errors.ts';
import { SNAPSHOT_RETRY_MS } from './limits.ts';

export interface SnapshotTarget {
  /** What a snapshot taken now is labelled with: the last entry handed to the host. */
  label(): SnapshotMetadata;
  /** Index of the newest snapshot on disk (own or received). */
  newestIndex(): number;
  /** The file is durable: makes it known to the WAL, then lets the log shrink. Not called when a newer one arrived. */
  saved(file: SnapshotFile): Promise<void>;
  failed(error: ServerError): void;
  /** The disk failed: the server stops. */
  fatal(error: unknown): void;
}

interface Waiter {
  readonly resolve: (index: number) => void;
  readonly reject: (error: ServerError) => void;
}

export class SnapshotTaker {
  private readonly port: StateMachinePort;
  private readonly directory: SnapshotDirectory;
  private readonly clock: Clock;
  private readonly target: SnapshotTarget;
  private running = false;
  private ended: ServerError | null = null;
  private retryAt = 0;
  /** Forced snapshots that the next run answers; callers are the host's threads, one each. */
  private waiters: Waiter[] = [];

  constructor(port: StateMachinePort, directory: SnapshotDirectory, clock: Clock, target: SnapshotTarget) {
    this.port = port;
    this.directory = directory;
    this.clock = clock;
    this.target = target;
  }

  get busy(): boolean {
    return this.running;
  }

  /** Takes one unless one is being taken, or one failed a moment ago. */
  takeIfIdle(): void {
    if (this.running || this.ended !== null || this.clock.now() < this.retryAt) return;
    this.start();
  }

  /** Resolves with the index of a snapshot that holds all that was handed to the host before this call. */
  force(): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.ended !== null) {
        reject(this.ended);
        return;
      }
      this.waiters.push({ resolve, reject });
      if (!this.running) this.start();
    });
  }

  end(error: ServerError): void {
    this.ended ??= error;
    for (const waiter of this.waiters.splice(0)) waiter.reject(error);
  }

  private start(): void {
    this.running = true;
    const waiters = this.waiters.splice(0);
    this.take().then(
      (index) => {
        for (const waiter of waiters) waiter.resolve(index);
        this.finished();
      },
      (error: unknown) => {
        this.retryAt = this.clock.now() + SNAPSHOT_RETRY_MS;
        const failure = this.ended ?? toServerError(error, 'taking a snapshot');
        for (const waiter of waiters) waiter.reject(failure);
        if (this.ended === null) this.target.failed(failure);
        this.finished();
      },
    );
  }

  private finished(): void {
    this.running = false;
    if (this.waiters.length > 0 && this.ended === null) this.start();
  }

  private async take(): Promise<number> {
    const metadata = this.target.label();
    if (metadata.index === 0)
      throw new ServerError(ErrorCode.REJECTED, 'nothing has been applied yet: no state to snapshot');
    if (metadata.index <= this.target.newestIndex()) return this.target.newestIndex();
    // The label and the request leave in one turn: nothing is handed to the host between them.
    const state = await this.port.takeSnapshot(metadata.index).catch((error: unknown) => {
      if (error instanceof ServerError) throw error;
      throw new ServerError(ErrorCode.CALLBACK_FAILED, `the host gave no snapshot: ${String(error)}`);
    });
    if (this.ended !== null) {
      state.discard?.();
      throw this.ended;
    }
    const file = await this.write(metadata, state);
    if (this.ended !== null) throw this.ended;
    if (file.metadata.index <= this.target.newestIndex()) return this.target.newestIndex();
    try {
      await this.target.saved(file);
    } catch (error) {
      this.target.fatal(error);
      throw error;
    }
    return metadata.index;
  }

  private async write(
    metadata: SnapshotMetadata,
    state: Awaited<ReturnType<StateMachinePort['takeSnapshot']>>,
  ): Promise<SnapshotFile> {
    const writer = await this.directory.create(metadata, state.dataBytes).catch((error: unknown) => {
      state.discard?.();
      throw error;
    });
    try {
      await state.read((chunk) => writer.write(chunk));
      return await writer.commit();
    } catch (error) {
      await writer.abort().catch(() => undefined);
      throw error;
    }
  }
}
