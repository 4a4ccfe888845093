import { join } from 'node:path';
import type { Disk } from './disk.ts';

/** Replaces a small file: written under `<name>.tmp`, synced, renamed, and the name made durable. */
export async function writeWhole(
  disk: Disk,
  directory: string,
  name: string,
  bytes: Uint8Array,
  permissions: number,
): Promise<void> {
  const path = join(directory, name);
  const temporary = `${path}.tmp`;
  if (await disk.exists(temporary)) await disk.remove(temporary);
  const file = await disk.open(temporary, 'create-exclusive', permissions);
  try {
    await file.write(bytes, 0, bytes.length, 0, true);
  } finally {
    await file.close();
  }
  await disk.rename(temporary, path);
  await disk.syncDirectory(directory);
}
