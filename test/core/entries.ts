/** Entries as plain objects, to compare batches with what they stand for. */
import { encodeEntries, proposalsOf, type EntryBatch } from '../../src-ts/core/entry-batch.ts';

export interface PlainEntry {
  readonly index: number;
  readonly term: number;
  readonly text: string;
}

export function batchOf(firstIndex: number, term: number, texts: readonly string[]): EntryBatch {
  return encodeEntries(firstIndex, term, proposalsOf(texts.map((text) => Buffer.from(text))));
}

export function plain(batches: readonly EntryBatch[]): PlainEntry[] {
  const entries: PlainEntry[] = [];
  for (const batch of batches) {
    for (let i = 0; i < batch.count; i++) {
      entries.push({
        index: batch.firstIndex + i,
        term: batch.term,
        text: Buffer.from(batch.data(i)).toString(),
      });
    }
  }
  return entries;
}

/** Encoded size of one entry, computed from the format: tag and value of type, term and index, and Data if any. */
export function encodedSize({ index, term, text }: PlainEntry): number {
  const varint = (value: number): number => Math.max(1, Math.ceil(value.toString(2).length / 7));
  const length = Buffer.byteLength(text);
  return 4 + varint(term) + varint(index) + (length === 0 ? 0 : 1 + varint(length) + length);
}

/** What a size limit lets through: at least one entry, then as many as fit. */
export function limited(entries: readonly PlainEntry[], maxBytes: number): PlainEntry[] {
  const taken: PlainEntry[] = [];
  let size = 0;
  for (const entry of entries) {
    size += encodedSize(entry);
    if (taken.length > 0 && size > maxBytes) break;
    taken.push(entry);
  }
  return taken;
}
