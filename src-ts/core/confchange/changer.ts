import { violated } from '../errors.ts';
import type { NodeId } from '../node-id.ts';
import { EMPTY_CONFIGURATION, isJoint, type Configuration } from '../tracker/configuration.ts';
import type { Progress } from '../tracker/progress.ts';
import type { ProgressMap, ProgressTracker } from '../tracker/tracker.ts';
import { ConfChangeType, type ConfChangeSingle, type ConfState } from '../types.ts';

/**
 * already-joint: a joint configuration cannot be entered from another. no-voters-yet: nor from one without voters.
 * not-joint: there is nothing to leave. joint: no simple change until it is left. several-voters: a simple change is
 * one of one voter. no-voters-left: somebody must vote.
 */
export type ConfChangeErrorCode =
  'already-joint' | 'no-voters-yet' | 'not-joint' | 'joint' | 'several-voters' | 'no-voters-left';

const TEXTS: Readonly<Record<ConfChangeErrorCode, string>> = {
  'already-joint': 'the configuration is joint; leave it before entering another',
  'no-voters-yet': 'a configuration without voters cannot become joint',
  'not-joint': 'the configuration is not joint, there is nothing to leave',
  joint: 'the configuration is joint; leave it before any simple change',
  'several-voters': 'a simple change may add, remove or demote one voter only; use a joint change',
  'no-voters-left': 'the change would leave no voter',
};

/** A change that the current configuration does not allow. Nothing has been changed. */
export class ConfChangeError extends Error {
  override readonly name = 'ConfChangeError';
  readonly code: ConfChangeErrorCode;

  constructor(code: ConfChangeErrorCode) {
    super(TEXTS[code]);
    this.code = code;
  }
}

export interface Changed {
  readonly configuration: Configuration;
  readonly progress: ProgressMap;
}

interface Draft {
  readonly incoming: Set<NodeId>;
  readonly outgoing: Set<NodeId>;
  readonly learners: Set<NodeId>;
  readonly learnersNext: Set<NodeId>;
  readonly progress: Map<NodeId, Progress>;
  autoLeave: boolean;
}

/** Computes new configurations from a base, checked before and after; the base is never touched. */
export class Changer {
  private readonly base: Changed;
  private readonly tracker: ProgressTracker;
  private readonly lastIndex: number;

  /** New members are probed from `lastIndex` on. */
  constructor(tracker: ProgressTracker, lastIndex: number, base?: Changed) {
    this.tracker = tracker;
    this.lastIndex = lastIndex;
    this.base = base ?? { configuration: tracker.configuration, progress: tracker.progress };
  }

  /** Enters the joint configuration: outgoing voters are the current ones, incoming those after the changes. */
  enterJoint(autoLeave: boolean, changes: readonly ConfChangeSingle[]): Changed {
    const draft = this.draft();
    if (draft.outgoing.size > 0) throw new ConfChangeError('already-joint');
    if (draft.incoming.size === 0) throw new ConfChangeError('no-voters-yet');
    for (const id of draft.incoming) draft.outgoing.add(id);
    this.apply(draft, changes);
    draft.autoLeave = autoLeave;
    return finish(draft);
  }

  leaveJoint(): Changed {
    const draft = this.draft();
    if (draft.outgoing.size === 0) throw new ConfChangeError('not-joint');
    for (const id of draft.learnersNext) {
      draft.learners.add(id);
      draft.progress.get(id)!.isLearner = true;
    }
    draft.learnersNext.clear();
    for (const id of draft.outgoing) {
      if (!draft.incoming.has(id) && !draft.learners.has(id)) draft.progress.delete(id);
    }
    draft.outgoing.clear();
    draft.autoLeave = false;
    return finish(draft);
  }

  /** Changes of which at most one concerns a voter. */
  simple(changes: readonly ConfChangeSingle[]): Changed {
    const draft = this.draft();
    if (draft.outgoing.size > 0) throw new ConfChangeError('joint');
    this.apply(draft, changes);
    let difference = 0;
    const before = this.base.configuration.incoming;
    for (const id of before) if (!draft.incoming.has(id)) difference++;
    for (const id of draft.incoming) if (!before.has(id)) difference++;
    if (difference > 1) throw new ConfChangeError('several-voters');
    return finish(draft);
  }

  private draft(): Draft {
    const { configuration } = this.base;
    const progress = new Map<NodeId, Progress>();
    for (const [id, one] of this.base.progress) progress.set(id, one.clone());
    const draft: Draft = {
      incoming: new Set(configuration.incoming),
      outgoing: new Set(configuration.outgoing),
      learners: new Set(configuration.learners),
      learnersNext: new Set(configuration.learnersNext),
      progress,
      autoLeave: configuration.autoLeave,
    };
    finish(draft);
    return draft;
  }

