/** The appending side of a WAL: framing, group commit, cuts, release and purge of segments. */
import { join } from 'node:path';
import type { Logger } from '../../core/api.ts';
import type { EntryBatch } from '../../core/entry-batch.ts';
import { encodeHardState } from '../../core/raftpb/message.ts';
import { EMPTY_HARD_STATE, type HardState } from '../../core/types.ts';
import { crc32cWith, type Crc32c } from '../crc32c.ts';
import type { Disk, DiskFile } from '../disk.ts';
import type { StorageBinding } from '../native-binding.ts';
import { StorageError, type WalSnapshot, type WalStatistics, type WriteAheadLog } from '../types.ts';
import { type CrcChain, FrameBuffer } from './frame-buffer.ts';
import { SegmentPipeline } from './segment-pipeline.ts';
import { type SegmentName, segmentName } from './wal-name.ts';
import { encodeWalSnapshot, FRAME_OVERHEAD_BYTES, RecordType } from './wal-record.ts';

/** etcd's: 64 million bytes. A segment is cut when the write that passes this size is done. */
export const SEGMENT_BYTES = 64_000_000;
/** Default of WalSettings.allocateStepBytes. */
export const ALLOCATE_STEP_BYTES = 4 << 20;
/** Frames that need no sync wait for company up to this size. */
const LAZY_BYTES_MAX = 64 << 10;
/** More than a framed hard state takes. */
const STATE_FRAME_BYTES_MAX = 128;
/** Buffers kept for reuse: one that is written, one that fills, one at a cut. */
const SPARE_BUFFERS_MAX = 3;

/** Told how long each write took that was made durable, its sync included. Milliseconds. */
export interface SyncObserver {
  now(): number;
  synced(durationMs: number): void;
}

export interface WalSettings {
  readonly disk: Disk;
  readonly directory: string;
  readonly logger: Logger;
  readonly binding: StorageBinding | null;
  readonly segmentBytes: number;
  /** A segment is extended with zeros in steps of this size, ahead of its frames: a small log stays small on the disk. */
  readonly allocateStepBytes: number;
  /** A write of at most this size is made on the calling thread when nothing else is under way; 0 is never. */
  readonly inlineBytesMax: number;
  readonly syncObserver?: SyncObserver | null;
}

/** Where appending starts: what the reader found, or what creation wrote. */
export interface WalPosition {
  readonly metadata: Uint8Array;
  readonly hardState: HardState;
  /** Index of the last entry or snapshot in the log. */
  readonly lastIndex: number;
  readonly chain: number;
  readonly offset: number;
  /** Size of the last segment's file. */
  readonly allocated: number;
}

export interface OpenSegment extends SegmentName {
  /** Null when the segment is released (or was never needed): it may be purged. */
  readonly file: DiskFile | null;
}

/** Frames that go to the disk in one write. All calls of `save` in it share its promise. */
interface Unit {
  readonly frames: FrameBuffer;
  /** File offset in its segment. */
  readonly position: number;
  /** Set on the first unit of a segment that is to be created. */
  readonly begins: SegmentName | null;
  /** The segment is cut behind this unit. */
  ends: boolean;
  sync: boolean;
  wanted: boolean;
  readonly written: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const DONE = Promise.resolve();

export class SegmentedLog implements WriteAheadLog {
  private readonly settings: WalSettings;
  private readonly crc32c: Crc32c;
  private readonly pipeline: SegmentPipeline;
  private readonly metadata: Uint8Array;
  private readonly chain: CrcChain = new Uint32Array(1);
  private readonly segments: OpenSegment[];
  private hardState: HardState;
  private lastIndex: number;
  /** Of the newest segment that frames go to: it may not exist yet. */
  private sequence: number;
  private offset: number;

  /** Size of the last segment's file. Frames beyond it wait for an extension that is under way. */
  private allocated: number;
  private extending: Promise<void> | null = null;
  private extendable = true;

  private filling: Unit | null = null;
  /** Units closed by a cut: at most one a cut, and a cut follows segmentBytes of frames. */
  private readonly closed: Unit[] = [];
  private readonly spare: FrameBuffer[] = [];
  private running: Promise<void> | null = null;
  private failure: unknown = null;
  private closing: Promise<void> | null = null;
  private syncs = 0;
  private writtenBytes = 0;

