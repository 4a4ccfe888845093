import { nodeIdToBigint, type NodeId } from '../core/node-id.ts';
import type { ConfState } from '../core/types.ts';

/** `voters=1,2,3 learners=4`: lists that are empty are left out. */
export function describeIds(state: ConfState): string {
  const list = (name: string, ids: readonly NodeId[]): string[] =>
    ids.length === 0 ? [] : [`${name}=${ids.map((id) => nodeIdToBigint(id)).join(',')}`];
  return [
    ...list('voters', state.voters),
    ...list('learners', state.learners),
    ...list('voters-outgoing', state.votersOutgoing),
    ...list('learners-next', state.learnersNext),
    ...(state.autoLeave ? ['auto-leave'] : []),
  ].join(' ');
}
