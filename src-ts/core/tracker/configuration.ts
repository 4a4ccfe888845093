import type { NodeId } from '../node-id.ts';
import type { ConfState } from '../types.ts';

/** The members and their roles. A node in `learnersNext` is still an outgoing voter and becomes a learner on leaving. */
export interface Configuration {
  readonly incoming: ReadonlySet<NodeId>;
  readonly outgoing: ReadonlySet<NodeId>;
  readonly learners: ReadonlySet<NodeId>;
  readonly learnersNext: ReadonlySet<NodeId>;
  readonly autoLeave: boolean;
}

export const EMPTY_CONFIGURATION: Configuration = {
  incoming: new Set(),
  outgoing: new Set(),
  learners: new Set(),
  learnersNext: new Set(),
  autoLeave: false,
};

export function isJoint(configuration: Configuration): boolean {
  return configuration.outgoing.size > 0;
}

function ascending(ids: ReadonlySet<NodeId>): NodeId[] {
  return [...ids].sort((a, b) => a - b);
}

export function toConfState(configuration: Configuration): ConfState {
  return {
    voters: ascending(configuration.incoming),
    learners: ascending(configuration.learners),
    votersOutgoing: ascending(configuration.outgoing),
    learnersNext: ascending(configuration.learnersNext),
    autoLeave: configuration.autoLeave,
  };
}

/** A voter in one half at least. */
export function isVoter({ incoming, outgoing }: Configuration, id: NodeId): boolean {
  return incoming.has(id) || outgoing.has(id);
}
