/** One turn: everything that this round of the event loop brought becomes one Ready, one write, one message a peer. */
import type { Ready } from '../core/api.ts';
import { LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD } from '../core/node-id.ts';
import { MessageType, type Message, type ReadState, type SoftState } from '../core/types.ts';
import type { AppendQueue } from './append-queue.ts';
import type { ApplyQueue } from './apply-queue.ts';
import type { Engine } from './engine.ts';
import { READYS_PER_TURN } from './limits.ts';
import type { LogLedger } from './log-ledger.ts';

export interface ReadyParts {
  readonly appends: AppendQueue;
  readonly applies: ApplyQueue;
  readonly ledger: LogLedger;
  softState(state: SoftState): void;
  readStates(states: readonly ReadState[]): void;
  sendSnapshot(message: Message): void;
}

export class ReadyLoop {
  private readonly engine: Engine;
  private readonly parts: ReadyParts;

  constructor(engine: Engine, parts: ReadyParts) {
    this.engine = engine;
    this.parts = parts;
  }

  /** Handles what the core has ready. False when the bound of a turn was reached: there is more. */
  run(): boolean {
    const { node } = this.engine;
    for (let i = 0; i < READYS_PER_TURN; i++) {
      if (!node.hasReady()) return true;
      this.handle(node.ready());
      // A write that is made at once may fail at once.
      if (this.engine.phase === 'ended') return true;
    }
    return !node.hasReady();
  }

  private handle(ready: Ready): void {
    if (ready.softState !== null) this.parts.softState(ready.softState);
    if (ready.readStates.length > 0) this.parts.readStates(ready.readStates);
    const outgoing: Message[] = [];
    let append: Message | null = null;
    let apply: Message | null = null;
    for (const message of ready.messages) {
      if (message.to === LOCAL_APPEND_THREAD) append = message;
      else if (message.to === LOCAL_APPLY_THREAD) apply = message;
      else if (message.type === MessageType.Snap) this.parts.sendSnapshot(message);
      else outgoing.push(message);
    }
    const { transport } = this.engine;
    if (outgoing.length > 0) transport.send(outgoing);
    // The write below may block this thread until the disk has it: what others wait for goes out before.
    if (append !== null && append.entries.length > 0) transport.flush();
    // Entries to apply are durable already; the host works while the disk does.
    if (apply !== null) this.parts.applies.submit(apply);
    if (append !== null) {
      if (append.snapshot !== null) this.parts.ledger.reset(append.snapshot.metadata.index);
      this.parts.ledger.append(append.entries);
      this.parts.appends.submit(append, ready.mustSync);
    }
  }
}