  /** Takes over the segments and their files; the last one is locked, at least. */
  constructor(settings: WalSettings, segments: readonly OpenSegment[], position: WalPosition) {
    this.settings = settings;
    this.crc32c = crc32cWith(settings.binding);
    this.pipeline = new SegmentPipeline(settings.disk, settings.directory, this.firstAllocation);
    this.metadata = position.metadata;
    this.chain[0] = position.chain;
    this.segments = [...segments];
    this.hardState = position.hardState;
    this.lastIndex = position.lastIndex;
    this.sequence = segments[segments.length - 1]!.sequence;
    this.offset = position.offset;
    this.allocated = position.allocated;
  }

  private get firstAllocation(): number {
    return Math.min(this.settings.segmentBytes, this.settings.allocateStepBytes);
  }

  get statistics(): WalStatistics {
    let waitingBytes = this.filling?.frames.length ?? 0;
    for (const unit of this.closed) waitingBytes += unit.frames.length;
    return {
      segments: this.segments.length,
      segmentBytes: this.offset,
      syncs: this.syncs,
      writtenBytes: this.writtenBytes,
      waitingBytes,
    };
  }

  save(hardState: HardState | null, entries: readonly EntryBatch[], mustSync: boolean): Promise<void> {
    const refused = this.refusal();
    if (refused !== null) return Promise.reject(refused);
    const stateChanged = hardState !== null && !isEmpty(hardState);
    if (!stateChanged && entries.length === 0 && !mustSync) return DONE;
    const unit = this.unit();
    const before = unit.frames.length;
    this.frame(unit.frames, stateChanged ? hardState : null, entries);
    return this.framed(unit, before, mustSync, entries.length > 0);
  }

  saveNow(hardState: HardState | null, entries: readonly EntryBatch[], mustSync: boolean): boolean {
    const refused = this.refusal();
    if (refused !== null) throw refused;
    if (!this.fitsNow(entries)) return false;
    const stateChanged = hardState !== null && !isEmpty(hardState);
    if (!stateChanged && entries.length === 0 && !mustSync) return true;
    const unit = this.unit();
    const { frames } = unit;
    const before = frames.length;
    this.frame(frames, stateChanged ? hardState : null, entries);
    this.offset += frames.length - before;
    this.filling = null;
    try {
      this.writeInline(unit, mustSync);
    } catch (error) {
      unit.reject(error);
      this.fail(error);
      throw error;
    }
    this.recycle(unit);
    return true;
  }

  /** Whether these entries, and what waits before them, may be written on the calling thread now. */
  private fitsNow(entries: readonly EntryBatch[]): boolean {
    if (this.running !== null) return false;
    let size = this.filling?.frames.length ?? 0;
    for (const batch of entries) size += batch.encodedSize + batch.count * FRAME_OVERHEAD_BYTES;
    size += STATE_FRAME_BYTES_MAX;
    if (size > this.settings.inlineBytesMax) return false;
    // Neither a cut nor an extension that is under way is waited for here.
    const end = this.offset + size;
    return end < this.settings.segmentBytes && (this.extending === null || end <= this.allocated);
  }

  private frame(frames: FrameBuffer, hardState: HardState | null, entries: readonly EntryBatch[]): void {
    for (const batch of entries) {
      if (batch.count === 0) continue;
      frames.addEntries(batch, this.chain);
      this.lastIndex = batch.lastIndex;
    }
    if (hardState !== null) {
      this.hardState = hardState;
      frames.addRecord(RecordType.State, encodeHardState(hardState), this.chain);
    }
  }

  /** The unit is written. */
  private recycle(unit: Unit): void {
    if (this.spare.length < SPARE_BUFFERS_MAX) {
      this.spare.push(unit.frames);
    }
    unit.resolve();
  }

  saveSnapshot(snapshot: WalSnapshot): Promise<void> {
    const refused = this.refusal();
    if (refused !== null) return Promise.reject(refused);
    if (snapshot.confState === null && snapshot.index > 0) {
      return Promise.reject(new StorageError(`snapshot record ${snapshot.index} without its configuration`));
    }
    const unit = this.unit();
    const before = unit.frames.length;
    unit.frames.addRecord(RecordType.Snapshot, encodeWalSnapshot(snapshot), this.chain);
    if (this.lastIndex < snapshot.index) this.lastIndex = snapshot.index;
    return this.framed(unit, before, true, true);
  }

