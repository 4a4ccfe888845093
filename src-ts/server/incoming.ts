/** What the transport brings: messages to the core, snapshots to the disk, news about peers. */
import { isTransfer } from '../core/messages/campaign.ts';
import { nodeIdToHex, type NodeId } from '../core/node-id.ts';
import { MessageType, type Message } from '../core/types.ts';
import type { ForwardedOutcome, SnapshotSink, TransportEvents } from '../transport/types.ts';
import type { Engine } from './engine.ts';
import type { Proposing } from './proposing.ts';
import type { Removal } from './removal.ts';
import type { SnapshotReceiver } from './snapshot-receiver.ts';

export interface IncomingParts {
  readonly proposing: Proposing;
  readonly removal: Removal;
  readonly receiver: SnapshotReceiver;
  snapshotFinished(id: NodeId, success: boolean): void;
  /** Removed a moment ago, and perhaps still telling others. */
  isLeaving(id: NodeId): boolean;
  /** Committed bytes that the host has not applied are above their bound: no more entries are taken. */
  hostIsBehind(): boolean;
  /** The core has taken over a snapshot. */
  snapshotAccepted(index: number): void;
  transferSeen(): void;
  /** The leader has asked another node to campaign for this term. */
  handedOver(term: number): void;
  /** Runs a callback of the transport; an error in it stops the server. */
  guard(doing: string, work: () => void): void;
}

export class Incoming implements TransportEvents {
  private readonly engine: Engine;
  private readonly parts: IncomingParts;

  constructor(engine: Engine, parts: IncomingParts) {
    this.engine = engine;
    this.parts = parts;
  }

  private get takesPart(): boolean {
    return this.engine.phase !== 'ended' && !this.parts.removal.detached;
  }

  receive(messages: readonly Message[]): void {
    if (!this.takesPart) return;
    this.parts.guard('handling messages of peers', () => {
      for (const message of messages) this.take(message);
    });
    this.engine.schedule();
  }

  private take(message: Message): void {
    const { engine, parts } = this;
    parts.removal.contradictedBy(message.from);
    switch (message.type) {
      case MessageType.Prop:
        parts.proposing.stepForwarded(message);
        return;
      case MessageType.App:
        // As if the network had lost it: the leader's window to us fills up, and it waits without losing its place.
        if (message.entries.length > 0 && parts.hostIsBehind()) return;
        break;
      case MessageType.Snap:
        this.takeSnapshot(message);
        return;
      case MessageType.TransferLeader:
        parts.transferSeen();
        break;
      case MessageType.TimeoutNow:
        parts.transferSeen();
        parts.handedOver(message.term + 1);
        break;
      case MessageType.Vote:
        if (isTransfer(message.context)) parts.handedOver(message.term);
        break;
      default:
    }
    engine.step(message);
  }

  private takeSnapshot(message: Message): void {
    const { engine } = this;
    const index = message.snapshot?.metadata.index ?? 0;
    const before = engine.node.committed;
    engine.step(message);
    if (before < index && engine.node.committed >= index) this.parts.snapshotAccepted(index);
  }

  openSnapshotSink(
    message: Message,
    dataBytes: number,
    members: string | null,
  ): Promise<SnapshotSink | null> {
    if (!this.takesPart) return Promise.resolve(null);
    return this.parts.receiver.open(message, dataBytes, members);
  }

  unreachable(id: NodeId): void {
    if (!this.takesPart) return;
    this.parts.guard('handling an unreachable peer', () => {
      this.engine.node.reportUnreachable(id);
    });
    this.engine.schedule();
  }

  snapshotResult(id: NodeId, success: boolean): void {
    const { engine } = this;
    if (!this.takesPart) return;
    if (!success) engine.environment.logger.warning(`sending a snapshot to ${nodeIdToHex(id)} failed`);
    this.parts.snapshotFinished(id, success);
    this.parts.guard('handling the result of a snapshot', () => {
      engine.node.reportSnapshot(id, success);
    });
    engine.schedule();
  }

  isRemoved(id: NodeId): boolean {
    return this.engine.members.current.removed.has(id) && !this.parts.isLeaving(id);
  }

  removedByPeer(id: NodeId): void {
    if (!this.takesPart) return;
    this.parts.guard('handling a removal', () => {
      this.parts.removal.toldBy(id);
    });
  }

  peerUrls(id: NodeId, urls: readonly string[]): void {
    const { engine } = this;
    if (!this.takesPart || id === engine.config.id || urls.length === 0) return;
    const { current } = engine.members;
    if (current.removed.has(id)) return;
    if ((current.members.get(id)?.urls.length ?? 0) > 0) return;
    if (!engine.members.learnUrls(id, urls)) return;
    if (engine.transport.peers().some((peer) => peer.id === id)) engine.transport.updatePeer(id, urls);
    else engine.transport.addPeer(id, urls);
  }

  hostMessage(body: Uint8Array): Promise<Uint8Array> {
    return this.engine.port.message(body);
  }

  view(): Uint8Array {
    return this.engine.view();
  }

  forwardedOutcomes(_from: NodeId, outcomes: readonly ForwardedOutcome[]): void {
    if (this.engine.phase === 'ended') return;
    this.parts.guard('handling outcomes of forwarded proposals', () => {
      this.parts.proposing.takeForwardedOutcomes(outcomes);
    });
    this.engine.schedule();
  }
}
