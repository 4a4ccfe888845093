/** Sends snapshot files to followers that the core wants to have one. */
import type { NodeId } from '../core/node-id.ts';
import type { ConfState, Message } from '../core/types.ts';
import type { SnapshotDirectory } from '../storage/types.ts';
import type { Transport } from '../transport/types.ts';
import type { Clock } from './api.ts';
import { SNAPSHOT_REPORT_MS } from './limits.ts';
import type { SnapshotShelf } from './snapshot-shelf.ts';

/** One transfer a follower at most: the core sends the next only after the result of the last. */
export class SnapshotSender {
  private readonly shelf: SnapshotShelf;
  private readonly directory: SnapshotDirectory;
  private readonly transport: Transport;
  private readonly clock: Clock;
  private readonly wantNewer: () => void;
  /** By follower: index of the snapshot on its way, and until when the log behind it is kept. */
  private readonly pins = new Map<NodeId, { readonly index: number; until: number }>();

  constructor(
    shelf: SnapshotShelf,
    directory: SnapshotDirectory,
    transport: Transport,
    clock: Clock,
    wantNewer: () => void,
  ) {
    this.shelf = shelf;
    this.directory = directory;
    this.transport = transport;
    this.clock = clock;
    this.wantNewer = wantNewer;
  }

  /** `failed` tells the core that it failed; later, so that the core does not try again in a tight loop. */
  send(message: Message, members: string, failed: (id: NodeId) => void): void {
    const { index, term } = message.snapshot!.metadata;
    const file = this.shelf.find(index, term);
    // A follower takes no snapshot from before it was a member: a new one has to be taken first.
    const isOld = file !== null && !concerns(file.metadata.confState, message.to);
    if (isOld) this.wantNewer();
    if (file === null || isOld) {
      this.clock.setTimer(SNAPSHOT_REPORT_MS, () => {
        failed(message.to);
      });
      return;
    }
    this.pins.set(message.to, { index, until: Infinity });
    this.transport.sendSnapshot(
      message,
      { dataBytes: file.dataBytes, read: (chunk) => this.directory.read(file, chunk) },
      members,
    );
  }

  /** The transfer has ended; a follower that took it gets `graceMs` to fetch the entries behind it. */
  finished(id: NodeId, success: boolean, graceMs: number): void {
    const pin = this.pins.get(id);
    if (pin === undefined) return;
    if (success) pin.until = this.clock.now() + graceMs;
    else this.pins.delete(id);
  }

  forget(id: NodeId): void {
    this.pins.delete(id);
  }

  /** Entries above this index are wanted by followers that are receiving a snapshot; Infinity when there are none. */
  pinnedIndex(): number {
    let lowest = Infinity;
    const now = this.clock.now();
    for (const [id, pin] of this.pins) {
      if (pin.until <= now) this.pins.delete(id);
      else lowest = Math.min(lowest, pin.index);
    }
    return lowest;
  }
}

function concerns(state: ConfState, id: NodeId): boolean {
  return [state.voters, state.learners, state.votersOutgoing, state.learnersNext].some((ids) =>
    ids.includes(id),
  );
}