  /** Accounts for new frames in `unit`, cuts if the segment is full, and sees to it that they are written. */
  private framed(unit: Unit, before: number, mustSync: boolean, wanted: boolean): Promise<void> {
    this.offset += unit.frames.length - before;
    if (mustSync) unit.sync = true;
    if (mustSync || wanted || unit.frames.length >= LAZY_BYTES_MAX) unit.wanted = true;
    if (this.offset >= this.settings.segmentBytes) this.cut(unit);
    if (!unit.wanted) return DONE;
    this.running ??= this.run();
    return mustSync || wanted ? unit.written : DONE;
  }

  private refusal(): unknown {
    if (this.failure !== null) return this.failure;
    if (this.closing !== null) return new StorageError(`waldir ${this.settings.directory} is closed`);
    return null;
  }

  private unit(): Unit {
    this.filling ??= this.newUnit(this.offset, null);
    return this.filling;
  }

  private newUnit(position: number, begins: SegmentName | null): Unit {
    let resolve!: () => void;
    let reject!: (error: unknown) => void;
    const written = new Promise<void>((whenWritten, whenFailed) => {
      resolve = whenWritten;
      reject = whenFailed;
    });
    // A failure reaches every later call too: a caller that does not look at this one misses nothing.
    written.catch(() => undefined);
    const frames = this.spare.pop() ?? new FrameBuffer(this.settings.binding, this.crc32c);
    frames.clear(position);
    return { frames, position, begins, ends: false, sync: false, wanted: false, written, resolve, reject };
  }

  /** Ends the segment behind what is framed, and frames the head of the next one. */
  private cut(unit: Unit): void {
    unit.ends = true;
    unit.sync = true;
    unit.wanted = true;
    this.closed.push(unit);
    this.sequence++;
    const next = this.newUnit(0, segmentName(this.sequence, this.lastIndex + 1));
    next.sync = true;
    next.wanted = true;
    next.frames.addRecord(RecordType.Crc, null, this.chain);
    next.frames.addRecord(RecordType.Metadata, this.metadata, this.chain);
    if (!isEmpty(this.hardState)) {
      next.frames.addRecord(RecordType.State, encodeHardState(this.hardState), this.chain);
    }
    this.filling = next;
    this.offset = next.frames.length;
  }

