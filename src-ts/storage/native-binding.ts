import type { EntryRuns } from '../core/entry-runs.ts';

/**
 * What the engine's addon offers (src-native/engine/addon.cc): as a linked binding in the embedded runtime, as
 * `polyraft.node` in the process runtime and in tests. Buffers are never retained after a call or its callback.
 */
export interface StorageBinding {
  /** CRC-32C (Castagnoli) of bytes[start, end), continued from `seed` (0 to begin): Go's crc32.Update semantics. */
  crc32c(seed: number, bytes: Uint8Array, start: number, end: number): number;
  /**
   * Frames WAL entry records: for each i, a record of type `recordType` whose data is source[starts[i], ends[i]), into
   * target from `at`. Frame: u64 LE length field with the padding count in the top byte, protobuf Record
   * (type, rolling crc, data), zero padding to 8 bytes. Returns the end offset; `crcInOut[0]` is the rolling CRC.
   * The caller has made room: at most 40 bytes an entry beside its data.
   */
  frameRecords(
    target: Uint8Array,
    at: number,
    recordType: number,
    source: Uint8Array,
    starts: Uint32Array,
    ends: Uint32Array,
    count: number,
    crcInOut: Uint32Array,
  ): number;
  /**
   * One work item on a thread of its own: pwrite all of bytes[start, end) at `position`, then fdatasync when `sync`.
   * callback(errno, syscall): errno 0 on success. One at a time per fd.
   */
  writeAndSync(
    fd: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    position: number,
    sync: boolean,
    callback: (errno: number, syscall: string) => void,
  ): void;
  /** The same on the calling thread; returns errno, 0 on success. For one small write of an idle server. */
  writeAndSyncInline(
    fd: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    position: number,
    sync: boolean,
  ): number;
  /**
   * From here on writes and preallocations of this descriptor, which must be open to read and write, go past the page
   * cache. What lies behind a write in its last block of 4096 bytes becomes zeros, and what lies in the array around the
   * written bytes may be changed: where they lie in memory as in the file (blockOffset), they are not copied. False, and nothing changes, where the
   * file system does not offer that. One that is refused later goes through the cache by itself.
   */
  beginDirect(fd: number): boolean;
  /** Where in these bytes the first block of 4096 starts in memory. */
  blockOffset(bytes: Uint8Array): number;
  /** Before the descriptor is closed. */
  endDirect(fd: number): void;
  /** Exclusive lock on the open file, not waiting. Returns 0, or errno (EAGAIN/EWOULDBLOCK when another holds it). */
  lockFile(fd: number): number;
  /** fallocate of [0, size) that extends the file and zero-fills it. Returns errno. */
  preallocate(fd: number, size: number): number;
  /** The same on a thread of its own; callback(errno, syscall). Writes beyond the file's old size must wait for it. */
  preallocateInBackground(fd: number, size: number, callback: (errno: number, syscall: string) => void): void;
}

/** The engine's end of the bridge. */
export interface BridgeBinding {
  /** The region, mapped for the life of the engine. */
  region(): ArrayBuffer;
  /** Calls back on the engine's thread, once or more, after the host has rung. Keeps the event loop alive. */
  onDoorbell(callback: () => void): void;
  /** Wakes host threads that sleep on the 32-bit word at this byte offset of the region (FUTEX_WAKE, all). */
  wakeHost(byteOffset: number): void;
  /** Copies source[start, end) to the region at byteOffset (memcpy; the range is checked). */
  copyToRegion(byteOffset: number, source: Uint8Array, start: number, end: number): void;
  /**
   * Writes the payloads source[dataStarts[i], ends[i]), i from `first` on, into the region from byteOffset on, as the
   * entries of a batch record: a u32 length, a u32 that is 1 for an empty one, the bytes, up to a multiple of eight.
   */
  writePayloads(
    byteOffset: number,
    source: Uint8Array,
    dataStarts: Uint32Array,
    ends: Uint32Array,
    first: number,
    count: number,
  ): void;
  /** Full fence between a position that was published and a parked flag that is read. */
  fence(): void;
  /** 'embedded' or 'process'. */
  runtime(): string;
}

export type NativeBinding = StorageBinding & BridgeBinding & EntryRuns;
