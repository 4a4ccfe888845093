/** Creates a WAL, or opens one at a snapshot and makes its end fit for appending. */
import { basename, join } from 'node:path';
import { crc32cWith } from '../crc32c.ts';
import type { DiskFile } from '../disk.ts';
import { syncNameOf } from '../durable-directory.ts';
import { CorruptionError, LockedError, StorageError, type WalContents, type WalSnapshot } from '../types.ts';
import { FrameBuffer } from './frame-buffer.ts';
import { cutTornTail, zeroBehind } from './wal-tail.ts';
import { type SegmentName, searchSegment, segmentName } from './wal-name.ts';
import { checkSequence, closeAll, listSegments, readSegments, type WalReading } from './wal-reader.ts';
import { encodeWalSnapshot, RecordType } from './wal-record.ts';
import { SegmentedLog, type WalSettings } from './write-ahead-log.ts';

export interface OpenedWal {
  readonly wal: SegmentedLog;
  readonly contents: WalContents;
  /** Snapshot records from the segment on that was read first. */
  readonly snapshots: readonly WalSnapshot[];
}

/** The snapshot that a WAL was to be opened at is not in it, is not committed by it, or has another term in it. */
export class UnknownSnapshotError extends Error {
  override readonly name = 'UnknownSnapshotError';
}

export async function walExists(settings: WalSettings): Promise<boolean> {
  if (!(await settings.disk.exists(settings.directory))) return false;
  return (await listSegments(settings.disk, settings.directory)).length > 0;
}

/**
 * A new WAL appears whole or not at all: its directory is made as `<directory>.tmp` and renamed; in a directory that is
 * there already (and keeps what is in it) the first segment is renamed.
 */
