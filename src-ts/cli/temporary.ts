/** Directories that a command makes for itself, and that are gone when it ends, also by Ctrl-C. */
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';

const ours = new Set<string>();

/** `prefix` is a path, which six letters are put behind. */
export async function withTemporaryDirectory<T>(
  prefix: string,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(prefix);
  ours.add(directory);
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
    ours.delete(directory);
  }
}

/** At once, for a signal. */
export function removeTemporaryDirectories(): void {
  for (const directory of ours) rmSync(directory, { recursive: true, force: true });
}
