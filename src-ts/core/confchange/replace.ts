import type { NodeId } from '../node-id.ts';
import type { Progress } from '../tracker/progress.ts';
import type { ProgressTracker } from '../tracker/tracker.ts';
import type { ConfState } from '../types.ts';
import { ConfChangeError, type Changed } from './changer.ts';

/**
 * A configuration given as a whole, without joint halves, in the place of `before`. Members that stay keep their
 * progress. It is the driver's to let only such follow each other as share a quorum. Throws ConfChangeError.
 */
export function replaceConfiguration(
  tracker: ProgressTracker,
  lastIndex: number,
  { voters, learners }: ConfState,
  before: Changed,
): Changed {
  if (voters.length === 0) throw new ConfChangeError('no-voters-left');
  const progress = new Map<NodeId, Progress>();
  const keep = (id: NodeId, isLearner: boolean): void => {
    const known = before.progress.get(id);
    const member = known?.clone() ?? tracker.newProgress(0, Math.max(lastIndex, 1), isLearner);
    // A new one counts as heard from until the next check of the quorum.
    if (known === undefined) member.recentActive = true;
    member.isLearner = isLearner;
    progress.set(id, member);
  };
  for (const id of voters) keep(id, false);
  for (const id of learners) keep(id, true);
  const configuration = {
    incoming: new Set(voters),
    outgoing: new Set<NodeId>(),
    learners: new Set(learners),
    learnersNext: new Set<NodeId>(),
    autoLeave: false,
  };
  return { configuration, progress };
}
