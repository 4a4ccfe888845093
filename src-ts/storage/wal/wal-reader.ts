/** Reads consecutive segments into what a server needs, by etcd's rules. */
import { join } from 'node:path';
import { decodeHardState } from '../../core/raftpb/message.ts';
import { DecodeError } from '../../core/raftpb/varint.ts';
import { EMPTY_HARD_STATE, type HardState } from '../../core/types.ts';
import type { Crc32c } from '../crc32c.ts';
import type { Disk, DiskFile } from '../disk.ts';
import { CorruptionError, StorageError, type WalSnapshot } from '../types.ts';
import { EntryLog } from './entry-log.ts';
import { SegmentReader } from './segment-reader.ts';
import { type SegmentName, segmentsOf } from './wal-name.ts';
import { decodeWalSnapshot, RecordType } from './wal-record.ts';

export interface WalReading {
  /** Null when there was no metadata record. */
  readonly metadata: Uint8Array | null;
  readonly hardState: HardState;
  readonly entries: EntryLog;
  /** Snapshot records in order, the initial {0, 0} included. */
  readonly snapshots: readonly WalSnapshot[];
  /** Of the last segment: where the next record goes. */
  readonly tailOffset: number;
  readonly tailBytes: number;
  /** What is wrong behind tailOffset when the last write was torn; null when the end is clean. */
  readonly torn: string | null;
  readonly chain: number;
}

export function repairAdvice(directory: string): string {
  return (
    `The log cannot be used beyond it: replace this node by a new member, since its peers have everything; without ` +
    `peers, give up what is behind it with \`polyraft wal repair --discard ${directory}\``
  );
}

/** Segments of a directory, checked for a continuous sequence from `from` on. */
export async function listSegments(disk: Disk, directory: string): Promise<SegmentName[]> {
  return segmentsOf(await disk.list(directory));
}

export function checkSequence(directory: string, segments: readonly SegmentName[]): void {
  for (let i = 1; i < segments.length; i++) {
    const before = segments[i - 1]!;
    const here = segments[i]!;
    if (here.sequence !== before.sequence + 1) {
      throw new CorruptionError(
        join(directory, here.name),
        0,
        `its sequence number does not follow that of ${before.name}: a segment is missing or there twice`,
        'Put the missing file back, or restore this node from its peers',
      );
    }
  }
}

/** `files[i]` is the open file of `segments[i]`. Entries up to index `after` are not kept. */
export async function readSegments(
  directory: string,
  segments: readonly SegmentName[],
  files: readonly DiskFile[],
  after: number,
  crc32c: Crc32c,
): Promise<WalReading> {
  const entries = new EntryLog(after);
  const snapshots: WalSnapshot[] = [];
  let metadata: Uint8Array | null = null;
  let hardState = EMPTY_HARD_STATE;
  let chain = 0;
  let tailOffset = 0;
  let tailBytes = 0;
  let torn: string | null = null;
  for (let i = 0; i < segments.length; i++) {
    const path = join(directory, segments[i]!.name);
    const isLast = i === segments.length - 1;
    tailBytes = await files[i]!.size();
    const reader = new SegmentReader(files[i]!, tailBytes, isLast, chain, crc32c);
    const corrupt = (offset: number, what: string): CorruptionError =>
      new CorruptionError(path, offset, what, repairAdvice(directory));
    reading: for (;;) {
      const result = reader.next();
      switch (result) {
        case 'more':
          entries.seal();
          await reader.fill();
          continue;
        case 'end':
          break reading;
        case 'torn':
          torn = reader.problem;
          break reading;
        case 'corrupt':
          throw corrupt(reader.offset, reader.problem);
        case 'record':
          break;
      }
      try {
        switch (reader.type) {
          case RecordType.Entry:
            entries.add(reader.buffer, reader.dataStart, reader.dataEnd);
            break;
          case RecordType.State: {
            const next = decodeHardState(reader.data());
            if (!sameState(next, hardState)) entries.committed(next.commit);
            hardState = next;
            break;
          }
          case RecordType.Metadata:
            if (metadata !== null && !sameBytes(metadata, reader.data())) {
              throw corrupt(reader.recordOffset, 'its metadata differs from that of the segment before');
            }
            metadata = reader.data().slice();
            break;
          case RecordType.Crc:
            if (!reader.adoptCrc()) {
              throw corrupt(
                reader.recordOffset,
                'it does not continue the checksum chain of what is before it',
              );
            }
            break;
          case RecordType.Snapshot: {
            const snapshot = decodeWalSnapshot(reader.data());
            snapshots.push(snapshot);
            entries.snapshot(snapshot.index, snapshot.term);
            break;
          }
          default:
            throw corrupt(reader.recordOffset, `record type ${reader.type} is not known`);
        }
      } catch (error) {
        if (error instanceof DecodeError) throw corrupt(reader.recordOffset, error.message);
        throw error;
      }
    }
    entries.seal();
    chain = reader.chain;
    tailOffset = reader.offset;
  }
  return { metadata, hardState, entries, snapshots, tailOffset, tailBytes, torn, chain };
}

/** Opens read-only, in order; the caller closes. */
export async function openForReading(
  disk: Disk,
  directory: string,
  segments: readonly SegmentName[],
): Promise<DiskFile[]> {
  const files: DiskFile[] = [];
  try {
    for (const segment of segments) files.push(await disk.open(join(directory, segment.name), 'read'));
  } catch (error) {
    await closeAll(files);
    throw error;
  }
  return files;
}

/** Closes all, also when one of them fails. */
export async function closeAll(files: readonly DiskFile[]): Promise<void> {
  const results = await Promise.allSettled(files.map((file) => file.close()));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/**
 * Snapshots that a WAL knows and whose index is committed by it, oldest first: those that a server may start from.
 * Reads every segment; a torn tail is tolerated.
 */
export async function committedSnapshots(
  disk: Disk,
  directory: string,
  crc32c: Crc32c,
): Promise<WalSnapshot[]> {
  const segments = await listSegments(disk, directory);
  if (segments.length === 0) throw new StorageError(`waldir ${directory} has no .wal file in it`, 'ENOENT');
  checkSequence(directory, segments);
  const files = await openForReading(disk, directory, segments);
  try {
    const reading = await readSegments(directory, segments, files, Number.MAX_SAFE_INTEGER, crc32c);
    return reading.snapshots.filter((snapshot) => snapshot.index <= reading.hardState.commit);
  } finally {
    await closeAll(files);
  }
}

function sameState(a: HardState, b: HardState): boolean {
  return a.term === b.term && a.vote === b.vote && a.commit === b.commit;
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
