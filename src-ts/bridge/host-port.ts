import { ErrorCode, EventCode } from '../core/codes.generated.ts';
import type { EntryBatch } from '../core/entry-batch.ts';
import { nodeIdToBigint } from '../core/node-id.ts';
import type { StateType } from '../core/types.ts';
import {
  ServerError,
  type HostSnapshot,
  type Outcome,
  type SnapshotChunks,
  type StateMachinePort,
} from '../server/api.ts';
import type { OwnSequences } from '../server/own-proposals.ts';
import type { QueueFacts } from '../server/server-figures.ts';
import type { HistogramFacts } from '../server/time-histogram.ts';
import { ApplyWriter } from './apply-writer.ts';
import type { EventWriter } from './event-writer.ts';
import { encodeU64, eventPayload, outcomesPayload, OUTCOME_BYTES } from './payload.ts';
import { APPLY_TIME_BUCKETS, APPLY_TIME_FIRST_NANOSECONDS, RecordType } from './protocol.generated.ts';
import type { Region } from './region.ts';
import type { RingWriter } from './ring-writer.ts';
import { SnapshotInbox } from './snapshot-inbox.ts';

/** Host messages that wait for their answer at once, and bytes that may wait for the event ring; more are refused. */
const MAX_MESSAGES = 1024;
const MAX_MESSAGE_BACKLOG_BYTES = 64 * 1024 * 1024;