  private apply(draft: Draft, changes: readonly ConfChangeSingle[]): void {
    for (const { type, nodeId } of changes) {
      // A change of node 0 was cancelled by its proposer.
      if (nodeId === 0) continue;
      if (type === ConfChangeType.AddNode) this.makeVoter(draft, nodeId);
      else if (type === ConfChangeType.AddLearnerNode) this.makeLearner(draft, nodeId);
      else if (type === ConfChangeType.RemoveNode) remove(draft, nodeId);
    }
    if (draft.incoming.size === 0) throw new ConfChangeError('no-voters-left');
  }

  private makeVoter(draft: Draft, id: NodeId): void {
    const progress = draft.progress.get(id);
    if (progress === undefined) {
      this.addProgress(draft, id, false);
      return;
    }
    progress.isLearner = false;
    draft.learners.delete(id);
    draft.learnersNext.delete(id);
    draft.incoming.add(id);
  }

  private makeLearner(draft: Draft, id: NodeId): void {
    const progress = draft.progress.get(id);
    if (progress === undefined) {
      this.addProgress(draft, id, true);
      return;
    }
    if (progress.isLearner) return;
    remove(draft, id);
    draft.progress.set(id, progress);
    // A voter of the outgoing half stays one until the joint configuration is left.
    if (draft.outgoing.has(id)) draft.learnersNext.add(id);
    else {
      progress.isLearner = true;
      draft.learners.add(id);
    }
  }

  private addProgress(draft: Draft, id: NodeId, isLearner: boolean): void {
    (isLearner ? draft.learners : draft.incoming).add(id);
    const progress = this.tracker.newProgress(0, Math.max(this.lastIndex, 1), isLearner);
    // Else a quorum check before its first answer would count it as dead.
    progress.recentActive = true;
    draft.progress.set(id, progress);
  }
}

function remove(draft: Draft, id: NodeId): void {
  if (!draft.progress.has(id)) return;
  draft.incoming.delete(id);
  draft.learners.delete(id);
  draft.learnersNext.delete(id);
  if (!draft.outgoing.has(id)) draft.progress.delete(id);
}

/** Checks what must hold of every configuration: roles exclude each other, and everybody has a progress. */
function finish(draft: Draft): Changed {
  const { incoming, outgoing, learners, learnersNext, progress, autoLeave } = draft;
  for (const ids of [incoming, outgoing, learners, learnersNext]) {
    for (const id of ids) if (!progress.has(id)) violated(`member ${id} has no progress`);
  }
  for (const id of learnersNext) {
    if (!outgoing.has(id)) violated(`${id} is to become a learner, but is no outgoing voter`);
    if (progress.get(id)!.isLearner) violated(`${id} is to become a learner and is marked as one already`);
  }
  for (const id of learners) {
    if (outgoing.has(id) || incoming.has(id)) violated(`learner ${id} is also a voter`);
    if (!progress.get(id)!.isLearner) violated(`learner ${id} is not marked as one`);
  }
  const configuration = { incoming, outgoing, learners, learnersNext, autoLeave };
  if (!isJoint(configuration) && (learnersNext.size > 0 || autoLeave)) {
    violated('a configuration that is not joint has nothing to do on leaving');
  }
  return { configuration, progress };
}

/** Builds the configuration that `state` describes, from nothing. */
export function restoreConfiguration(tracker: ProgressTracker, lastIndex: number, state: ConfState): Changed {
  const singles = (type: ConfChangeType, ids: readonly NodeId[]): ConfChangeSingle[] =>
    ids.map((nodeId) => ({ type, nodeId }));
  const incoming = [
    ...singles(ConfChangeType.RemoveNode, state.votersOutgoing),
    ...singles(ConfChangeType.AddNode, state.voters),
    ...singles(ConfChangeType.AddLearnerNode, state.learners),
    ...singles(ConfChangeType.AddLearnerNode, state.learnersNext),
  ];
  let changed: Changed = { configuration: EMPTY_CONFIGURATION, progress: new Map() };
  const step = (change: (changer: Changer) => Changed): void => {
    changed = change(new Changer(tracker, lastIndex, changed));
  };
  if (state.votersOutgoing.length === 0) {
    for (const single of incoming) step((changer) => changer.simple([single]));
  } else {
    for (const single of singles(ConfChangeType.AddNode, state.votersOutgoing))
      step((changer) => changer.simple([single]));
    step((changer) => changer.enterJoint(state.autoLeave, incoming));
  }
  return changed;
}