export async function createWal(settings: WalSettings, metadata: Uint8Array): Promise<OpenedWal> {
  const { disk, directory, binding } = settings;
  if (await walExists(settings))
    throw new StorageError(`waldir ${directory} has a log in it already`, 'EEXIST');
  const segment = segmentName(0, 0);
  const isThere = await disk.exists(directory);
  const home = isThere ? directory : `${directory}.tmp`;
  if (isThere) await removeLeftovers(settings);
  else {
    await removeUnfinished(settings, home);
    await disk.makeDirectory(home, 0o700);
  }
  const file = await disk.open(join(home, isThere ? '0.tmp' : segment.name), 'create-exclusive', 0o600);
  try {
    if (!(await file.tryLock())) throw new LockedError(`${file.path} is locked by another process`);
    const allocated = Math.min(settings.segmentBytes, settings.allocateStepBytes);
    file.bypassCache();
    await file.preallocate(allocated);
    const chain = new Uint32Array(1);
    const frames = new FrameBuffer(binding, crc32cWith(binding));
    frames.addRecord(RecordType.Crc, null, chain);
    frames.addRecord(RecordType.Metadata, metadata.length === 0 ? null : metadata, chain);
    const initial = encodeWalSnapshot({ index: 0, term: 0, confState: null });
    frames.addRecord(RecordType.Snapshot, initial, chain);
    await file.write(frames.bytes, frames.start, frames.start + frames.length, 0, true);
    if (isThere) await disk.rename(file.path, join(directory, segment.name));
    await disk.syncDirectory(home);
    if (!isThere) await disk.rename(home, directory);
    await syncNameOf(disk, directory);
    const position = {
      metadata,
      hardState: { term: 0, vote: 0, commit: 0 },
      lastIndex: 0,
      chain: chain[0]!,
      offset: frames.length,
      allocated,
    };
    const wal = new SegmentedLog(settings, [{ ...segment, file }], position);
    const contents = { metadata, hardState: position.hardState, batches: [], cutBytes: 0 };
    return { wal, contents, snapshots: [{ index: 0, term: 0, confState: null }] };
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
}

/** Removes what an interrupted creation left; refuses a directory with anything else in it. */
async function removeUnfinished(settings: WalSettings, temporary: string): Promise<void> {
  const { disk } = settings;
  if (!(await disk.exists(temporary))) return;
  for (const name of await disk.list(temporary)) {
    if (name !== segmentName(0, 0).name) {
      throw new StorageError(`${temporary} has ${name} in it, which is not ours: move it away`, 'ENOTEMPTY');
    }
    await disk.remove(join(temporary, name));
  }
  await disk.removeDirectory(temporary);
}

/**
 * Opens for appending at `snapshot` ({index 0, term 0} for the beginning): entries after it are in the contents. Throws
 * UnknownSnapshotError when the WAL does not know that snapshot, and what `checkMetadata` throws, before anything is
 * changed. A torn tail is cut, after a copy of the segment was written beside it.
 */
export async function openWal(
  settings: WalSettings,
  snapshot: { readonly index: number; readonly term: number },
  checkMetadata: (metadata: Uint8Array) => void,
): Promise<OpenedWal> {
  const { disk, directory, logger } = settings;
  const all = await listSegments(disk, directory);
  if (all.length === 0) throw new StorageError(`waldir ${directory} has no .wal file in it`, 'ENOENT');
  const from = searchSegment(all, snapshot.index);
  if (from < 0) {
    throw new UnknownSnapshotError(
      `waldir ${directory} begins at entry ${all[0]!.index}: the entries after index ${snapshot.index} are gone`,
    );
  }
  const segments = all.slice(from);
  checkSequence(directory, segments);
  const files = await openLocked(settings, segments);
  try {
    const reading = await readSegments(
      directory,
      segments,
      files,
      snapshot.index,
      crc32cWith(settings.binding),
    );
    const metadata = reading.metadata;
    if (metadata === null) {
      throw new CorruptionError(
        join(directory, segments[0]!.name),
        0,
        'it has no metadata record',
        'The log is empty or not a log: move the directory away and restore this node from its peers',
      );
    }
    checkMetadata(metadata);
    checkSnapshot(directory, snapshot, reading);
    const cutBytes = await cleanTail(settings, segments, files, reading);
    const released = all.slice(0, from).map((segment) => ({ ...segment, file: null }));
    const open = segments.map((segment, i) => ({ ...segment, file: files[i]! }));
    const wal = new SegmentedLog(settings, [...released, ...open], {
      metadata,
      hardState: reading.hardState,
      lastIndex: lastIndexOf(reading),
      chain: reading.chain,
      offset: reading.tailOffset,
      allocated: await files[files.length - 1]!.size(),
    });
    const contents = { metadata, hardState: reading.hardState, batches: reading.entries.finish(), cutBytes };
    await removeLeftovers(settings);
    return { wal, contents, snapshots: reading.snapshots };
  } catch (error) {
    await closeAll(files).catch((problem: unknown) => {
      logger.warning(`waldir ${directory}: closing failed: ${String(problem)}`);
    });
    throw error;
  }
}

function lastIndexOf(reading: WalReading): number {
  const newest = reading.snapshots.reduce((index, snapshot) => Math.max(index, snapshot.index), 0);
  return Math.max(reading.entries.lastSeen, newest);
}

async function openLocked(settings: WalSettings, segments: readonly SegmentName[]): Promise<DiskFile[]> {
  const { disk, directory } = settings;
  const files: DiskFile[] = [];
  try {
    for (const segment of segments) {
      const file = await disk.open(join(directory, segment.name), 'read-write');
      files.push(file);
      if (!(await file.tryLock())) {
        throw new LockedError(`waldir ${directory} is in use: another process has locked ${segment.name}`);
      }
    }
  } catch (error) {
    await closeAll(files).catch(() => undefined);
    throw error;
  }
  return files;
}

function checkSnapshot(
  directory: string,
  wanted: { readonly index: number; readonly term: number },
  reading: WalReading,
): void {
  const known = reading.snapshots.filter((snapshot) => snapshot.index === wanted.index);
  if (known.length === 0) {
    throw new UnknownSnapshotError(
      `waldir ${directory} does not mention a snapshot at index ${wanted.index}`,
    );
  }
  if (known.some((snapshot) => snapshot.term !== wanted.term)) {
    throw new UnknownSnapshotError(
      `waldir ${directory} has the snapshot at index ${wanted.index} with another term than ${wanted.term}`,
    );
  }
  const { startsAfter } = reading.entries;
  if (startsAfter !== wanted.index) {
    throw new UnknownSnapshotError(
      `waldir ${directory} goes on from a leader's snapshot at index ${startsAfter}, not from that at ${wanted.index}`,
    );
  }
  if (reading.hardState.commit < wanted.index) {
    throw new UnknownSnapshotError(
      `waldir ${directory} has committed up to ${reading.hardState.commit}, below the snapshot at ${wanted.index}`,
    );
  }
}

/** Bytes that were cut from the tail. */
async function cleanTail(
  settings: WalSettings,
  segments: readonly SegmentName[],
  files: readonly DiskFile[],
  reading: WalReading,
): Promise<number> {
  const { directory, logger } = settings;
  const { name } = segments[segments.length - 1]!;
  const file = files[files.length - 1]!;
  const { tailOffset, tailBytes } = reading;
  let cutBytes: number;
  if (reading.torn !== null) {
    cutBytes = await cutTornTail(settings.disk, directory, name, file, tailOffset, tailBytes);
    logger.warning(
      `${join(directory, name)}: cut an unfinished write of ${cutBytes} bytes at byte ${tailOffset} ` +
        `(${reading.torn}); the file as it was is ${name}.broken`,
    );
  } else {
    cutBytes = await zeroBehind(file, tailOffset, tailBytes);
    if (cutBytes > 0) {
      logger.warning(
        `${join(directory, name)}: cut ${cutBytes} bytes of unfinished writes behind byte ${tailOffset}`,
      );
    }
  }
  file.bypassCache();
  try {
    await file.preallocate(Math.min(settings.segmentBytes, tailOffset + settings.allocateStepBytes));
  } catch (error) {
    logger.warning(`waldir ${directory}: no space ahead of need: ${String(error)}`);
  }
  return cutBytes;
}

/** Temporary segments that a killed process left. */
async function removeLeftovers(settings: WalSettings): Promise<void> {
  const { disk, directory, logger } = settings;
  for (const name of await disk.list(directory)) {
    if (!/^[01]\.tmp$/.test(name)) continue;
    await disk.remove(join(directory, name));
    logger.debug(`waldir ${directory}: removed ${basename(name)} of an earlier run`);
  }
}
