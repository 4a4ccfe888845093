/** Disk on the operating system's files. */
import * as fs from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { type Disk, DiskError, type DiskFile, type OpenMode } from './disk.ts';
import type { StorageBinding } from './native-binding.ts';

const FLAGS: Record<OpenMode, number> = {
  read: fs.constants.O_RDONLY,
  'read-write': fs.constants.O_RDWR,
  'create-exclusive': fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL,
  'create-or-open': fs.constants.O_RDWR | fs.constants.O_CREAT,
};

const ZERO_CHUNK_BYTES = 1 << 20;

/** Files locked by this process when there is no binding: device and inode. */
const lockedHere = new Set<string>();

function diskError(operation: string, path: string, error: unknown): DiskError {
  const code = (error as NodeJS.ErrnoException).code;
  return new DiskError(operation, path, code ?? 'EIO', code === undefined ? String(error) : '');
}

function errnoName(errno: number): string {
  try {
    return getSystemErrorName(errno > 0 ? -errno : errno);
  } catch {
    return `errno ${errno}`;
  }
}

async function attempt<T>(operation: string, path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw diskError(operation, path, error);
  }
}

/** Calls of one file must not overlap: storage has one operation in flight per descriptor. */
class NodeFile implements DiskFile {
  readonly path: string;
  private readonly handle: fs.promises.FileHandle;
  private readonly binding: StorageBinding | null;
  private lockKey: string | null = null;
  private isDirect = false;

  constructor(path: string, handle: fs.promises.FileHandle, binding: StorageBinding | null) {
    this.path = path;
    this.handle = handle;
    this.binding = binding;
  }

  write(bytes: Uint8Array, start: number, end: number, position: number, sync: boolean): Promise<void> {
    const { binding } = this;
    if (binding === null) return this.writePortable(bytes, start, end, position, sync);
    return new Promise((resolve, reject) => {
      binding.writeAndSync(this.handle.fd, bytes, start, end, position, sync, (errno, syscall) => {
        if (errno === 0) resolve();
        else reject(new DiskError(syscall, this.path, errnoName(errno)));
      });
    });
  }

  private async writePortable(
    bytes: Uint8Array,
    start: number,
    end: number,
    position: number,
    sync: boolean,
  ): Promise<void> {
    await attempt('write', this.path, async () => {
      for (let at = start; at < end;) {
        const { bytesWritten } = await this.handle.write(bytes, at, end - at, position + (at - start));
        at += bytesWritten;
      }
    });
    if (sync) await this.sync();
  }

  writeInline(bytes: Uint8Array, start: number, end: number, position: number, sync: boolean): void {
    if (this.binding !== null) {
      const errno = this.binding.writeAndSyncInline(this.handle.fd, bytes, start, end, position, sync);
      if (errno !== 0) throw new DiskError('write', this.path, errnoName(errno));
      return;
    }
    try {
      for (let at = start; at < end;) {
        at += fs.writeSync(this.handle.fd, bytes, at, end - at, position + (at - start));
      }
      if (sync) fs.fdatasyncSync(this.handle.fd);
    } catch (error) {
      throw diskError('write', this.path, error);
    }
  }

  read(target: Uint8Array, start: number, length: number, position: number): Promise<number> {
    return attempt('read', this.path, async () => {
      let done = 0;
      while (done < length) {
        const { bytesRead } = await this.handle.read(target, start + done, length - done, position + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    });
  }

  sync(): Promise<void> {
    return attempt('fdatasync', this.path, () => this.handle.datasync());
  }

  size(): Promise<number> {
    return attempt('stat', this.path, async () => (await this.handle.stat()).size);
  }

  truncate(size: number): Promise<void> {
    return attempt('truncate', this.path, () => this.handle.truncate(size));
  }

  async preallocate(size: number): Promise<void> {
    const from = await this.size();
    if (from >= size) return;
    const { binding } = this;
    if (binding !== null) {
      await new Promise<void>((resolve, reject) => {
        binding.preallocateInBackground(this.handle.fd, size, (errno, syscall) => {
          if (errno === 0) resolve();
          else reject(new DiskError(syscall, this.path, errnoName(errno)));
        });
      });
      return;
    }
    const zeros = new Uint8Array(Math.min(size - from, ZERO_CHUNK_BYTES));
    for (let at = from; at < size; at += zeros.length) {
      await this.writePortable(zeros, 0, Math.min(zeros.length, size - at), at, false);
    }
  }

  bypassCache(): void {
    this.isDirect ||= this.binding?.beginDirect(this.handle.fd) ?? false;
  }

  async tryLock(): Promise<boolean> {
    if (this.binding !== null) {
      const errno = this.binding.lockFile(this.handle.fd);
      if (errno === 0) return true;
      const name = errnoName(errno);
      if (name === 'EAGAIN' || name === 'EWOULDBLOCK' || name === 'EACCES') return false;
      throw new DiskError('lock', this.path, name);
    }
    const { dev, ino } = await attempt('stat', this.path, () => this.handle.stat({ bigint: true }));
    const key = `${dev}:${ino}`;
    if (this.lockKey === key) return true;
    if (lockedHere.has(key)) return false;
    lockedHere.add(key);
    this.lockKey = key;
    return true;
  }

  async close(): Promise<void> {
    if (this.isDirect) this.binding!.endDirect(this.handle.fd);
    this.isDirect = false;
    await attempt('close', this.path, () => this.handle.close());
    if (this.lockKey !== null) lockedHere.delete(this.lockKey);
    this.lockKey = null;
  }
}

export class NodeDisk implements Disk {
  readonly locksAcrossProcesses: boolean;
  private readonly binding: StorageBinding | null;

  /** Without a binding: plain node:fs calls, and file locks that hold within this process only. */
  constructor(binding: StorageBinding | null = null) {
    this.binding = binding;
    this.locksAcrossProcesses = binding !== null;
  }

  open(path: string, mode: OpenMode, permissions = 0o600): Promise<DiskFile> {
    return attempt('open', path, async () => {
      const handle = await fs.promises.open(path, FLAGS[mode], permissions);
      return new NodeFile(path, handle, this.binding);
    });
  }

  list(directory: string): Promise<string[]> {
    return attempt('list', directory, async () => (await fs.promises.readdir(directory)).sort());
  }

  async exists(path: string): Promise<boolean> {
    try {
      await fs.promises.lstat(path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw diskError('stat', path, error);
    }
  }

  makeDirectory(directory: string, permissions: number): Promise<void> {
    return attempt('create directory', directory, async () => {
      await fs.promises.mkdir(directory, { recursive: true, mode: permissions });
    });
  }

  rename(from: string, to: string): Promise<void> {
    return attempt('rename', from, () => fs.promises.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return attempt('remove', path, () => fs.promises.unlink(path));
  }

  removeDirectory(directory: string): Promise<void> {
    return attempt('remove directory', directory, () => fs.promises.rmdir(directory));
  }

  syncDirectory(directory: string): Promise<void> {
    return attempt('fsync', directory, async () => {
      const handle = await fs.promises.open(directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    });
  }
}
