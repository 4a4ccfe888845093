/** What happens to a log on a disk, done to it by hand. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

function lastSegment(waldir: string): string {
  const names = readdirSync(waldir).filter((name) => name.endsWith('.wal'));
  return join(waldir, names.sort().at(-1)!);
}

function endOf(bytes: Buffer): number {
  let end = bytes.length;
  while (bytes[end - 1] === 0) end--;
  return Math.ceil(end / 8) * 8;
}

/** The beginning of a frame behind the last one, whose rest was not written any more. */
export function tornBehind(waldir: string): void {
  const path = lastSegment(waldir);
  const bytes = readFileSync(path);
  bytes.writeBigUInt64LE(2048n, endOf(bytes));
  writeFileSync(path, bytes);
}

/** A bit that has changed in a payload in the middle (what fills a record up is in no checksum). The file. */
export function damage(waldir: string): string {
  const file = lastSegment(waldir);
  const bytes = readFileSync(file);
  const at = bytes.indexOf('xxxx', Math.floor(endOf(bytes) / 2));
  bytes[at]! ^= 4;
  writeFileSync(file, bytes);
  return file;
}
