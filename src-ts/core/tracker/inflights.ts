import { violated } from '../errors.ts';

/** Append messages on their way to one follower: a ring of (last index, bytes), bounded in number and in bytes. */
export class Inflights {
  private readonly size: number;
  private readonly maxBytes: number;
  private start = 0;
  private indexes: number[] = [];
  private sizes: number[] = [];
  count = 0;
  private bytes = 0;

  /** `maxBytes` 0 is no limit. */
  constructor(size: number, maxBytes: number) {
    this.size = size;
    this.maxBytes = maxBytes;
  }

  /** Sizes matter only when there is a limit of bytes. */
  get countsBytes(): boolean {
    return this.maxBytes !== 0;
  }

  get full(): boolean {
    return this.count === this.size || (this.maxBytes !== 0 && this.bytes >= this.maxBytes);
  }

  get roomBytes(): number {
    return this.maxBytes === 0 ? Number.POSITIVE_INFINITY : this.maxBytes - this.bytes;
  }

  /** A message with entries up to `index` leaves. Indexes ascend. */
  add(index: number, bytes: number): void {
    if (this.full) violated('an append message was sent into a full window');
    const at = (this.start + this.count) % this.size;
    this.indexes[at] = index;
    this.sizes[at] = bytes;
    this.count++;
    this.bytes += bytes;
  }

  /** Everything up to `index` has arrived. */
  freeUpTo(index: number): void {
    while (this.count > 0 && this.indexes[this.start]! <= index) {
      this.bytes -= this.sizes[this.start]!;
      this.start = (this.start + 1) % this.size;
      this.count--;
    }
    if (this.count === 0) this.start = 0;
  }

  reset(): void {
    this.start = 0;
    this.count = 0;
    this.bytes = 0;
  }
}
