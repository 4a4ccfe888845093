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
import { ApplyWriter } from './apply-writer.ts';
import type { EventWriter } from './event-writer.ts';
import { RecordType } from './protocol.generated.ts';
import type { Region } from './region.ts';
import type { RingWriter } from './ring-writer.ts';
import { SnapshotInbox } from './snapshot-inbox.ts';

const OUTCOME_BYTES = 32;
/** Host messages that wait for their answer at once; further ones are refused. */
const MAX_MESSAGES = 1024;

interface PendingMessage {
  readonly resolve: (answer: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/** The host's state machine, seen through its rings. */
export class HostPort implements StateMachinePort {
  readonly applies: ApplyWriter;
  private readonly region: Region;
  private readonly events: EventWriter;
  private readonly appliedAt: number;
  private readonly onCommandRoom: () => void;
  private nextId = 1;
  private readonly inboxes = new Map<number, SnapshotInbox>();
  private readonly messages = new Map<number, PendingMessage>();

  constructor(
    region: Region,
    applyRing: RingWriter,
    events: EventWriter,
    appliedAt: number,
    onCommandRoom: () => void,
  ) {
    this.region = region;
    this.applies = new ApplyWriter(region, applyRing);
    this.events = events;
    this.appliedAt = appliedAt;
    this.onCommandRoom = onCommandRoom;
  }

  apply(batch: EntryBatch): number {
    return this.applies.apply(batch);
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

  restore(index: number, term: number, dataBytes: number, source: SnapshotChunks): Promise<void> {
    return this.applies.restore(index, term, dataBytes, source);
  }

  async takeSnapshot(index: number): Promise<HostSnapshot> {
    const id = this.nextId++;
    const inbox = new SnapshotInbox(this.onCommandRoom);
    this.inboxes.set(id, inbox);
    const payload = new Uint8Array(8);
    new DataView(payload.buffer).setUint32(0, index >>> 0, true);
    new DataView(payload.buffer).setUint32(4, Math.floor(index / 0x1_0000_0000), true);
    await this.applies.request(RecordType.TAKE_SNAPSHOT, id, payload);
    return inbox.snapshot;
  }

  /** False while chunks of a snapshot wait for the disk: the command ring is to be left alone. */
  get takesCommands(): boolean {
    for (const inbox of this.inboxes.values()) if (inbox.isFull) return false;
    return true;
  }

  /** One chunk of SNAPSHOT_DATA; `first` has the 8 fixed bytes in front. */
  snapshotChunk(id: number, first: boolean, last: boolean, total: number, chunk: Uint8Array): void {
    const inbox = this.inboxes.get(id);
    if (inbox === undefined) return;
    let data = chunk;
    if (first) {
      const code = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength).getInt32(0, true);
      inbox.begin(code, total - 8);
      data = chunk.subarray(8);
    }
    inbox.add(data);
    if (last) this.inboxes.delete(id);
  }

  stateChanged(state: StateType): void {
    const payload = new Uint8Array(4);
    payload[0] = state;
    this.events.write(RecordType.STATE_CHANGE, 0, payload);
  }

  event(code: EventCode, value: number, text: string): void {
    const encoded = new TextEncoder().encode(text);
    const payload = new Uint8Array(16 + encoded.length);
    const view = new DataView(payload.buffer);
    view.setUint32(0, code, true);
    view.setBigUint64(8, code === EventCode.LEADER_CHANGED ? nodeIdToBigint(value) : BigInt(value), true);
    payload.set(encoded, 16);
    this.events.write(RecordType.EVENT, 0, payload);
  }

  outcomes(outcomes: readonly Outcome[]): void {
    const most = Math.floor((this.events.recordBytes - 8) / OUTCOME_BYTES);
    for (let from = 0; from < outcomes.length; from += most) {
      const count = Math.min(most, outcomes.length - from);
      const payload = new Uint8Array(8 + count * OUTCOME_BYTES);
      const view = new DataView(payload.buffer);
      view.setUint32(0, count, true);
      for (let i = 0; i < count; i++) {
        const outcome = outcomes[from + i]!;
        const at = 8 + i * OUTCOME_BYTES;
        setU64(view, at, outcome.sequence);
        setU64(view, at + 8, outcome.index);
        setU64(view, at + 16, outcome.term);
        view.setInt32(at + 24, outcome.code, true);
      }
      this.events.write(RecordType.COMPLETIONS, 0, payload);
    }
  }

  message(body: Uint8Array): Promise<Uint8Array> {
    if (this.messages.size >= MAX_MESSAGES) {
      return Promise.reject(new ServerError(ErrorCode.BUSY, 'too many host messages wait for their answer'));
    }
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.messages.set(id, { resolve, reject });
      this.events.write(RecordType.MESSAGE, id, body);
    });
  }

  messageReply(id: number, code: number, answer: Uint8Array): void {
    const pending = this.messages.get(id);
    if (pending === undefined) return;
    this.messages.delete(id);
    if (code === 0) pending.resolve(answer);
    else pending.reject(new ServerError(ErrorCode.CALLBACK_FAILED, `onMessage returned ${code}`));
  }

  /** The server is gone: whoever still waits for the host is told. */
  close(): void {
    const stopped = new ServerError(ErrorCode.STOPPED, 'the server has stopped');
    for (const inbox of this.inboxes.values()) inbox.abandon(stopped);
    this.inboxes.clear();
    for (const pending of this.messages.values()) pending.reject(stopped);
    this.messages.clear();
  }
}

function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}
