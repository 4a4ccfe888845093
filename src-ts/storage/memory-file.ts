/**
 * Contents of one simulated file: what the operating system shows, what is on the medium, and the writes between them,
 * which a crash keeps or loses sector by sector.
 */

const PAGE_BYTES = 4096;
const SECTOR_BYTES = 512;

/** Uniform integer in [0, bound). */
export type Random = (bound: number) => number;

/** Sparse bytes: absent pages read as zeros. */
class Pages {
  size = 0;
  readonly pages = new Map<number, Uint8Array>();

  read(target: Uint8Array, start: number, length: number, position: number): number {
    const end = Math.min(position + length, this.size);
    for (let at = position; at < end;) {
      const page = Math.floor(at / PAGE_BYTES);
      const from = at - page * PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - from, end - at);
      const bytes = this.pages.get(page);
      const to = start + at - position;
      if (bytes === undefined) target.fill(0, to, to + count);
      else target.set(bytes.subarray(from, from + count), to);
      at += count;
    }
    return Math.max(0, end - position);
  }

  write(source: Uint8Array, start: number, length: number, position: number): void {
    for (let done = 0; done < length;) {
      const page = Math.floor((position + done) / PAGE_BYTES);
      const from = position + done - page * PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - from, length - done);
      let bytes = this.pages.get(page);
      if (bytes === undefined) this.pages.set(page, (bytes = new Uint8Array(PAGE_BYTES)));
      bytes.set(source.subarray(start + done, start + done + count), from);
      done += count;
    }
    this.size = Math.max(this.size, position + length);
  }

  resize(size: number): void {
    if (size < this.size) {
      for (const [page, bytes] of this.pages) {
        const first = page * PAGE_BYTES;
        if (first >= size) this.pages.delete(page);
        else if (first + PAGE_BYTES > size) bytes.fill(0, size - first);
      }
    }
    this.size = size;
  }

  copyPage(from: Pages, page: number): void {
    const bytes = from.pages.get(page);
    if (bytes === undefined) this.pages.delete(page);
    else this.pages.set(page, bytes.slice());
  }
}

type Pending =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'resize'; readonly size: number };

export class MemoryFile {
  private current = new Pages();
  private durable = new Pages();
  private pending: Pending[] = [];
  /** Writes whose sync failed: shown to readers, but no later sync makes them durable. */
  private orphaned = false;
  private dirty = new Set<number>();
  locked = false;

  get size(): number {
    return this.current.size;
  }

  /** Bytes of allocated pages, for the capacity of the disk. */
  get allocatedBytes(): number {
    return this.current.pages.size * PAGE_BYTES;
  }

  /** Bytes that a write of this range would allocate. */
  newBytes(position: number, length: number): number {
    let pages = 0;
    const last = Math.floor((position + length - 1) / PAGE_BYTES);
    for (let page = Math.floor(position / PAGE_BYTES); page <= last; page++) {
      if (!this.current.pages.has(page)) pages++;
    }
    return length === 0 ? 0 : pages * PAGE_BYTES;
  }

  read(target: Uint8Array, start: number, length: number, position: number): number {
    return this.current.read(target, start, length, position);
  }

  write(bytes: Uint8Array, start: number, end: number, position: number): void {
    if (start === end) return;
    const copy = bytes.slice(start, end);
    const grows = position + copy.length > this.current.size;
    this.current.write(copy, 0, copy.length, position);
    this.pending.push({ kind: 'write', position, bytes: copy });
    if (grows) this.pending.push({ kind: 'resize', size: this.current.size });
    const last = Math.floor((position + copy.length - 1) / PAGE_BYTES);
    for (let page = Math.floor(position / PAGE_BYTES); page <= last; page++) this.dirty.add(page);
  }

  resize(size: number): void {
    if (size === this.current.size) return;
    const last = Math.floor(Math.max(size, this.current.size) / PAGE_BYTES);
    if (size < this.current.size) {
      for (const page of this.current.pages.keys()) if (page <= last) this.dirty.add(page);
    }
    this.current.resize(size);
    this.pending.push({ kind: 'resize', size });
  }

  sync(): void {
    if (this.orphaned) return;
    for (const page of this.dirty) this.durable.copyPage(this.current, page);
    this.durable.size = this.current.size;
    this.dirty.clear();
    this.pending = [];
  }

  /** A sync that failed: what it should have written may be lost for good. */
  failSync(): void {
    this.orphaned = true;
  }

  /** Power fails: each sector keeps one of the versions since the last sync, sizes a prefix of their changes. */
  crash(random: Random): void {
    const resizes = this.pending.reduce((count, change) => count + (change.kind === 'resize' ? 1 : 0), 0);
    // Once in a while everything or nothing survives, which single choices would hardly give.
    const mood = random(4);
    const keptResizes = mood === 0 ? 0 : mood === 1 ? resizes : random(resizes + 1);
    const touches = new Map<number, number>();
    for (const change of this.pending) {
      if (change.kind === 'write') forSectors(change, (sector) => bump(touches, sector));
    }
    const kept = new Map<number, number>();
    for (const [sector, count] of touches) {
      kept.set(sector, mood === 0 ? 0 : mood === 1 ? count : random(count + 1));
    }
    const seen = new Map<number, number>();
    let resized = 0;
    const image = this.durable;
    for (const change of this.pending) {
      if (change.kind === 'resize') {
        if (resized++ < keptResizes) image.resize(change.size);
        continue;
      }
      const size = image.size;
      forSectors(change, (sector, from, to) => {
        if (bump(seen, sector) > kept.get(sector)!) return;
        image.write(change.bytes, from - change.position, to - from, from);
      });
      // What lies beyond the size comes back if a later size change is kept, as on a real file system.
      image.size = size;
    }
    // Nothing beyond the size that was kept.
    const { size } = image;
    image.size = Number.MAX_SAFE_INTEGER;
    image.resize(size);
    this.current = new Pages();
    this.current.size = image.size;
    for (const page of image.pages.keys()) this.current.copyPage(image, page);
    this.pending = [];
    this.dirty = new Set();
    this.orphaned = false;
    this.locked = false;
  }

  /** Flips bits of one byte, on the medium and in what readers see. */
  rot(offset: number, mask: number): void {
    for (const pages of [this.current, this.durable]) {
      const byte = new Uint8Array(1);
      if (pages.read(byte, 0, 1, offset) === 0) continue;
      byte[0]! ^= mask;
      pages.write(byte, 0, 1, offset);
    }
  }
}

function bump(counts: Map<number, number>, key: number): number {
  const count = (counts.get(key) ?? 0) + 1;
  counts.set(key, count);
  return count;
}

/** Calls with each sector of the write and the part [from, to) of the file that lies in it. */
function forSectors(
  change: { readonly position: number; readonly bytes: Uint8Array },
  visit: (sector: number, from: number, to: number) => void,
): void {
  const end = change.position + change.bytes.length;
  for (let at = change.position; at < end;) {
    const sector = Math.floor(at / SECTOR_BYTES);
    const to = Math.min(end, (sector + 1) * SECTOR_BYTES);
    visit(sector, at, to);
    at = to;
  }
}
