import { EntryType, type EntryBatch } from '../entry-batch.ts';
import { decodeConfChange, decodeConfChangeV2, isConfChangeV2 } from '../raftpb/conf-change.ts';
import type { Intern } from '../raftpb/varint.ts';
import type { ProgressTracker } from '../tracker/tracker.ts';
import { ConfChangeTransition, type ConfChange, type ConfChangeV2 } from '../types.ts';
import { Changer, type Changed } from './changer.ts';

/** The change in its general form. */
export function asV2(change: ConfChange | ConfChangeV2): ConfChangeV2 {
  if (isConfChangeV2(change)) return change;
  const { type, nodeId, context } = change;
  return { transition: ConfChangeTransition.Auto, changes: [{ type, nodeId }], context };
}

/** The change in entry `i` of a batch; null when that is an ordinary entry. Throws DecodeError. */
export function changeOfEntry(batch: EntryBatch, i: number): ConfChangeV2 | null {
  const type = batch.type(i);
  return type === EntryType.Normal ? null : decodeChange(type, batch.data(i));
}

/** Throws DecodeError. `type` is not Normal. */
export function decodeChange(type: EntryType, data: Uint8Array, intern?: Intern): ConfChangeV2 {
  return type === EntryType.ConfChange
    ? asV2(decodeConfChange(data, intern))
    : decodeConfChangeV2(data, intern);
}

export function leavesJoint({ transition, changes }: ConfChangeV2): boolean {
  return transition === ConfChangeTransition.Auto && changes.length === 0;
}

/**
 * What `change` makes of the configuration in `base` (default: the tracker's). One change alone is simple, several or
 * an explicit transition go through a joint configuration. Throws ConfChangeError; nothing is changed.
 */
export function changeConfiguration(
  tracker: ProgressTracker,
  lastIndex: number,
  change: ConfChangeV2,
  base?: Changed,
): Changed {
  const changer = new Changer(tracker, lastIndex, base);
  const { transition, changes } = change;
  if (leavesJoint(change)) return changer.leaveJoint();
  if (transition === ConfChangeTransition.Auto && changes.length <= 1) return changer.simple(changes);
  return changer.enterJoint(transition !== ConfChangeTransition.JointExplicit, changes);
}
