/** The apply side of asynchronous storage: committed entries go to the host in order, configuration entries to the engine. */
import { EntryType, type EntryBatch } from '../core/entry-batch.ts';
import type { ConfState, Message } from '../core/types.ts';
import type { StateMachinePort } from './api.ts';
import type { OwnProposals } from './own-proposals.ts';

export interface ApplyTarget {
  /** Applies the configuration entry; resolves once the membership is durable and the core has taken it. */
  configure(batch: EntryBatch, position: number): Promise<ConfState>;
  /** Everything of a StorageApply message has been handed over. */
  deliver(responses: readonly Message[]): void;
  failed(error: unknown, doing: string): void;
}

/** A host state to be installed in order with the entries. */
export interface Restore {
  readonly index: number;
  readonly term: number;
  readonly confState: ConfState;
  /** Hands the data to the port. */
  run(): Promise<void>;
}

type Item =
  | { readonly kind: 'entries'; readonly message: Message; batch: number; skip: number }
  | { readonly kind: 'restore'; readonly restore: Restore };

/**
 * Bound: the core stops handing out committed entries at APPLYING_BYTES until their StorageApply is answered, which
 * happens when the host has taken them; what the host holds beyond that is its own ring.
 */
export class ApplyQueue {
  private readonly port: StateMachinePort;
  private readonly target: ApplyTarget;
  private readonly own: OwnProposals | null;
  private readonly items: Item[] = [];
  /** A configuration entry or a restore is under way. */
  private busy = false;
  private ended = false;
  /** Configuration entries up to here have been applied by the engine (perhaps not yet counted by the host). */
  private configuredIndex: number;
  private configuredState: ConfState;
  /** Last entry (or restored snapshot) that was handed to the host, and the configuration as of then. */
  handedIndex: number;
  handedTerm: number;
  handedConfState: ConfState;
  /** Entries up to here have been gone through since the start, shown to the host or not. */
  private processedIndex: number;

  /** `handedIndex`: where the host's state stands; `configuredIndex`: where the configuration does (a snapshot, or 0). */
  constructor(
    port: StateMachinePort,
    target: ApplyTarget,
    start: {
      readonly handedIndex: number;
      readonly configuredIndex: number;
      readonly term: number;
      readonly confState: ConfState;
    },
    own: OwnProposals | null = null,
  ) {
    this.port = port;
    this.own = own;
    this.target = target;
    this.handedIndex = start.handedIndex;
    this.handedTerm = start.term;
    this.handedConfState = start.confState;
    this.configuredIndex = start.configuredIndex;
    this.configuredState = start.confState;
    this.processedIndex = start.configuredIndex;
  }

  /** After a restart: false until the configuration as of `handedIndex` is known. */
  get isCaughtUp(): boolean {
    return this.processedIndex >= this.handedIndex;
  }

  get size(): number {
    return this.items.length;
  }

  /** Takes a StorageApply message. */
  submit(message: Message): void {
    this.items.push({ kind: 'entries', message, batch: 0, skip: 0 });
    this.pump();
  }

  /** Installs a snapshot after what is queued; queued entries that it covers are not shown to the host. */
  submitRestore(restore: Restore): void {
    this.items.push({ kind: 'restore', restore });
    this.pump();
  }

  end(): void {
    this.ended = true;
    this.items.length = 0;
  }

  /** Goes on as far as the host has room. */
  pump(): void {
    while (!this.busy && !this.ended && this.items.length > 0) {
      const item = this.items[0]!;
      if (item.kind === 'restore') this.startRestore(item.restore);
      else if (!this.handOver(item)) return;
    }
  }

  private startRestore(restore: Restore): void {
    this.busy = true;
    restore
      .run()
      .then(() => {
        if (this.ended) return;
        this.busy = false;
        this.items.shift();
        this.own?.superseded(restore.index);
        this.handedIndex = restore.index;
        this.processedIndex = restore.index;
        this.handedTerm = restore.term;
        this.handedConfState = restore.confState;
        this.configuredIndex = restore.index;
        this.configuredState = restore.confState;
        this.pump();
      })
      .catch((error: unknown) => {
        if (!this.ended) this.target.failed(error, `restoring the snapshot at index ${restore.index}`);
      });
  }

  /** Index of the snapshot that waits to be restored; entries up to it are superseded. */
  private supersededIndex(): number {
    for (let i = this.items.length - 1; i > 0; i--) {
      const item = this.items[i]!;
      if (item.kind === 'restore') return item.restore.index;
    }
    return 0;
  }

  /** True when the item is finished or interrupted by a configuration entry; false when the host has no room. */
  private handOver(item: Item & { kind: 'entries' }): boolean {
    const { entries, responses } = item.message;
    const superseded = this.items.length > 1 ? this.supersededIndex() : 0;
    while (item.batch < entries.length) {
      const batch = entries[item.batch]!;
      const from = Math.max(batch.firstIndex + item.skip, 1 + superseded);
      if (from > batch.lastIndex) {
        item.batch++;
        item.skip = 0;
        continue;
      }
      const stop = this.nextConfiguration(batch, from);
      if (stop === from) {
        this.configure(batch, from);
        return true;
      }
      const upTo = stop - 1;
      if (!this.give(batch, from, upTo)) return false;
      this.processedIndex = upTo;
      item.skip = upTo + 1 - batch.firstIndex;
    }
    this.items.shift();
    this.target.deliver(responses);
    return true;
  }

  /** Index of the first configuration entry from `from` on that the engine has not applied, else one past the batch. */
  private nextConfiguration(batch: EntryBatch, from: number): number {
    if (batch.types !== null) {
      for (let index = Math.max(from, this.configuredIndex + 1); index <= batch.lastIndex; index++) {
        if (batch.type(index - batch.firstIndex) !== EntryType.Normal) return index;
      }
    }
    return batch.lastIndex + 1;
  }

  private configure(batch: EntryBatch, index: number): void {
    this.busy = true;
    this.target
      .configure(batch, index - batch.firstIndex)
      .then((confState) => {
        if (this.ended) return;
        this.busy = false;
        this.configuredIndex = index;
        this.configuredState = confState;
        if (index <= this.handedIndex) this.handedConfState = confState;
        this.pump();
      })
      .catch((error: unknown) => {
        if (!this.ended) this.target.failed(error, `applying the configuration entry at index ${index}`);
      });
  }

  /** Hands over entries [from, upTo]; false when the host took fewer. Those that it has applied already are skipped. */
  private give(batch: EntryBatch, from: number, upTo: number): boolean {
    let next = Math.max(from, this.handedIndex + 1);
    while (next <= upTo) {
      const taken = this.port.apply(batch.slice(next, upTo + 1), this.own);
      if (taken > 0) {
        next += taken;
        this.handed(next - 1, batch.term);
      }
      if (next <= upTo) return false;
    }
    return true;
  }

  private handed(index: number, term: number): void {
    this.own?.handed(index);
    this.handedIndex = index;
    this.handedTerm = term;
    if (this.configuredIndex <= index) this.handedConfState = this.configuredState;
  }
}
