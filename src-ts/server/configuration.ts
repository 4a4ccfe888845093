/** Applies configuration entries: members durable first, then the core, then the transport. */
import { EventCode } from '../core/codes.generated.ts';
import { EntryType, type EntryBatch } from '../core/entry-batch.ts';
import type { NodeId } from '../core/node-id.ts';
import { decodeConfChange, decodeConfChangeV2, isConfChangeV2 } from '../core/raftpb/conf-change.ts';
import { ConfChangeType, type ConfChange, type ConfChangeV2, type ConfState } from '../core/types.ts';
import type { Engine } from './engine.ts';
import { leavesJoint, type Membership } from './membership.ts';

export interface ConfigurationEvents {
  /** The change at `index` has been applied by the core. */
  applied(index: number, change: ConfChange | ConfChangeV2): void;
  removedSelf(index: number): void;
}

export class Configuration {
  private readonly engine: Engine;
  private readonly events: ConfigurationEvents;
  private confState: ConfState;
  /** Entries up to here are covered by a snapshot that the core has taken over: its configuration counts. */
  private supersededIndex = 0;
  private readonly leaving = new Set<NodeId>();

  constructor(engine: Engine, confState: ConfState, events: ConfigurationEvents) {
    this.engine = engine;
    this.confState = confState;
    this.events = events;
  }

  /** The core has accepted a snapshot. */
  superseded(index: number): void {
    this.supersededIndex = Math.max(this.supersededIndex, index);
  }

  async apply(batch: EntryBatch, position: number): Promise<ConfState> {
    const { engine } = this;
    const index = batch.firstIndex + position;
    const change = this.effective(decode(batch, position));
    const { current } = engine.members;
    if (index > current.index) {
      const next = leavesJoint(change)
        ? current.afterJoint(index, this.confState)
        : current.with(index, change);
      await engine.members.replace(next);
    }
    if (index <= this.supersededIndex || engine.phase === 'ended') return this.confState;
    this.confState = engine.node.applyConfChange(change);
    this.events.applied(index, change);
    if (index > current.index) {
      this.syncTransport(current, engine.members.current);
      engine.port.event(EventCode.MEMBERS_CHANGED, index, '');
    }
    // A removal from before a restart does not count where it may have been taken back since.
    const counts = index > current.index || engine.config.reusableIds !== true;
    if (counts && engine.members.current.removed.has(engine.config.id)) this.events.removedSelf(index);
    engine.schedule();
    return this.confState;
  }

  /** A change that would leave no voter has no effect, on every member alike. */
  private effective(change: ConfChange | ConfChangeV2): ConfChange | ConfChangeV2 {
    if (isConfChangeV2(change) || change.type !== ConfChangeType.RemoveNode) return change;
    const { voters } = this.confState;
    return voters.length === 1 && voters[0] === change.nodeId ? { ...change, nodeId: 0 } : change;
  }

  /** The members that came with a snapshot. */
  async adopt(next: Membership): Promise<void> {
    const before = this.engine.members.current;
    await this.engine.members.replace(next);
    const now = this.engine.members.current;
    if (now === before || this.engine.phase === 'ended') return;
    this.syncTransport(before, now);
    this.engine.port.event(EventCode.MEMBERS_CHANGED, now.index, '');
  }

  private syncTransport(before: Membership, now: Membership): void {
    const { transport, config } = this.engine;
    const dialled = new Set<NodeId>(transport.peers().map((peer) => peer.id));
    for (const member of now.members.values()) {
      if (member.id === config.id) continue;
      if (!dialled.has(member.id)) transport.addPeer(member.id, member.urls);
      else if (before.members.get(member.id)?.urls.join() !== member.urls.join() && member.urls.length > 0) {
        transport.updatePeer(member.id, member.urls);
      }
    }
    for (const id of before.members.keys()) {
      if (id !== config.id && !now.members.has(id)) this.removePeerSoon(id);
    }
  }

  /** What is under way between us and a removed member (the commit of its removal, its handing over) may still arrive. */
  private removePeerSoon(id: NodeId): void {
    const { engine } = this;
    this.leaving.add(id);
    engine.environment.clock.setTimer(engine.electionMs, () => {
      this.leaving.delete(id);
      if (engine.phase !== 'ended' && !engine.members.current.members.has(id))
        engine.transport.removePeer(id);
    });
  }

  isLeaving(id: NodeId): boolean {
    return this.leaving.has(id);
  }
}

function decode(batch: EntryBatch, position: number): ConfChange | ConfChangeV2 {
  const data = batch.data(position);
  return batch.type(position) === EntryType.ConfChange ? decodeConfChange(data) : decodeConfChangeV2(data);
}
