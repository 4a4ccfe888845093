/** Takes an arriving MsgSnap apart while it arrives: head and tail stay in memory, data go to the server's sink. */
import type { IncomingMessage } from 'node:http';
import type { NodeId } from '../core/node-id.ts';
import { decodeMessage } from '../core/raftpb/message.ts';
import { DecodeError } from '../core/raftpb/varint.ts';
import { MessageType, type Message } from '../core/types.ts';
import { BodyError, declaredLength, readPieces } from './body-reader.ts';
import { getUint64 } from './frame.ts';
import { refusalOf } from './message-check.ts';
import { findSnapshotData, finishSnapshotMessage, type SnapshotHead } from './snapshot-codec.ts';
import type { SnapshotSink, TransportClock, TransportEvents } from './types.ts';

/** Bytes of a MsgSnap around its data. */
const AROUND_BYTES_MAX = 4 * 1024 * 1024;

export interface SnapshotReceiverSettings {
  readonly self: NodeId;
  readonly events: TransportEvents;
  readonly clock: TransportClock;
  readonly silenceMs: number;
  isPeer(id: NodeId): boolean;
}

/** Bytes of known length, taken from the front of what is offered. */
class Front {
  bytes: Uint8Array = new Uint8Array(0);

  add(piece: Uint8Array, field: string): void {
    if (this.bytes.length + piece.length > AROUND_BYTES_MAX) {
      throw new BodyError(413, `${field} longer than ${AROUND_BYTES_MAX} bytes`);
    }
    const joined = new Uint8Array(this.bytes.length + piece.length);
    joined.set(this.bytes);
    joined.set(piece, this.bytes.length);
    this.bytes = joined;
  }
}

/** One snapshot on its way in. Ends its sink in every case. */
export class SnapshotReceiver {
  private readonly settings: SnapshotReceiverSettings;
  private readonly members: string | null;
  private sink: SnapshotSink | null = null;
  private dataLeft = 0;

  constructor(settings: SnapshotReceiverSettings, members: string | null) {
    this.settings = settings;
    this.members = members;
  }

  /**
   * A request body that holds one encoded MsgSnap. `first` are bytes of it that have been read already. Resolves with
   * the message once its data are in the sink; throws BodyError, DecodeError, or what the sink threw.
   */
  async receive(request: IncomingMessage, first: Uint8Array): Promise<Message> {
    const front = new Front();
    const tail = new Front();
    const state: { head: SnapshotHead | null } = { head: null };
    const take = async (piece: Uint8Array): Promise<void> => {
      let at = 0;
      if (state.head === null) {
        front.add(piece, 'MsgSnap before its data');
        const found = findSnapshotData(front.bytes, false);
        if (found === null) return;
        state.head = found;
        await this.open(found.message, found.dataBytes);
        at = piece.length - (front.bytes.length - found.headBytes);
      }
      at += await this.write(piece, at);
      if (at < piece.length) tail.add(piece.subarray(at), 'MsgSnap behind its data');
    };
    return this.guarded(async () => {
      if (first.length > 0) await take(first);
      await readPieces(request, this.settings.clock, this.settings.silenceMs, take);
      let head = state.head;
      if (head === null) {
        head = findSnapshotData(front.bytes, true)!;
        await this.open(head.message, 0);
      }
      if (this.dataLeft > 0) throw new BodyError(400, `the snapshot ended ${this.dataLeft} bytes early`);
      return finishSnapshotMessage(head, tail.bytes);
    });
  }

  /** etcd's form on /raft/snapshot: a u64 length, the message, then the state machine's data until the body's end. */
  async receivePrefixed(request: IncomingMessage): Promise<Message> {
    const total = declaredLength(request);
    if (total === null) throw new BodyError(411, 'a snapshot needs Content-Length');
    const front = new Front();
    const state: { message: Message | null } = { message: null };
    return this.guarded(async () => {
      await readPieces(request, this.settings.clock, this.settings.silenceMs, async (piece) => {
        if (state.message !== null) {
          await this.write(piece, 0);
          return;
        }
        front.add(piece, 'snapshot message');
        if (front.bytes.length < 8) return;
        const length = getUint64(front.bytes, 0);
        if (length > AROUND_BYTES_MAX) throw new BodyError(413, `snapshot message of ${length} bytes`);
        if (front.bytes.length < 8 + length) return;
        const whole = decodeMessage(front.bytes, 8, 8 + length);
        if (whole.snapshot === null) throw new DecodeError('a snapshot message without a snapshot');
        const inside = whole.snapshot.data;
        state.message = { ...whole, snapshot: { ...whole.snapshot, data: new Uint8Array(0) } };
        await this.open(state.message, inside.length + total - 8 - length);
        await this.write(inside, 0);
        await this.write(front.bytes, 8 + length);
      });
      if (state.message === null) throw new DecodeError('the body ends inside the snapshot message');
      if (this.dataLeft > 0) throw new BodyError(400, `the snapshot ended ${this.dataLeft} bytes early`);
      return state.message;
    });
  }

  /** A MsgSnap that came whole, in a form that could not be streamed. */
  async receiveWhole(message: Message): Promise<Message> {
    const snapshot = message.snapshot;
    if (snapshot === null) throw new DecodeError('a MsgSnap without a snapshot');
    const bare = { ...message, snapshot: { ...snapshot, data: new Uint8Array(0) } };
    return this.guarded(async () => {
      await this.open(bare, snapshot.data.length);
      await this.write(snapshot.data, 0);
      return bare;
    });
  }

  private async guarded(work: () => Promise<Message>): Promise<Message> {
    try {
      const message = await work();
      this.check(message);
      const sink = this.sink!;
      this.sink = null;
      await sink.commit(message);
      return message;
    } finally {
      const sink = this.sink as SnapshotSink | null;
      this.sink = null;
      await sink?.abort();
    }
  }

  private check(message: Message): void {
    const refusal =
      message.type === MessageType.Snap
        ? refusalOf(message, this.settings.self, this.settings.isPeer)
        : `message type ${message.type} is not MsgSnap`;
    if (refusal !== null) throw new DecodeError(`MsgSnap refused: ${refusal}`);
  }

  private async open(message: Message, dataBytes: number): Promise<void> {
    this.check(message);
    this.sink = await this.settings.events.openSnapshotSink(message, dataBytes, this.members);
    if (this.sink === null) throw new BodyError(503, 'the snapshot is not wanted');
    this.dataLeft = dataBytes;
  }

  /** Gives the sink what belongs to it of `piece` from `at` on; returns how many bytes that were. */
  private async write(piece: Uint8Array, at: number): Promise<number> {
    const count = Math.min(this.dataLeft, piece.length - at);
    if (count <= 0) return 0;
    await this.sink!.write(count === piece.length ? piece : piece.subarray(at, at + count));
    this.dataLeft -= count;
    return count;
  }
}
