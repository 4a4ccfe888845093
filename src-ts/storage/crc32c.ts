/** CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), with the running value of Go's crc32.Update. */
import type { StorageBinding } from './native-binding.ts';

/** Checksum of bytes[start, end), continued from `seed` (0 to begin). */
export type Crc32c = (seed: number, bytes: Uint8Array, start: number, end: number) => number;

/** Below this many bytes a call into native code costs more than the loop here. */
const NATIVE_FROM_BYTES = 96;

/** Slicing by eight: table k holds the checksum of a byte that is followed by k zero bytes. */
const table = ((): Uint32Array => {
  const built = new Uint32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f6_3b78 : value >>> 1;
    built[byte] = value;
  }
  for (let i = 256; i < built.length; i++) {
    const before = built[i - 256]!;
    built[i] = (before >>> 8) ^ built[before & 255]!;
  }
  return built;
})();

export function crc32cPortable(seed: number, bytes: Uint8Array, start: number, end: number): number {
  let crc = ~seed;
  let at = start;
  for (const stop = end - 7; at < stop; at += 8) {
    crc =
      table[1792 + ((crc ^ bytes[at]!) & 255)]! ^
      table[1536 + (((crc >>> 8) ^ bytes[at + 1]!) & 255)]! ^
      table[1280 + (((crc >>> 16) ^ bytes[at + 2]!) & 255)]! ^
      table[1024 + ((crc >>> 24) ^ bytes[at + 3]!)]! ^
      table[768 + bytes[at + 4]!]! ^
      table[512 + bytes[at + 5]!]! ^
      table[256 + bytes[at + 6]!]! ^
      table[bytes[at + 7]!]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ table[(crc ^ bytes[at]!) & 255]!;
  return ~crc >>> 0;
}

/** The fastest implementation that is at hand. */
export function crc32cWith(binding: StorageBinding | null): Crc32c {
  if (binding === null) return crc32cPortable;
  return (seed, bytes, start, end) =>
    end - start < NATIVE_FROM_BYTES
      ? crc32cPortable(seed, bytes, start, end)
      : binding.crc32c(seed, bytes, start, end);
}
