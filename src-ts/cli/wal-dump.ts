/** `polyraft wal dump`: one line a record, for people or as a JSON object. */
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
import { counted } from './table.ts';
import { isInUse } from './wal-use.ts';
import { describeProblem, walkWal, type RecordVisitor } from './wal-walk.ts';

export interface DumpOptions {
  /** First and last entry to print; the other records are printed in any case. */
  readonly from: number;
  readonly to: number;
  /** Bytes of payload to show. */
  readonly previewBytes: number;
  readonly asJson: boolean;
}

/** What a record holds. Ids are text: they have 64 bits. */
interface Dumped {
  readonly kind: string;
  readonly facts: Readonly<Record<string, string | number>>;
  /** Of an entry's payload; null where nothing of it is shown. */
  readonly preview: string | null;
}

const ENTRY_TYPES = ['normal', 'conf-change', 'conf-change-v2'];

export async function dumpWal(
  disk: Disk,
  directory: string,
  options: DumpOptions,
  output: Output,
): Promise<ExitCode> {
  let name = '';
  const isUsed = await isInUse(disk, directory);
  const visit: RecordVisitor = (segment, reader) => {
    if (segment.name !== name) {
      ({ name } = segment);
      if (!options.asJson) output.line(name);
    }
    try {
      const dumped = recordOf(reader, options);
      if (dumped === null) return null;
      output.line(
        options.asJson
          ? jsonOf(name, reader.recordOffset, dumped)
          : `${reader.recordOffset.toString().padStart(10)}  ${textOf(dumped)}`,
      );
    } catch (error) {
      if (error instanceof DecodeError) return error.message;
      throw error;
    }
    return null;
  };
  const { records, segments, problem } = await walkWal(disk, directory, visit, ({ name: read }, share) => {
    // Where the records come to the same terminal they tell by themselves how far they are.
    if (output.columns === undefined) output.progress?.(`of the log read: ${read}`, share);
  });
  output.progress?.('');
  if (problem !== null) {
    const isBeingWritten = isUsed && problem.segment === segments.at(-1);
    const hint = isBeingWritten ? '; a server is writing there: look again' : '';
    output.problem(`${describeProblem(directory, problem)}${hint}`);
    return problem.kind === 'torn' || isBeingWritten ? ExitCode.Fine : ExitCode.Damaged;
  }
  if (!options.asJson) output.line(`${counted(records, 'record')} in ${counted(segments.length, 'segment')}`);
  return ExitCode.Fine;
}

const fields = new EntryFields();

function textOf({ kind, facts, preview }: Dumped): string {
  const words = Object.entries(facts).map(([name, value]) => (name === 'conf' ? value : `${name}=${value}`));
  return `${kind.padEnd(10)}${[...words, ...(preview === null ? [] : [preview])].join(' ')}`.trimEnd();
}

function jsonOf(segment: string, offset: number, { kind, facts, preview }: Dumped): string {
  return JSON.stringify({
    segment,
    offset,
    record: kind,
    ...facts,
    ...(preview === null ? {} : { preview }),
  });
}

/** Null for an entry that was not asked for. */
function recordOf(reader: SegmentReader, { from, to, previewBytes }: DumpOptions): Dumped | null {
  switch (reader.type) {
    case RecordType.Crc:
      return plain('crc', { chain: reader.crc.toString(16).padStart(8, '0') });
    case RecordType.Metadata:
      return plain('metadata', metadataOf(reader.data()));
    case RecordType.State: {
      const { term, vote, commit } = decodeHardState(reader.data());
      return plain('state', { term, vote: String(nodeIdToBigint(vote)), commit });
    }
    case RecordType.Snapshot: {
      const { index, term, confState } = decodeWalSnapshot(reader.data());
      return plain('snapshot', {
        index,
        term,
        ...(confState === null ? {} : { conf: describeIds(confState) }),
      });
    }
    case RecordType.Entry: {
      fields.parse(reader.buffer, reader.dataStart, reader.dataEnd);
      const { index, term, type, dataStart, dataEnd } = fields;
      if (index < from || index > to) return null;
      const size = dataEnd - dataStart;
      const isShown = previewBytes > 0 && size > 0;
      const shown = preview(reader.buffer.subarray(dataStart, Math.min(dataEnd, dataStart + previewBytes)));
      return {
        kind: 'entry',
        facts: { index, term, type: ENTRY_TYPES[type]!, size },
        preview: isShown ? `${shown}${size > previewBytes ? '...' : ''}` : null,
      };
    }
    default:
      throw new DecodeError(`record type ${reader.type} is not known`);
  }
}

function plain(kind: string, facts: Dumped['facts']): Dumped {
  return { kind, facts, preview: null };
}

function metadataOf(data: Uint8Array): Dumped['facts'] {
  try {
    const identity = decodeWalMetadata(data);
    if (identity === null) return {};
    return { node: String(nodeIdToBigint(identity.nodeId)), cluster: String(identity.clusterId) };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { bytes: Buffer.from(data).toString('hex') };
  }
}

/** Text in quotes when it is printable ASCII, else hexadecimal. */
function preview(bytes: Uint8Array): string {
  if (bytes.every((byte) => byte >= 0x20 && byte < 0x7f))
    return JSON.stringify(Buffer.from(bytes).toString('latin1'));
  return `0x${Buffer.from(bytes).toString('hex')}`;
}
