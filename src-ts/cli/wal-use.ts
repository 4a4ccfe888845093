/** Whether a server has a log open. */
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Disk } from '../storage/disk.ts';
import { segmentsOf } from '../storage/wal/wal-name.ts';

/** A server, ours or etcd's, holds a lock on each segment that it uses; the kernel's list of locks has them. */
export async function isInUse(disk: Disk, directory: string): Promise<boolean> {
  const locked = new Set<string>();
  try {
    for (const line of readFileSync('/proc/locks', 'latin1').split('\n')) {
      const inode = / WRITE .*:(\d+) /.exec(line)?.[1];
      if (inode !== undefined) locked.add(inode);
    }
  } catch {
    return false;
  }
  for (const { name } of segmentsOf(await disk.list(directory))) {
    // One that has just been purged is in nobody's use.
    const found = await stat(join(directory, name)).catch(() => null);
    if (found !== null && locked.has(String(found.ino))) return true;
  }
  return false;
}
