/**
 * The file operations that storage needs, behind an interface so that the simulator can lose, tear and refuse writes.
 * Every method rejects with a DiskError that names operation, path and errno.
 */
export interface DiskFile {
  readonly path: string;
  /** Writes all of bytes[start, end) at `position`; with `sync`, resolves only after fdatasync. */
  write(bytes: Uint8Array, start: number, end: number, position: number, sync: boolean): Promise<void>;
  /** The same on the calling thread, for one small write of an idle server; throws DiskError. */
  writeInline(bytes: Uint8Array, start: number, end: number, position: number, sync: boolean): void;
  /** Reads up to `length` bytes at `position` into target[start, ...); resolves to the number read, 0 at the end. */
  read(target: Uint8Array, start: number, length: number, position: number): Promise<number>;
  /** fdatasync. */
  sync(): Promise<void>;
  size(): Promise<number>;
  truncate(size: number): Promise<void>;
  /**
   * Extends the file to `size` with allocated space that reads as zeros; a file that is larger stays as it is. Writes up
   * to the old size may overlap with it, writes beyond must wait.
   */
  preallocate(size: number): Promise<void>;
  /**
   * From here on, where the system can, writes go past its cache: for a log, which nothing reads back. Behind the end of
   * each write the file must have zeros only, up to the next multiple of 4096 at least, and what lies in the array around
   * the bytes that are written may be changed.
   */
  bypassCache(): void;
  /** Takes an exclusive lock that ends with close (or the process); false when another open file holds it. */
  tryLock(): Promise<boolean>;
  close(): Promise<void>;
}

export type OpenMode = 'read' | 'read-write' | 'create-exclusive' | 'create-or-open';

export interface Disk {
  /** Whether `tryLock` keeps other processes out too; if not, the directory lock falls back to process ids. */
  readonly locksAcrossProcesses: boolean;
  open(path: string, mode: OpenMode, permissions?: number): Promise<DiskFile>;
  /** Names in the directory, sorted; rejects with code ENOENT when it does not exist. */
  list(directory: string): Promise<string[]>;
  exists(path: string): Promise<boolean>;
  /** Creates the directory and its parents. */
  makeDirectory(directory: string, permissions: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  removeDirectory(directory: string): Promise<void>;
  /** fsync of the directory, so that names in it are durable. */
  syncDirectory(directory: string): Promise<void>;
}

export class DiskError extends Error {
  override readonly name = 'DiskError';
  /** As in Node: 'ENOENT', 'ENOSPC', 'EIO', ... */
  readonly code: string;
  readonly path: string;

  constructor(operation: string, path: string, code: string, detail = '') {
    super(`${operation} ${path}: ${code}${detail === '' ? '' : ` (${detail})`}`);
    this.code = code;
    this.path = path;
  }
}
