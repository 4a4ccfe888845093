/**
 * Outcomes of forwarded proposals on their way back to the polyraft peer that forwarded them: one POST at a time, with
 * everything that has gathered meanwhile. Best effort: what is lost ends as unknown at the proposer.
 */
import { DecodeError } from '../core/raftpb/varint.ts';
import { getUint64, putUint64 } from './frame.ts';
import type { ForwardedOutcome } from './types.ts';

export const OUTCOMES_PATH = '/raft/polyraft/outcomes';
/** Where a polyraft peer is asked what it tells of itself: an empty POST, answered with its text. */
export const VIEW_PATH = '/raft/polyraft/view';

const FORMAT = 1;
const HEAD_BYTES = 5;
/** sequence, index, term: u64; code: i32; all big-endian. */
const OUTCOME_BYTES = 28;
const BATCH_MAX = 16_384;
export const OUTCOMES_BODY_BYTES_MAX = HEAD_BYTES + BATCH_MAX * OUTCOME_BYTES;

export function encodeOutcomes(outcomes: readonly ForwardedOutcome[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + outcomes.length * OUTCOME_BYTES);
  bytes.writeUInt8(FORMAT, 0);
  bytes.writeUInt32BE(outcomes.length, 1);
  let at = HEAD_BYTES;
  for (const outcome of outcomes) {
    at = putUint64(bytes, at, outcome.sequence);
    at = putUint64(bytes, at, outcome.index);
    at = putUint64(bytes, at, outcome.term);
    at = bytes.writeInt32BE(outcome.code, at);
  }
  return bytes;
}

export function decodeOutcomes(bytes: Buffer): ForwardedOutcome[] {
  if (bytes.length < HEAD_BYTES || bytes[0] !== FORMAT)
    throw new DecodeError('outcomes of an unknown format');
  const count = bytes.readUInt32BE(1);
  if (bytes.length !== HEAD_BYTES + count * OUTCOME_BYTES)
    throw new DecodeError(`${count} outcomes in ${bytes.length} bytes`);
  const outcomes: ForwardedOutcome[] = [];
  for (let at = HEAD_BYTES; at < bytes.length; at += OUTCOME_BYTES) {
    const sequence = getUint64(bytes, at);
    const index = getUint64(bytes, at + 8);
    const term = getUint64(bytes, at + 16);
    if (Math.max(sequence, index, term) > Number.MAX_SAFE_INTEGER)
      throw new DecodeError('outcome above 2^53');
    outcomes.push({ sequence, index, term, code: bytes.readInt32BE(at + 24) });
  }
  return outcomes;
}

export class OutcomeSender {
  private readonly queueMax: number;
  private readonly post: (body: Uint8Array) => Promise<void>;
  private queue: ForwardedOutcome[] = [];
  private busy = false;

  /** `post` resolves when the peer has answered, however it did; it must not reject. */
  constructor(queueMax: number, post: (body: Uint8Array) => Promise<void>) {
    this.queueMax = queueMax;
    this.post = post;
  }

  add(outcomes: readonly ForwardedOutcome[]): void {
    for (const outcome of outcomes) this.queue.push(outcome);
    if (this.queue.length > this.queueMax) this.queue.splice(0, this.queue.length - this.queueMax);
    if (!this.busy) void this.run();
  }

  private async run(): Promise<void> {
    this.busy = true;
    // What else this turn brings goes along.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.queue.length > 0) await this.post(encodeOutcomes(this.queue.splice(0, BATCH_MAX)));
    this.busy = false;
  }
}
