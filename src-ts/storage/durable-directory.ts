import { dirname } from 'node:path';
import { type Disk, DiskError } from './disk.ts';

/** Creates a directory with its parents, each name made durable in the directory above it. `directory` is absolute. */
export async function makeDurableDirectory(
  disk: Disk,
  directory: string,
  permissions: number,
): Promise<void> {
  const missing: string[] = [];
  for (let path = directory; !(await disk.exists(path)); path = dirname(path)) missing.push(path);
  await disk.makeDirectory(directory, permissions);
  for (const path of missing.reverse()) await disk.syncDirectory(dirname(path));
  if (missing.length === 0) await syncNameOf(disk, directory);
}

/** Makes the name of an existing directory durable: somebody may have made it just now. */
export async function syncNameOf(disk: Disk, directory: string): Promise<void> {
  try {
    await disk.syncDirectory(dirname(directory));
  } catch (error) {
    // A parent that may be passed but not read is not ours; whoever made the directory there sees to it.
    if (!(error instanceof DiskError) || (error.code !== 'EACCES' && error.code !== 'EPERM')) throw error;
  }
}