interface PendingMessage {
  readonly resolve: (answer: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/** The host's state machine, seen through its rings. Once closed it touches them no more: the slot may be another's. */
export class HostPort implements StateMachinePort {
  private readonly region: Region;
  private readonly applies: ApplyWriter;
  private readonly events: EventWriter;
  private readonly appliedAt: number;
  private readonly applyTimesAt: number;
  private readonly waiting: () => readonly QueueFacts[];
  private readonly schedule: () => void;
  private nextId = 1;
  private closed = false;
  /** The snapshot that was asked for last; the server asks for one at a time. */
  private inbox: SnapshotInbox | null = null;
  private inboxId = 0;
  private readonly messages = new Map<number, PendingMessage>();

  /** `schedule`: the rings are worth a look. */
  constructor(
    region: Region,
    applyRing: RingWriter,
    events: EventWriter,
    at: { readonly appliedIndex: number; readonly applyTimes: number },
    schedule: () => void,
    waiting: () => readonly QueueFacts[] = () => [],
  ) {
    this.region = region;
    this.applies = new ApplyWriter(region, applyRing, schedule);
    this.events = events;
    this.appliedAt = at.appliedIndex;
    this.applyTimesAt = at.applyTimes;
    this.waiting = waiting;
    this.schedule = schedule;
  }

  apply(batch: EntryBatch, own: OwnSequences | null = null): number {
    return this.applies.apply(batch, own);
  }

  /** Goes on with what waits for room in the apply ring; true when the server should hand over entries again. */
  pollApply(): boolean {
    return this.applies.poll();
  }

  appliedIndex(): number {
    // The host stores the word as one 64-bit value: read high, low, high, so that a carry in between is seen.
    const low = this.appliedAt >>> 2;
    const { words } = this.region;
    for (;;) {
      const high = Atomics.load(words, low + 1);
      const value = Atomics.load(words, low);
      if (Atomics.load(words, low + 1) === high) return high * 0x1_0000_0000 + value;
    }
  }

  /** Single words may be one observation ahead of others. */
  applyTimes(): HistogramFacts {
    const word = (i: number): number => this.region.u64(this.applyTimesAt + 8 * i);
    return {
      boundsSeconds: Array.from(
        { length: APPLY_TIME_BUCKETS - 1 },
        (_, i) => (APPLY_TIME_FIRST_NANOSECONDS * 4 ** i) / 1e9,
      ),
      counts: Array.from({ length: APPLY_TIME_BUCKETS }, (_, i) => word(i)),
      sumSeconds: word(APPLY_TIME_BUCKETS) / 1e9,
    };
  }

  queues(): readonly QueueFacts[] {
    return this.closed ? [] : this.waiting();
  }

  restore(index: number, term: number, dataBytes: number, source: SnapshotChunks): Promise<void> {
    return this.applies.restore(index, term, dataBytes, source);
  }

  async takeSnapshot(index: number): Promise<HostSnapshot> {
    this.inbox?.abandon(new ServerError(ErrorCode.STOPPED, 'another snapshot was begun'));
    const inbox = new SnapshotInbox(this.schedule);
    const id = this.nextId++;
    this.inbox = inbox;
    this.inboxId = id;
    await this.applies.request(RecordType.TAKE_SNAPSHOT, id, encodeU64(index));
    return await inbox.snapshot;
  }

  /** False while chunks of a snapshot wait for the disk: the command ring is to be left alone. */
  get takesCommands(): boolean {
    return this.inbox === null || !this.inbox.isFull;
  }

  /**
   * One chunk of SNAPSHOT_DATA; the first has 8 fixed bytes in front, and `total` counts them. Takes `chunk`. False when
   * it does not fit to those before.
   */
  snapshotChunk(id: number, first: boolean, last: boolean, total: number, chunk: Uint8Array): boolean {
    if (this.inbox === null || id !== this.inboxId) return true;
    if (!first) return this.inbox.add(chunk, last);
    if (chunk.length < 8) return false;
    this.inbox.begin(new DataView(chunk.buffer, chunk.byteOffset, 4).getInt32(0, true), total - 8);
    return this.inbox.add(chunk.subarray(8), last);
  }

  stateChanged(state: StateType): void {
    const payload = new Uint8Array(4);
    payload[0] = state;
    this.write(RecordType.STATE_CHANGE, 0, payload);
  }

  event(code: EventCode, value: number, text: string): void {
    const wide = code === EventCode.LEADER_CHANGED ? nodeIdToBigint(value) : BigInt(value);
    this.write(RecordType.EVENT, 0, eventPayload(code, wide, text));
    // Nothing is applied or stored any more; a snapshot on its way must not hold up what the host still asks.
    if (code === EventCode.SERVER_FAILED) this.abandonTransfers(`the server has failed: ${text}`);
  }

  outcomes(outcomes: readonly Outcome[]): void {
    const most = Math.floor((this.events.recordBytes - 8) / OUTCOME_BYTES);
    for (let from = 0; from < outcomes.length; from += most) {
      const to = Math.min(from + most, outcomes.length);
      this.write(RecordType.COMPLETIONS, 0, outcomesPayload(outcomes, from, to));
    }
  }

  message(body: Uint8Array): Promise<Uint8Array> {
    if (this.closed) return Promise.reject(new ServerError(ErrorCode.STOPPED, 'the server has stopped'));
    if (this.messages.size >= MAX_MESSAGES || this.events.backlogBytes > MAX_MESSAGE_BACKLOG_BYTES) {
      return Promise.reject(new ServerError(ErrorCode.BUSY, 'too many host messages wait for their answer'));
    }
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.messages.set(id, { resolve, reject });
      this.write(RecordType.MESSAGE, id, body);
    });
  }

  messageReply(id: number, code: number, answer: Uint8Array): void {
    const pending = this.messages.get(id);
    if (pending === undefined) return;
    this.messages.delete(id);
    if (code === 0) pending.resolve(answer);
    else pending.reject(new ServerError(ErrorCode.CALLBACK_FAILED, `onMessage returned ${code}`));
  }

  private write(type: number, id: number, payload: Uint8Array): void {
    if (!this.closed) this.events.write(type, id, payload);
  }

  /** Entries and snapshots go no further, in neither direction; events and replies still do. */
  abandonTransfers(reason: string): void {
    const error = new ServerError(ErrorCode.STOPPED, reason);
    this.applies.close(error);
    this.inbox?.abandon(error);
  }

  /** The server is gone: whoever still waits for the host is told, and the rings are the host's. */
  close(): void {
    this.abandonTransfers('the server has stopped');
    const stopped = new ServerError(ErrorCode.STOPPED, 'the server has stopped');
    for (const pending of this.messages.values()) pending.reject(stopped);
    this.messages.clear();
    this.closed = true;
  }
}
