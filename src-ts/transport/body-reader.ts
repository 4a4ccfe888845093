/** Reads request and response bodies within bounds of size, silence and total memory. */
import type { IncomingMessage } from 'node:http';
import type { TransportClock } from './types.ts';

export class BodyError extends Error {
  override readonly name = 'BodyError';
  /** HTTP status to answer with. */
  readonly status: number;

  constructor(status: number, text: string) {
    super(text);
    this.status = status;
  }
}

/** Memory that bodies take, all together. */
export class BodyBudget {
  private readonly bytesMax: number;
  private readonly countMax: number;
  private bytes = 0;
  private count = 0;

  constructor(bytesMax: number, countMax: number) {
    this.bytesMax = bytesMax;
    this.countMax = countMax;
  }

  enter(): void {
    if (this.count >= this.countMax)
      throw new BodyError(503, `more than ${this.countMax} requests at a time`);
    this.count++;
  }

  /** `bytes` of a body are held from now on. A lone body is only bounded by its own limit. */
  charge(bytes: number): void {
    if (this.bytes > 0 && this.bytes + bytes > this.bytesMax && this.count > 1) {
      throw new BodyError(503, `bodies hold ${this.bytes} bytes already`);
    }
    this.bytes += bytes;
  }

  leave(bytes: number): void {
    this.bytes -= bytes;
    this.count--;
  }
}

/** The declared length; null when the body is chunked. */
export function declaredLength(message: IncomingMessage): number | null {
  const text = message.headers['content-length'];
  if (text === undefined) return null;
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/**
 * Calls `take` for each piece, in order, waiting for it; pieces are the taker's to keep. Rejects with BodyError when
 * the sender is silent for `silenceMs` or goes away. While `take` works the sender is held back, not counted silent.
 */
export async function readPieces(
  message: IncomingMessage,
  clock: TransportClock,
  silenceMs: number,
  take: (piece: Buffer) => Promise<void> | void,
): Promise<void> {
  let timer = clock.setTimer(silenceMs, silent);
  let taking = false;
  function silent(): void {
    message.destroy(new BodyError(408, `the sender was silent for ${silenceMs} ms`));
  }
  try {
    // The stream outlives a failure of the taker, so that the request can still be answered.
    for await (const piece of message.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      timer.cancel();
      taking = true;
      const waiting = take(piece);
      if (waiting !== undefined) await waiting;
      taking = false;
      timer = clock.setTimer(silenceMs, silent);
    }
  } catch (error) {
    if (taking || error instanceof BodyError) throw error;
    throw new BodyError(400, `the sender went away: ${(error as Error).message}`);
  } finally {
    timer.cancel();
  }
}

/** Reads a whole body of at most `bytesMax`; `first` has been read already. */
export async function readBody(
  message: IncomingMessage,
  clock: TransportClock,
  silenceMs: number,
  bytesMax: number,
  budget: BodyBudget | null = null,
  first: Buffer | null = null,
): Promise<Buffer> {
  const declared = declaredLength(message);
  if (declared !== null && declared > bytesMax)
    throw new BodyError(413, `body of ${declared} bytes; the limit is ${bytesMax}`);
  budget?.enter();
  const pieces: Buffer[] = [];
  let size = 0;
  const take = (piece: Buffer): void => {
    if (size + piece.length > bytesMax) throw new BodyError(413, `body above the limit of ${bytesMax} bytes`);
    budget?.charge(piece.length);
    size += piece.length;
    pieces.push(piece);
  };
  try {
    if (first !== null) take(first);
    await readPieces(message, clock, silenceMs, take);
  } finally {
    budget?.leave(size);
  }
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, size);
}
