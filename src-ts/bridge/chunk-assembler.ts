import type { Region } from './region.ts';
import type { RingReader } from './ring-reader.ts';

/** Unfinished payloads at once; then the oldest is forgotten: its sender gave up between two chunks. */
const MAX_UNFINISHED = 64;
/** The largest payload of a command: a host message or its answer. */
const MAX_PAYLOAD_BYTES = 256 * 1024 * 1024;

interface Unfinished {
  readonly bytes: Uint8Array;
  used: number;
}

/** Whole payloads of a ring whose chunks may interleave, told apart by type and id. */
export class ChunkAssembler {
  private readonly region: Region;
  /** In the order in which they began. */
  private readonly unfinished = new Map<string, Unfinished>();

  constructor(region: Region) {
    this.region = region;
  }

  /** A copy of the payload that the reader's current record completes; null while more is to come. */
  add(reader: RingReader): Uint8Array | null {
    if (!reader.continues && !reader.hasMore) return reader.copy();
    const key = `${reader.type}/${reader.id}`;
    if (!reader.continues) {
      if (reader.total > MAX_PAYLOAD_BYTES) throw reader.broken(`a payload of ${reader.total} bytes`);
      if (this.unfinished.size >= MAX_UNFINISHED) {
        for (const oldest of this.unfinished.keys()) {
          this.unfinished.delete(oldest);
          break;
        }
      }
      this.unfinished.set(key, { bytes: new Uint8Array(reader.total), used: 0 });
    }
    const payload = this.unfinished.get(key);
    if (payload === undefined) return null;
    if (payload.bytes.length !== reader.total || payload.used + reader.length > reader.total) {
      throw reader.broken('chunks of a payload do not fit together');
    }
    payload.bytes.set(this.region.bytes.subarray(reader.dataAt, reader.dataAt + reader.length), payload.used);
    payload.used += reader.length;
    if (reader.hasMore) return null;
    if (payload.used !== reader.total) throw reader.broken('a payload ended early');
    this.unfinished.delete(key);
    return payload.bytes;
  }
}
