/** `polyraft wal dump`: one line a record. */
import { nodeIdToBigint } from '../core/node-id.ts';
import { EntryFields } from '../core/raftpb/entry-fields.ts';
import { decodeHardState } from '../core/raftpb/message.ts';
import { DecodeError } from '../core/raftpb/varint.ts';
import type { Disk } from '../storage/disk.ts';
import type { SegmentReader } from '../storage/wal/segment-reader.ts';
import { decodeWalMetadata } from '../storage/wal/wal-metadata.ts';
import { decodeWalSnapshot, RecordType } from '../storage/wal/wal-record.ts';
import { describeIds } from './describe.ts';
import { ExitCode, type Output } from './output.ts';
import { describeProblem, walkWal } from './wal-walk.ts';

export interface DumpOptions {
  /** First and last entry to print; the other records are printed in any case. */
  readonly from: number;
  readonly to: number;
  /** Bytes of payload to show. */
  readonly previewBytes: number;
}

const ENTRY_TYPES = ['normal', 'conf-change', 'conf-change-v2'];

export async function dumpWal(
  disk: Disk,
  directory: string,
  options: DumpOptions,
  output: Output,
): Promise<ExitCode> {
  let name = '';
  const { records, segments, problem } = await walkWal(disk, directory, (segment, reader) => {
    if (segment.name !== name) output.line((name = segment.name));
    try {
      const text = describeRecord(reader, options);
      if (text !== null) output.line(`${reader.recordOffset.toString().padStart(10)}  ${text}`);
    } catch (error) {
      if (error instanceof DecodeError) return error.message;
      throw error;
    }
    return null;
  });
  if (problem !== null) {
    output.problem(describeProblem(directory, problem));
    return problem.kind === 'torn' ? ExitCode.Fine : ExitCode.Damaged;
  }
  output.line(`${records} records in ${segments.length} segments`);
  return ExitCode.Fine;
}

const fields = new EntryFields();

/** Null for an entry that was not asked for. */
function describeRecord(reader: SegmentReader, { from, to, previewBytes }: DumpOptions): string | null {
  switch (reader.type) {
    case RecordType.Crc:
      return `crc       chain=${reader.crc.toString(16).padStart(8, '0')}`;
    case RecordType.Metadata:
      return `metadata  ${describeMetadata(reader.data())}`;
    case RecordType.State: {
      const { term, vote, commit } = decodeHardState(reader.data());
      return `state     term=${term} vote=${nodeIdToBigint(vote)} commit=${commit}`;
    }
    case RecordType.Snapshot: {
      const { index, term, confState } = decodeWalSnapshot(reader.data());
      return `snapshot  index=${index} term=${term}${confState === null ? '' : ` ${describeIds(confState)}`}`;
    }
    case RecordType.Entry: {
      fields.parse(reader.buffer, reader.dataStart, reader.dataEnd);
      const { index, term, type, dataStart, dataEnd } = fields;
      if (index < from || index > to) return null;
      const shown = preview(reader.buffer.subarray(dataStart, Math.min(dataEnd, dataStart + previewBytes)));
      const more = dataEnd - dataStart > previewBytes ? '...' : '';
      return (
        `entry     index=${index} term=${term} type=${ENTRY_TYPES[type]} size=${dataEnd - dataStart}` +
        (previewBytes > 0 && dataEnd > dataStart ? ` ${shown}${more}` : '')
      );
    }
    default:
      throw new DecodeError(`record type ${reader.type} is not known`);
  }
}

function describeMetadata(data: Uint8Array): string {
  try {
    const identity = decodeWalMetadata(data);
    if (identity === null) return 'empty';
    return `node=${nodeIdToBigint(identity.nodeId)} cluster=${identity.clusterId}`;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return `bytes=${Buffer.from(data).toString('hex')}`;
  }
}

/** Text in quotes when it is printable ASCII, else hexadecimal. */
function preview(bytes: Uint8Array): string {
  if (bytes.every((byte) => byte >= 0x20 && byte < 0x7f))
    return JSON.stringify(Buffer.from(bytes).toString('latin1'));
  return `0x${Buffer.from(bytes).toString('hex')}`;
}
