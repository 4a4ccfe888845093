/** The `msgapp` stream, receiving side: entries go from the read buffer into batches with one copy. */
import type { EntryBatch } from '../core/entry-batch.ts';
import type { NodeId } from '../core/node-id.ts';
import { decodeMessage } from '../core/raftpb/message.ts';
import { DecodeError } from '../core/raftpb/varint.ts';
import { makeMessage, MessageType, type Message } from '../core/types.ts';
import { EntryArena } from './entry-arena.ts';
import { getUint64, type FrameDecoder } from './frame.ts';
import { ByteGatherer } from './message-codec.ts';
import { APP, APP_ENTRIES, LINK_HEARTBEAT } from './msgappv2-encoder.ts';

const State = { Kind: 0, Count: 1, EntrySize: 2, Entry: 3, Commit: 4, AppSize: 5, App: 6 } as const;
type State = (typeof State)[keyof typeof State];

const LARGEST_EXACT = Number.MAX_SAFE_INTEGER;

export class MsgAppV2Decoder implements FrameDecoder {
  private readonly local: NodeId;
  private readonly remote: NodeId;
  private readonly messageBytesMax: number;
  private readonly arena = new EntryArena();
  private readonly gatherer = new ByteGatherer();
  private readonly fixed = new Uint8Array(8);
  private fixedHave = 0;
  private state: State = State.Kind;
  private entriesLeft = 0;
  private frameBytes = 0;
  private batches: EntryBatch[] = [];
  /** The position behind the last entry of the stream, as the sender keeps it too. */
  private term = 0;
  private index = 0;
  /** Where the frame being read starts. */
  private previousIndex = 0;

  constructor(local: NodeId, remote: NodeId, messageBytesMax: number) {
    this.local = local;
    this.remote = remote;
    this.messageBytesMax = messageBytesMax;
  }

  push(bytes: Uint8Array, start: number, end: number, messages: Message[]): void {
    let at = start;
    while (at < end) {
      switch (this.state) {
        case State.Kind:
          this.beginFrame(bytes[at++]!);
          break;
        case State.EntrySize:
          if (this.fixedHave === 0) {
            const taken = this.takeWholeEntries(bytes, at, end);
            if (taken > 0) {
              at += taken;
              break;
            }
          }
          at = this.takeFixed(bytes, at, end, messages);
          break;
        case State.Entry:
          at += this.gatherer.take(bytes, at, end);
          if (this.gatherer.missing === 0) {
            this.arena.add(this.gatherer.finish(), ++this.index, this.batches);
            this.entryTaken(1);
          }
          break;
        case State.App:
          at += this.gatherer.take(bytes, at, end);
          if (this.gatherer.missing === 0) this.finishApp(this.gatherer.finish(), messages);
          break;
        default:
          at = this.takeFixed(bytes, at, end, messages);
      }
    }
  }

  private beginFrame(kind: number): void {
    if (kind === APP_ENTRIES) {
      this.previousIndex = this.index;
      this.frameBytes = 0;
      this.state = State.Count;
    } else if (kind === APP) this.state = State.AppSize;
    else if (kind !== LINK_HEARTBEAT)
      throw new DecodeError(`frame of unknown kind ${kind} in a msgapp stream`);
  }

  /** All entries that lie complete in `[start, end)`, at once; returns their bytes, lengths included. */
  private takeWholeEntries(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    let count = 0;
    while (count < this.entriesLeft && end - at >= 8) {
      const size = getUint64(bytes, at);
      if (size > end - at - 8) break;
      at += 8 + size;
      count++;
    }
    if (count === 0) return 0;
    this.charge(at - start);
    this.arena.addPrefixed(bytes, start, at, count, this.index + 1, this.batches);
    this.index += count;
    this.entryTaken(count);
    return at - start;
  }

  private entryTaken(count: number): void {
    this.entriesLeft -= count;
    this.state = this.entriesLeft === 0 ? State.Commit : State.EntrySize;
  }

  private charge(byteCount: number): void {
    this.frameBytes += byteCount;
    if (this.frameBytes > this.messageBytesMax) {
      throw new DecodeError(`append of more than ${this.messageBytesMax} bytes`);
    }
  }

  /** Fixed-size numbers, which may come in pieces. */
  private takeFixed(bytes: Uint8Array, at: number, end: number, messages: Message[]): number {
    let value: number;
    if (this.fixedHave === 0 && end - at >= 8) {
      value = getUint64(bytes, at);
      at += 8;
    } else {
      while (this.fixedHave < 8 && at < end) this.fixed[this.fixedHave++] = bytes[at++]!;
      if (this.fixedHave < 8) return at;
      this.fixedHave = 0;
      value = getUint64(this.fixed, 0);
    }
    switch (this.state) {
      case State.Count:
        if (value > LARGEST_EXACT) throw new DecodeError(`append of ${value} entries`);
        this.entriesLeft = value;
        this.state = value === 0 ? State.Commit : State.EntrySize;
        break;
      case State.EntrySize:
        if (value > this.messageBytesMax) {
          throw new DecodeError(`entry of ${value} bytes; the limit is ${this.messageBytesMax}`);
        }
        this.charge(8 + value);
        if (value === 0) throw new DecodeError('entry of no bytes');
        this.gatherer.begin(value);
        this.state = State.Entry;
        break;
      case State.Commit:
        this.finishEntries(value, messages);
        break;
      case State.AppSize:
        if (value > this.messageBytesMax) {
          throw new DecodeError(`message of ${value} bytes; the limit is ${this.messageBytesMax}`);
        }
        if (value === 0) throw new DecodeError('message of no bytes');
        this.gatherer.begin(value);
        this.state = State.App;
        break;
      default:
        throw new RangeError(`no number is expected in state ${this.state}`);
    }
    return at;
  }

  private finishEntries(commit: number, messages: Message[]): void {
    if (commit > LARGEST_EXACT) throw new DecodeError(`commit index ${commit} is above 2^53`);
    this.arena.finish(this.batches);
    messages.push(
      makeMessage({
        type: MessageType.App,
        to: this.local,
        from: this.remote,
        term: this.term,
        logTerm: this.term,
        index: this.previousIndex,
        entries: this.batches,
        commit,
      }),
    );
    this.batches = [];
    this.state = State.Kind;
  }

  private finishApp(encoded: Uint8Array, messages: Message[]): void {
    const message = decodeMessage(encoded);
    const entries = message.entries;
    this.term = message.term;
    this.index = entries.length === 0 ? message.index : entries[entries.length - 1]!.lastIndex;
    messages.push(message);
    this.state = State.Kind;
  }
}
