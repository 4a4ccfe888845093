import { dirname } from 'node:path';
import type { Disk } from './disk.ts';

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
}
