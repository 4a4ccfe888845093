/** What a server asks of its storage. Implementations: wal/ and snapshot/ in this room. */
import type { EntryBatch } from '../core/entry-batch.ts';
import type { ConfState, HardState, Snapshot, SnapshotMetadata } from '../core/types.ts';

/** A snapshot record in the WAL (walpb.Snapshot); confState null when written by an old etcd. */
export interface WalSnapshot {
  readonly index: number;
  readonly term: number;
  readonly confState: ConfState | null;
}

export interface WalContents {
  /** Bytes of the metadata record; empty when easyraft wrote the WAL. */
  readonly metadata: Uint8Array;
  readonly hardState: HardState;
  /** Entries after the snapshot that was asked for, consecutive. */
  readonly batches: readonly EntryBatch[];
  /** Bytes of a torn record that were cut from the tail; 0 when it was whole. */
  readonly cutBytes: number;
}

/**
 * One open write-ahead log. Calls of `save` may overlap: they are written in call order, and all that arrive while a
 * sync runs share the next one (group commit). After a failed write or sync every call rejects with the first error.
 */
export interface WriteAheadLog {
  /**
   * Resolves when everything up to this call is written, and durable if `mustSync` (of this or a later call). A hard
   * state alone without `mustSync` (a new commit index) resolves at once: it travels with the next write, at the latest
   * when 64 KiB wait or at close, since losing it costs nothing but time.
   */
  save(hardState: HardState | null, entries: readonly EntryBatch[], mustSync: boolean): Promise<void>;
  /**
   * What `save` does, on the calling thread: true when it is done, as far as `save` would have waited for it. False, and
   * nothing has happened, when the write is too large for that or another one is under way: `save` is to be used then.
   * Throws what `save` would reject with.
   */
  saveNow(hardState: HardState | null, entries: readonly EntryBatch[], mustSync: boolean): boolean;
  /** Durable when resolved. Called after the .snap file is durable. */
  saveSnapshot(snapshot: WalSnapshot): Promise<void>;
  /** Releases the locks of segments that hold only entries below `index`, so that they may be purged. */
  releaseTo(index: number): Promise<void>;
  /** Removes released segments, oldest first, until at most `keep` segments remain. Resolves to the names removed. */
  purge(keep: number): Promise<string[]>;
  /** Bytes in the current segment and number of segments, for status and metrics. */
  readonly statistics: WalStatistics;
  /** Syncs and closes; the directory may be opened again afterwards. */
  close(): Promise<void>;
}

export interface WalStatistics {
  readonly segments: number;
  /** Bytes of frames in the current segment, written or waiting. */
  readonly segmentBytes: number;
  /** Writes that ended with fdatasync, since the WAL was opened. */
  readonly syncs: number;
  readonly writtenBytes: number;
  /** Bytes framed and not yet on their way to the disk. */
  readonly waitingBytes: number;
}

/** A snapshot file on disk that is whole and durable. */
export interface SnapshotFile {
  readonly name: string;
  readonly path: string;
  readonly metadata: SnapshotMetadata;
  /** Bytes of state machine data in it. */
  readonly dataBytes: number;
}

export interface SnapshotWriter {
  /** Appends state machine bytes. The sum must be the size announced. */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Makes the file durable under its final name. `metadata` replaces what `create` was told: a sender that writes data
   * before metadata (etcd does) makes it known only at the end.
   */
  commit(metadata?: SnapshotMetadata): Promise<SnapshotFile>;
  /** Removes the unfinished file. */
  abort(): Promise<void>;
}

export interface SnapshotDirectory {
  /**
   * The newest whole snapshot that the WAL knows (index and term among `known`), or simply the newest whole one when
   * `known` is null. Damaged files are renamed to `.broken` and logged.
   */
  newest(known: readonly WalSnapshot[] | null): Promise<SnapshotFile | null>;
  create(metadata: SnapshotMetadata, dataBytes: number): Promise<SnapshotWriter>;
  /** Calls `chunk` with the data in order, in pieces of at most 1 MiB, each awaited; verifies the CRC over all. */
  read(file: SnapshotFile, chunk: (bytes: Uint8Array) => Promise<void> | void): Promise<void>;
  /** The whole file as a raftpb.Snapshot, for small ones and tests. */
  load(file: SnapshotFile): Promise<Snapshot>;
  /**
   * Removes all but the newest `keep` (at least one), never one that is being read. To be called when the WAL has the
   * record of the newest. Resolves to the names removed.
   */
  purge(keep: number): Promise<string[]>;
}

/** A membership as the server keeps it beside the snapshots (`members.json`). */
export interface MembersFile {
  /** Index of the last membership change in it. */
  readonly index: number;
  readonly members: readonly {
    readonly id: bigint;
    readonly urls: readonly string[];
    readonly learner: boolean;
  }[];
  readonly removed: readonly bigint[];
}

/** Damage that needs an operator: names file and offset, and says which command repairs it. */
export class CorruptionError extends Error {
  override readonly name = 'CorruptionError';
  readonly file: string;
  readonly offset: number;

  constructor(file: string, offset: number, what: string, advice: string) {
    super(`${file} at byte ${offset}: ${what}. ${advice}`);
    this.file = file;
    this.offset = offset;
  }
}

/** A directory or file that another process (or server) has locked. */
export class LockedError extends Error {
  override readonly name = 'LockedError';
}

/** A WAL or snapshot directory that belongs to another node or cluster than the configuration names. */
export class IdentityError extends Error {
  override readonly name = 'IdentityError';
}

/** A directory or file that cannot be used as it is; the text names it and says what to do. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  /** As in Node ('EACCES', 'ENOSPC', ...), or '' when no system call failed. */
  readonly code: string;

  constructor(text: string, code = '') {
    super(text);
    this.code = code;
  }
}