  /** Writes what is wanted, unit by unit. What arrives while one is written goes with the next: group commit. */
  private async run(): Promise<void> {
    // Calls made in the same turn of the event loop share the first write.
    await DONE;
    try {
      for (;;) {
        let unit = this.closed.shift();
        if (unit === undefined) {
          if (this.filling === null || !this.filling.wanted) break;
          unit = this.filling;
          this.filling = null;
        }
        try {
          await this.write(unit);
        } catch (error) {
          unit.reject(error);
          throw error;
        }
        this.recycle(unit);
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.running = null;
    }
  }

  /** After a failed write or sync nothing is known about the file's end: no more is written, ever. */
  private fail(error: unknown): void {
    this.failure = error;
    for (const unit of this.closed.splice(0)) unit.reject(error);
    this.filling?.reject(error);
    this.filling = null;
    this.settings.logger.error(
      `waldir ${this.settings.directory}: writing failed, the log is closed to writes: ${String(error)}`,
    );
  }

  private async write(unit: Unit): Promise<void> {
    if (unit.begins === null && unit.position + unit.frames.length > this.allocated) await this.extending;
    if (this.isLoneAndSmall(unit)) {
      this.writeInline(unit, unit.sync);
      return;
    }
    const begun = this.now();
    const syncsBefore = this.syncs;
    const { bytes, start, length } = unit.frames;
    const end = unit.position + length;
    if (unit.begins !== null) await this.beginSegment(unit.begins, unit.frames);
    else {
      const file = this.tail();
      const sync = unit.sync && !unit.ends;
      if (length > 0) await file.write(bytes, start, start + length, unit.position, sync);
      else if (sync) await file.sync();
      if (sync) this.syncs++;
    }
    if (unit.ends) {
      await this.extending;
      const file = this.tail();
      await file.truncate(end);
      await file.sync();
      this.syncs++;
      this.writtenBytes += length;
      this.allocated = Math.max(this.allocated, end);
    } else this.written(unit.position, length);
    if (this.syncs !== syncsBefore) this.synced(begun);
  }

  private isLoneAndSmall(unit: Unit): boolean {
    if (unit.begins !== null || unit.ends || this.filling !== null) return false;
    return unit.frames.length <= this.settings.inlineBytesMax;
  }

  private writeInline(unit: Unit, sync: boolean): void {
    const { bytes, start, length } = unit.frames;
    const begun = this.now();
    this.tail().writeInline(bytes, start, start + length, unit.position, sync);
    if (sync) {
      this.syncs++;
      this.synced(begun);
    }
    this.written(unit.position, length);
  }

  /** Accounts for `length` bytes that are in the file from `position` on, and looks ahead. */
  private written(position: number, length: number): void {
    const end = position + length;
    this.writtenBytes += length;
    this.allocated = Math.max(this.allocated, end);
    this.extend(end);
    if (2 * end >= this.settings.segmentBytes) this.pipeline.prepare();
  }

  private now(): number {
    return this.settings.syncObserver?.now() ?? 0;
  }

  private synced(begun: number): void {
    this.settings.syncObserver?.synced(this.now() - begun);
  }

  /** Begins to extend the segment when half a step is left. */
  private extend(end: number): void {
    const { segmentBytes, allocateStepBytes, logger, directory } = this.settings;
    if (this.extending !== null || !this.extendable) return;
    if (this.allocated >= segmentBytes || this.allocated - end > allocateStepBytes / 2) return;
    const target = Math.min(segmentBytes, this.allocated + allocateStepBytes);
    this.extending = this.tail()
      .preallocate(target)
      .then(
        () => {
          this.allocated = Math.max(this.allocated, target);
        },
        (error: unknown) => {
          // Frames may still find room; if not, their own write says so.
          this.extendable = false;
          logger.warning(`waldir ${directory}: no space ahead of need: ${String(error)}`);
        },
      )
      .finally(() => {
        this.extending = null;
      });
  }

  private async beginSegment(name: SegmentName, { bytes, start, length }: FrameBuffer): Promise<void> {
    const { disk, directory, logger } = this.settings;
    const file = await this.pipeline.take();
    try {
      await file.write(bytes, start, start + length, 0, true);
      this.syncs++;
      const path = join(directory, name.name);
      await disk.rename(file.path, path);
      await disk.syncDirectory(directory);
      this.segments.push({ ...name, file });
      this.allocated = Math.max(length, this.firstAllocation);
      this.extendable = true;
      logger.debug(`waldir ${directory}: new segment ${name.name}`);
    } catch (error) {
      await file.close().catch(() => undefined);
      throw error;
    }
  }

  private tail(): DiskFile {
    return this.segments[this.segments.length - 1]!.file!;
  }

  async releaseTo(index: number): Promise<void> {
    // The last segment that begins below `index` may hold entry `index`: it stays, as does all behind it.
    let keepFrom = this.segments.findIndex((segment) => segment.file !== null && segment.index >= index) - 1;
    if (keepFrom < -1) keepFrom = this.segments.length - 1;
    for (let i = 0; i < keepFrom; i++) {
      const segment = this.segments[i]!;
      if (segment.file === null) continue;
      this.segments[i] = { ...segment, file: null };
      await segment.file.close();
    }
  }

  async purge(keep: number): Promise<string[]> {
    const removed: string[] = [];
    while (this.segments.length > Math.max(keep, 1) && this.segments[0]!.file === null) {
      const segment = this.segments.shift()!;
      try {
        await this.settings.disk.remove(join(this.settings.directory, segment.name));
      } catch (error) {
        this.segments.unshift(segment);
        throw error;
      }
      removed.push(segment.name);
    }
    return removed;
  }

  close(): Promise<void> {
    this.closing ??= this.finish();
    return this.closing;
  }

  /** A failure that callers of `save` were told about is not reported again. */
  private async finish(): Promise<void> {
    const told = this.failure;
    if (this.filling !== null) {
      this.filling.sync = true;
      this.filling.wanted = true;
      this.running ??= this.run();
    }
    await this.running;
    await this.extending;
    const problems: unknown[] = this.failure === told ? [] : [this.failure];
    const attempt = async (action: () => Promise<void>): Promise<void> => {
      try {
        await action();
      } catch (error) {
        problems.push(error);
      }
    };
    await attempt(() => this.pipeline.close());
    for (const segment of this.segments) {
      if (segment.file !== null) await attempt(() => segment.file!.close());
    }
    this.failure ??= new StorageError(`waldir ${this.settings.directory} is closed`);
    if (problems.length > 0) throw problems[0];
  }
}

function isEmpty(state: HardState): boolean {
  return state === EMPTY_HARD_STATE || (state.term === 0 && state.vote === 0 && state.commit === 0);
}
