/** Names of WAL segments: sequence number and index of the first entry that may be in it, both 16 hexadecimal digits. */

export interface SegmentName {
  readonly name: string;
  readonly sequence: number;
  /** Index of the last entry before this segment, plus one. */
  readonly index: number;
}

const PATTERN = /^([0-9a-f]{16})-([0-9a-f]{16})\.wal$/i;

export function hex16(value: number): string {
  return value.toString(16).padStart(16, '0');
}

export function segmentName(sequence: number, index: number): SegmentName {
  return { name: `${hex16(sequence)}-${hex16(index)}.wal`, sequence, index };
}

/** Null for everything that is not a segment (temporary files, backups, strangers). */
export function parseSegmentName(name: string): SegmentName | null {
  const match = PATTERN.exec(name);
  if (match === null) return null;
  const sequence = Number.parseInt(match[1]!, 16);
  const index = Number.parseInt(match[2]!, 16);
  if (!Number.isSafeInteger(sequence) || !Number.isSafeInteger(index)) return null;
  return { name, sequence, index };
}

/** Segments among the names of a directory, oldest first. */
export function segmentsOf(names: readonly string[]): SegmentName[] {
  const segments: SegmentName[] = [];
  for (const name of names) {
    const segment = parseSegmentName(name);
    if (segment !== null) segments.push(segment);
  }
  return segments.sort((a, b) => a.sequence - b.sequence || a.index - b.index);
}

/** Position of the segment that a reader starts at for entries after `index`; -1 when all begin later. */
export function searchSegment(segments: readonly SegmentName[], index: number): number {
  for (let i = segments.length - 1; i >= 0; i--) {
    if (index >= segments[i]!.index) return i;
  }
  return -1;
}
