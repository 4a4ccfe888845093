/** What is proposed in one turn of the event loop goes to the engine as one batch; outcomes find back to their promises. */
import { ErrorCode } from '../core/codes.generated.ts';
import { proposalsOf } from '../core/entry-batch.ts';
import type { Outcome, RaftServer } from '../server/api.ts';
import { errorOf, type RaftError } from './errors.ts';
import type { Position } from './types.ts';

/** Beyond these what is proposed ends as BUSY. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;
const DUE_MAX = 1_000_000;
/** Handed over at a time, after which it is asked again whether more is taken. */
const BATCH_BYTES = 2 * 1024 * 1024;
const BATCH_COUNT_MAX = 16_384;

interface Due {
  readonly resolve: (position: Position) => void;
  readonly reject: (error: RaftError) => void;
}

export class Proposals {
  private readonly server: () => RaftServer | null;
  private readonly due = new Map<number, Due>();
  private nextSequence = 1;
  private readonly payloads: Uint8Array[] = [];
  private readonly sequences: number[] = [];
  private waitingBytes = 0;
  private isFlushing = false;
  private ended: RaftError | null = null;

  constructor(server: () => RaftServer | null) {
    this.server = server;
  }

  /** Resolves when it is committed. Copies `data` before it returns. */
  add(data: Uint8Array): Promise<Position> {
    if (this.ended !== null) return Promise.reject(this.ended);
    // A single one finds room, however large.
    const isFull = this.waitingBytes > 0 && this.waitingBytes + data.length > WAITING_BYTES_MAX;
    if (isFull || this.due.size >= DUE_MAX) return Promise.reject(errorOf(ErrorCode.BUSY));
    const sequence = this.nextSequence++;
    // Not by slice, which in a Buffer copies nothing.
    this.payloads.push(new Uint8Array(data));
    this.sequences.push(sequence);
    this.waitingBytes += data.length;
    const promise = new Promise<Position>((resolve, reject) => {
      this.due.set(sequence, { resolve, reject });
    });
    if (!this.isFlushing) {
      this.isFlushing = true;
      queueMicrotask(() => {
        this.flush();
      });
    }
    return promise;
  }

  /** What waits goes to the engine, as far as it takes it. */
  flush(): void {
    this.isFlushing = false;
    const server = this.server();
    if (server === null) return;
    while (this.payloads.length > 0 && server.acceptsProposals) {
      let bytes = 0;
      let count = 0;
      while (count < this.payloads.length && count < BATCH_COUNT_MAX && bytes < BATCH_BYTES)
        bytes += this.payloads[count++]!.length;
      this.waitingBytes -= bytes;
      const sequences = this.sequences.splice(0, count);
      server.propose(proposalsOf(this.payloads.splice(0, count)), Float64Array.from(sequences));
    }
  }

  decided(outcomes: readonly Outcome[]): void {
    for (const { sequence, code, index, term } of outcomes) {
      const due = this.due.get(sequence);
      this.due.delete(sequence);
      if (code === ErrorCode.OK) due?.resolve({ index, term });
      else due?.reject(errorOf(code));
    }
  }

  /** Nothing is taken any more; what the engine has not been given ends so, the rest by its own outcome. */
  end(error: RaftError): void {
    this.ended ??= error;
    for (const sequence of this.sequences.splice(0)) {
      this.due.get(sequence)?.reject(error);
      this.due.delete(sequence);
    }
    this.payloads.length = 0;
    this.waitingBytes = 0;
  }
}
