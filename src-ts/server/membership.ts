/** Who is a member, under which URL, and who has been removed: what neither ConfState nor a snapshot file holds. */
import { isConfChangeV2 } from '../core/raftpb/conf-change.ts';
import type { Intern } from '../core/raftpb/varint.ts';
import { nodeIdFromBigint, nodeIdToBigint, type NodeId } from '../core/node-id.ts';
import {
  ConfChangeTransition,
  ConfChangeType,
  type ConfChange,
  type ConfChangeSingle,
  type ConfChangeV2,
  type ConfState,
} from '../core/types.ts';
import type { MembersFile } from '../storage/types.ts';
import type { PeerConfig } from './api.ts';
import { decodeJointContext } from './joint-context.ts';

export interface Member {
  readonly id: NodeId;
  /** Empty when it is not known (a data directory of another engine). */
  readonly urls: readonly string[];
  readonly learner: boolean;
}

const text = new TextDecoder();

/** Immutable: every change makes a new one. */
export class Membership {
  /** Index of the last change in it; 0 before any. */
  readonly index: number;
  /** In order of id. */
  readonly members: ReadonlyMap<NodeId, Member>;
  readonly removed: ReadonlySet<NodeId>;

  constructor(index: number, members: ReadonlyMap<NodeId, Member>, removed: ReadonlySet<NodeId>) {
    this.index = index;
    this.members = members;
    this.removed = removed;
  }

  static readonly EMPTY = new Membership(0, new Map(), new Set());

  static ofPeers(index: number, peers: readonly PeerConfig[]): Membership {
    const members = new Map<NodeId, Member>();
    for (const peer of peers) members.set(peer.id, { id: peer.id, urls: [peer.url], learner: false });
    return new Membership(index, members, new Set());
  }

  /**
   * What a ConfState says, with the URLs that are known: for snapshots that come without a member list (from other
   * engines).
   */
  static ofConfState(
    index: number,
    state: ConfState,
    known: Membership,
    configured: readonly PeerConfig[],
  ): Membership {
    const members = new Map<NodeId, Member>();
    const add = (id: NodeId, learner: boolean) => {
      const urls =
        known.members.get(id)?.urls ?? configured.filter((peer) => peer.id === id).map((peer) => peer.url);
      members.set(id, { id, urls, learner });
    };
    for (const id of state.learners) add(id, true);
    for (const id of state.votersOutgoing) add(id, false);
    for (const id of state.voters) add(id, false);
    const removed = new Set(known.removed);
    for (const id of members.keys()) removed.delete(id);
    for (const id of known.members.keys()) if (!members.has(id)) removed.add(id);
    return new Membership(index, members, removed);
  }

  static ofFile(file: MembersFile, intern: Intern = nodeIdFromBigint): Membership {
    const members = new Map<NodeId, Member>();
    for (const member of file.members) {
      const id = intern(member.id);
      members.set(id, { id, urls: member.urls, learner: member.learner });
    }
    return new Membership(file.index, members, new Set(file.removed.map(intern)));
  }

  toFile(): MembersFile {
    return {
      index: this.index,
      members: [...this.members.values()].map((member) => ({
        id: nodeIdToBigint(member.id),
        urls: member.urls,
        learner: member.learner,
      })),
      removed: [...this.removed].map(nodeIdToBigint),
    };
  }

  get voterCount(): number {
    let count = 0;
    for (const member of this.members.values()) if (!member.learner) count++;
    return count;
  }

  /** The membership after the change at `index`. A V1 change without node id is a change that was refused: no effect. */
  with(index: number, change: ConfChange | ConfChangeV2): Membership {
    const members = new Map(this.members);
    const removed = new Set(this.removed);
    const singles: readonly ConfChangeSingle[] = isConfChangeV2(change) ? change.changes : [change];
    const notes = isConfChangeV2(change) ? decodeJointContext(change.context) : null;
    const only = singles.length === 1 && change.context !== null ? text.decode(change.context) : '';
    for (const single of singles) {
      // Who goes still votes in the joint configuration: see `afterJoint`.
      if (entersJoint(change) && single.type === ConfChangeType.RemoveNode) continue;
      applySingle(members, removed, single, notes === null ? only : notes.url(single.nodeId));
    }
    return new Membership(index, members, removed);
  }

  /** A joint configuration is left at `index`: who is not in what comes after it has been removed. */
  afterJoint(index: number, state: ConfState): Membership {
    const staying = new Set([...state.voters, ...state.learners, ...state.learnersNext]);
    const members = new Map([...this.members].filter(([id]) => staying.has(id)));
    const removed = new Set(this.removed);
    for (const id of this.members.keys()) if (!staying.has(id)) removed.add(id);
    return new Membership(index, members, removed);
  }

  withUrls(id: NodeId, urls: readonly string[]): Membership {
    const member = this.members.get(id);
    if (member === undefined) return this;
    const members = new Map(this.members);
    members.set(id, { ...member, urls });
    return new Membership(this.index, members, this.removed);
  }
}

/** Several changes at once, or an explicit transition. */
export function entersJoint(change: ConfChange | ConfChangeV2): boolean {
  return (
    isConfChangeV2(change) && (change.changes.length > 1 || change.transition !== ConfChangeTransition.Auto)
  );
}

/** The change that ends a joint configuration. */
export function leavesJoint(change: ConfChange | ConfChangeV2): boolean {
  return (
    isConfChangeV2(change) && change.changes.length === 0 && change.transition === ConfChangeTransition.Auto
  );
}

function applySingle(
  members: Map<NodeId, Member>,
  removed: Set<NodeId>,
  single: ConfChangeSingle,
  url: string,
): void {
  const id = single.nodeId;
  if (id === 0) return;
  const old = members.get(id);
  const urls = url === '' ? (old?.urls ?? []) : [url];
  switch (single.type) {
    case ConfChangeType.AddNode:
      members.set(id, { id, urls, learner: false });
      removed.delete(id);
      break;
    case ConfChangeType.AddLearnerNode:
      members.set(id, { id, urls, learner: true });
      removed.delete(id);
      break;
    case ConfChangeType.RemoveNode:
      members.delete(id);
      removed.add(id);
      break;
    case ConfChangeType.UpdateNode:
      if (old !== undefined) members.set(id, { ...old, urls });
      break;
  }
}
