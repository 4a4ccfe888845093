/**
 * Work on runs of entries that native code may do in one call. A process that has it sets it once, at its start; without
 * it, and for short runs, each caller does the same entry by entry. The results are the same bytes.
 */
export interface EntryRuns {
  /**
   * Encodes normal entries with the payloads source[starts[i], ends[i]) from target[at] on, with indexes from firstIndex
   * on; writes where each ends to entryEnds, and where its payload starts to dataStarts, from `offset` on. Returns the end.
   */
  encodeEntries(
    target: Uint8Array,
    at: number,
    source: Uint8Array,
    starts: Uint32Array,
    ends: Uint32Array,
    count: number,
    firstIndex: number,
    term: number,
    entryEnds: Uint32Array,
    dataStarts: Uint32Array,
    offset: number,
  ): number;
  /**
   * Copies `count` encoded entries, the first from source[start] on and each up to ends[offset + i], to target[at], a
   * big-endian u64 length before each. Returns the end.
   */
  prefixEntries(
    target: Uint8Array,
    at: number,
    source: Uint8Array,
    start: number,
    ends: Uint32Array,
    offset: number,
    count: number,
  ): number;
  /**
   * The reverse, from source[start] on: takes normal entries of this term, with indexes from firstIndex on, to target[at],
   * and writes where they lie as encodeEntries does. Returns how many it took; the next one, if any, is of another kind
   * or is not there whole.
   */
  takePrefixed(
    target: Uint8Array,
    at: number,
    source: Uint8Array,
    start: number,
    count: number,
    firstIndex: number,
    term: number,
    entryEnds: Uint32Array,
    dataStarts: Uint32Array,
    offset: number,
  ): number;
}

/** A call costs about as much as so many entries in JavaScript. */
export const RUN_ENTRIES_MIN = 4;

let native: EntryRuns | null = null;

export function useEntryRuns(runs: EntryRuns | null): void {
  native = runs;
}

export function entryRuns(): EntryRuns | null {
  return native;
}
