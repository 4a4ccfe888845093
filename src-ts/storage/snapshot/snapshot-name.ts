/** Names of snapshot files: term and index, both 16 hexadecimal digits. */
import { hex16 } from '../wal/wal-name.ts';

export interface SnapshotName {
  readonly name: string;
  readonly term: number;
  readonly index: number;
}

const PATTERN = /^([0-9a-f]{16})-([0-9a-f]{16})\.snap$/;

export function snapshotName(term: number, index: number): SnapshotName {
  return { name: `${hex16(term)}-${hex16(index)}.snap`, term, index };
}

/** Whole snapshots by name, newest (highest term, then index) first, as etcd orders them. */
export function snapshotsOf(names: readonly string[]): SnapshotName[] {
  const found: SnapshotName[] = [];
  for (const name of names) {
    const match = PATTERN.exec(name);
    if (match === null) continue;
    const term = Number.parseInt(match[1]!, 16);
    const index = Number.parseInt(match[2]!, 16);
    if (Number.isSafeInteger(term) && Number.isSafeInteger(index)) found.push({ name, term, index });
  }
  return found.sort((a, b) => b.term - a.term || b.index - a.index);
}
