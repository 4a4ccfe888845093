/** What clients saw, for the checker. Times are of this process alone: before a request leaves, after its answer came. */
export interface Operation {
  readonly client: number;
  readonly kind: 'put' | 'get';
  readonly key: number;
  readonly value: number;
  readonly call: number;
  /** Null: a put that may have taken effect, or may do so later. */
  readonly return: number | null;
}

const NANOSECONDS_PER_MS = 1_000_000;

export function now(): number {
  return Math.floor(performance.now() * NANOSECONDS_PER_MS);
}

export class History {
  readonly operations: Operation[] = [];
  unknown = 0;
  /** Puts that will not take effect and reads without an answer: they say nothing, and are not kept. */
  refused = 0;

  add(operation: Operation): void {
    if (operation.return === null) this.unknown++;
    this.operations.push(operation);
  }

  get text(): string {
    return JSON.stringify({ operations: this.operations });
  }
}
