/** Rules that a sequence of WAL records keeps beyond frames and checksums. */
import { EntryFields } from '../core/raftpb/entry-fields.ts';
import { decodeHardState } from '../core/raftpb/message.ts';
import { DecodeError } from '../core/raftpb/varint.ts';
import type { SegmentReader } from '../storage/wal/segment-reader.ts';
import type { SegmentName } from '../storage/wal/wal-name.ts';
import { sameBytes } from '../storage/wal/wal-reader.ts';
import { decodeWalSnapshot, RecordType } from '../storage/wal/wal-record.ts';

/** `check` is a RecordVisitor. */
export class WalCheck {
  entries = 0;
  lastIndex = 0;
  /** Of the last entry or snapshot; 0 before the first. */
  lastTerm = 0;
  commit = 0;
  private readonly fields = new EntryFields();
  private metadata: Uint8Array | null = null;
  private begun = false;

  readonly check = (segment: SegmentName, reader: SegmentReader): string | null => {
    if (!this.begun) {
      this.begun = true;
      // Segments before this one may have been purged, with the entries in them.
      this.lastIndex = Math.max(0, segment.index - 1);
    }
    try {
      return this.look(reader);
    } catch (error) {
      if (error instanceof DecodeError) return error.message;
      throw error;
    }
  };

  private look(reader: SegmentReader): string | null {
    switch (reader.type) {
      case RecordType.Metadata: {
        const data = reader.data();
        if (this.metadata !== null && !sameBytes(this.metadata, data))
          return 'its metadata differs from that before';
        this.metadata = data.slice();
        return null;
      }
      case RecordType.Entry: {
        const { fields } = this;
        fields.parse(reader.buffer, reader.dataStart, reader.dataEnd);
        if (fields.index > this.lastIndex + 1) {
          return `entry ${fields.index} follows entry ${this.lastIndex}: entries between them are missing`;
        }
        this.lastIndex = fields.index;
        this.lastTerm = fields.term;
        this.entries++;
        return null;
      }
      case RecordType.State:
        this.commit = decodeHardState(reader.data()).commit;
        return null;
      case RecordType.Snapshot: {
        const { index, term } = decodeWalSnapshot(reader.data());
        if (index >= this.lastIndex) {
          this.lastIndex = index;
          this.lastTerm = term;
        }
        return null;
      }
      case RecordType.Crc:
        return null;
      default:
        return `record type ${reader.type} is not known`;
    }
  }
}
