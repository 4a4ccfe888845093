/** One server a directory: a lock file that names its owner. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Disk, DiskFile } from './disk.ts';
import { LockedError } from './types.ts';

export const LOCK_FILE_NAME = 'polyraft.lock';

const OWNER_BYTES_MAX = 64;

/** Process id and the kernel's start time of it, which tells a reused id apart. */
function describe(pid: number): string {
  return `${pid} ${startTime(pid) ?? 0}\n`;
}

/** Clock ticks since boot at which the process began; null when there is none (or no /proc). */
function startTime(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function isAlive(owner: string): boolean {
  const [pid, started] = owner.trim().split(' ');
  return started !== undefined && started !== '0' && startTime(Number(pid)) === started;
}

export class DirectoryLock {
  private readonly file: DiskFile;

  private constructor(file: DiskFile) {
    this.file = file;
  }

  /** Rejects with LockedError, which names the process, when the directory is in use. */
  static async take(disk: Disk, directory: string): Promise<DirectoryLock> {
    const file = await disk.open(join(directory, LOCK_FILE_NAME), 'create-or-open', 0o600);
    try {
      const bytes = new Uint8Array(OWNER_BYTES_MAX);
      const length = await file.read(bytes, 0, bytes.length, 0);
      const owner = new TextDecoder().decode(bytes.subarray(0, length));
      const locked = await file.tryLock();
      // Where locks do not reach other processes, the owner's word counts as long as it lives.
      const foreign =
        !disk.locksAcrossProcesses && Number.parseInt(owner, 10) !== process.pid && isAlive(owner);
      if (!locked || foreign) {
        const pid = Number.parseInt(owner, 10);
        const who = Number.isNaN(pid)
          ? 'another process'
          : pid === process.pid
            ? `pid ${pid} (this process)`
            : `pid ${pid}`;
        throw new LockedError(`${directory} is in use by ${who}`);
      }
      const text = new TextEncoder().encode(describe(process.pid));
      await file.truncate(0);
      await file.write(text, 0, text.length, 0, false);
    } catch (error) {
      await file.close().catch(() => undefined);
      throw error;
    }
    return new DirectoryLock(file);
  }

  async release(): Promise<void> {
    try {
      await this.file.truncate(0);
    } finally {
      await this.file.close();
    }
  }
}
