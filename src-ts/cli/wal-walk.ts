/** Goes through all records of a WAL directory, one at a time, and says where it had to stop. */
import { join } from 'node:path';
import { crc32cPortable } from '../storage/crc32c.ts';
import type { Disk } from '../storage/disk.ts';
import { StorageError } from '../storage/types.ts';
import { SegmentReader } from '../storage/wal/segment-reader.ts';
import { type SegmentName, segmentsOf } from '../storage/wal/wal-name.ts';
import { RecordType } from '../storage/wal/wal-record.ts';

export interface WalProblem {
  /** 'torn': an unfinished write at the very end, which a start cuts. 'damaged': anything else. */
  readonly kind: 'torn' | 'damaged';
  readonly segment: SegmentName;
  /** File offset behind the last whole record. */
  readonly offset: number;
  readonly text: string;
}

export interface WalWalk {
  readonly segments: readonly SegmentName[];
  readonly records: number;
  readonly problem: WalProblem | null;
}

/** A record: `reader` has its fields, valid until the visitor returns. A text says what is wrong with it. */
export type RecordVisitor = (segment: SegmentName, reader: SegmentReader) => string | null;

/** What of all segments has been read, of 1. */
type Progress = (segment: SegmentName, share: number) => void;

export async function walkWal(
  disk: Disk,
  directory: string,
  visit: RecordVisitor,
  progress?: Progress,
): Promise<WalWalk> {
  const segments = segmentsOf(await disk.list(directory));
  if (segments.length === 0) throw new StorageError(`${directory} has no .wal file in it`, 'ENOENT');
  let chain = 0;
  let records = 0;
  for (const [i, segment] of segments.entries()) {
    const stopped = (kind: WalProblem['kind'], offset: number, text: string): WalWalk => ({
      segments,
      records,
      problem: { kind, segment, offset, text },
    });
    const before = segments[i - 1];
    if (before !== undefined && segment.sequence !== before.sequence + 1) {
      return stopped('damaged', 0, `its sequence number does not follow that of ${before.name}`);
    }
    const file = await disk.open(join(directory, segment.name), 'read');
    try {
      const size = await file.size();
      const reader = new SegmentReader(file, size, i === segments.length - 1, chain, crc32cPortable);
      for (;;) {
        const result = reader.next();
        if (result === 'more') {
          progress?.(segment, (i + reader.offset / Math.max(1, size)) / segments.length);
          await reader.fill();
          continue;
        }
        if (result === 'end') break;
        if (result === 'torn') return stopped('torn', reader.offset, reader.problem);
        if (result === 'corrupt') return stopped('damaged', reader.offset, reader.problem);
        if (reader.type === RecordType.Crc && !reader.adoptCrc()) {
          return stopped(
            'damaged',
            reader.recordOffset,
            'it does not continue the checksum chain of what is before it',
          );
        }
        const wrong = visit(segment, reader);
        if (wrong !== null) return stopped('damaged', reader.recordOffset, wrong);
        records++;
      }
      chain = reader.chain;
    } finally {
      await file.close();
    }
  }
  return { segments, records, problem: null };
}

export function describeProblem(directory: string, problem: WalProblem): string {
  const where = `${join(directory, problem.segment.name)} at byte ${problem.offset}: ${problem.text}`;
  return problem.kind === 'torn' ? `${where} (an unfinished write at the end)` : where;
}
