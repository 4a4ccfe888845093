/** What is done to the end of the last segment before it is appended to. */
import { join } from 'node:path';
import type { Disk, DiskFile } from '../disk.ts';

const CHUNK_BYTES = 1 << 20;
const ZEROS = new Uint8Array(CHUNK_BYTES);

/** Offset behind the last byte that is not zero in [from, size); `from` when there is none. */
export async function endOfData(file: DiskFile, from: number, size: number): Promise<number> {
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, size - from));
  let end = from;
  for (let at = from; at < size; at += chunk.length) {
    const length = await file.read(chunk, 0, Math.min(chunk.length, size - at), at);
    if (length === 0) break;
    if (Buffer.compare(chunk.subarray(0, length), ZEROS.subarray(0, length)) === 0) continue;
    let last = length;
    while (chunk[last - 1] === 0) last--;
    end = at + last;
  }
  return end;
}

/** Copies [0, end) of the file to `<name>.broken`, durable; an older copy of that name is replaced. */
export async function backUp(
  disk: Disk,
  directory: string,
  name: string,
  file: DiskFile,
  end: number,
): Promise<void> {
  const path = join(directory, `${name}.broken`);
  if (await disk.exists(path)) await disk.remove(path);
  const copy = await disk.open(path, 'create-exclusive', 0o600);
  try {
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, end));
    for (let at = 0; at < end; at += chunk.length) {
      const length = await file.read(chunk, 0, Math.min(chunk.length, end - at), at);
      await copy.write(chunk, 0, length, at, false);
    }
    await copy.sync();
  } finally {
    await copy.close();
  }
  await disk.syncDirectory(directory);
}

/** Cuts at `offset` after a backup. Resolves to the bytes cut, trailing zeros not counted. */
export async function cutTornTail(
  disk: Disk,
  directory: string,
  name: string,
  file: DiskFile,
  offset: number,
  size: number,
): Promise<number> {
  const end = await endOfData(file, offset, size);
  await backUp(disk, directory, name, file, end);
  await file.truncate(offset);
  await file.sync();
  return end - offset;
}

/**
 * Behind the last record there must be zeros only, or a record that is written there later may be followed by what is
 * left of older, unfinished ones. Resolves to the bytes that had to go.
 */
export async function zeroBehind(file: DiskFile, offset: number, size: number): Promise<number> {
  const end = await endOfData(file, offset, size);
  if (end > offset) {
    await file.truncate(offset);
    await file.sync();
  }
  return end - offset;
}
