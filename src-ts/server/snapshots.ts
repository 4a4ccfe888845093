/** When snapshots are taken, and what follows when one is on disk. */
import { ErrorCode, EventCode } from '../core/codes.generated.ts';
import type { SnapshotMetadata } from '../core/types.ts';
import type { SnapshotFile, WriteAheadLog } from '../storage/types.ts';
import type { AppendQueue } from './append-queue.ts';
import { ServerError } from './api.ts';
import type { ApplyQueue } from './apply-queue.ts';
import type { Engine } from './engine.ts';
import { KEPT_LOG_BYTES, PINNED_LOG_BYTES, SNAPSHOT_LOG_BYTES } from './limits.ts';
import type { LedgerCursor } from './log-ledger.ts';
import type { SnapshotSender } from './snapshot-sender.ts';
import type { SnapshotShelf } from './snapshot-shelf.ts';
import type { SnapshotTaker, SnapshotTarget } from './snapshot-taker.ts';
import type { StableLog } from './stable-log.ts';

export interface SnapshotParts {
  readonly wal: WriteAheadLog;
  readonly log: StableLog;
  readonly shelf: SnapshotShelf;
  readonly appends: AppendQueue;
  readonly applies: ApplyQueue;
  readonly sender: SnapshotSender;
}

export class Snapshots implements SnapshotTarget {
  private readonly engine: Engine;
  private readonly parts: SnapshotParts;
  private readonly fatalError: (error: unknown, doing: string) => void;
  /** Log bytes behind the newest snapshot. */
  private readonly behind: LedgerCursor;
  /** When the last snapshot was saved, or this server began. */
  private lastAt: number;

  constructor(engine: Engine, parts: SnapshotParts, fatalError: (error: unknown, doing: string) => void) {
    this.engine = engine;
    this.parts = parts;
    this.fatalError = fatalError;
    this.behind = parts.log.ledger.cursor();
    this.lastAt = this.now();
  }

  /** Takes a snapshot if snap_count says so, or if the log has grown large. */
  check(taker: SnapshotTaker): void {
    const { manualSnap, snapCount, snapshotIntervalMs = 0 } = this.engine.config;
    if (manualSnap || snapCount === 0 || taker.busy || !this.parts.applies.isCaughtUp) return;
    const newest = this.parts.shelf.newestIndex;
    const applied = this.engine.port.appliedIndex();
    const bytes = this.behind.bytesBeyond(newest);
    const isDue = applied - newest >= snapCount && this.now() - this.lastAt >= snapshotIntervalMs;
    if (isDue || (bytes >= SNAPSHOT_LOG_BYTES && applied > newest)) taker.takeIfIdle();
  }

  private now(): number {
    return this.engine.environment.clock.now();
  }

  label(): SnapshotMetadata {
    const { handedIndex, handedTerm, handedConfState, isCaughtUp } = this.parts.applies;
    if (!isCaughtUp)
      throw new ServerError(ErrorCode.BUSY, 'the log is still being gone through after the start');
    return { index: handedIndex, term: handedTerm, confState: handedConfState };
  }

  newestIndex(): number {
    return this.parts.shelf.newestIndex;
  }

  async saved(file: SnapshotFile): Promise<void> {
    const { wal, log, shelf, appends } = this.parts;
    const { index, term, confState } = file.metadata;
    // A snapshot record above the commit index on disk would not be believed after a restart.
    appends.flushCommit();
    await wal.saveSnapshot({ index, term, confState });
    if (index <= shelf.newestIndex || this.engine.phase === 'ended') return;
    this.lastAt = this.now();
    const before = shelf.newestIndex;
    shelf.add(file);
    log.snapshotSaved(file.metadata, this.compactTo(index));
    // The segments since the snapshot before stay: should the newest file rot, that one still leads on.
    await wal.releaseTo(before);
    this.engine.counters.snapshotsSaved++;
    this.engine.port.event(EventCode.SNAPSHOT_SAVED, index, '');
    this.engine.environment.logger.info(`snapshot at index ${index} saved, ${file.dataBytes} bytes`);
  }

  /** Followers that lag behind this need a snapshot: few entries, few bytes, but all that one under way needs next. */
  private compactTo(index: number): number {
    const { ledger } = this.parts.log;
    const wanted = Math.max(
      index - this.engine.config.snapshotEntries,
      ledger.indexKeeping(KEPT_LOG_BYTES, index),
    );
    const pinned = Math.min(wanted, this.parts.sender.pinnedIndex());
    return Math.min(index, Math.max(pinned, ledger.indexKeeping(PINNED_LOG_BYTES, index)));
  }

  failed(error: ServerError): void {
    this.engine.counters.snapshotsFailed++;
    this.engine.port.event(EventCode.SNAPSHOT_FAILED, error.code, error.message);
    this.engine.environment.logger.warning(`snapshot failed: ${error.message}`);
  }

  fatal(error: unknown): void {
    this.fatalError(error, 'recording a snapshot in the WAL');
  }
}
