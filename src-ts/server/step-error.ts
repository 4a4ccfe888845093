/** The core's ways to refuse what is stepped (StepErrorCode): what a network or an unlucky moment may cause. */
import { StepError } from '../core/errors.ts';

export function isDropped(error: unknown): boolean {
  return error instanceof StepError && error.code === 'dropped';
}

/** A message that the core does not want, through no fault of this node. */
export function isIgnorable(error: unknown): boolean {
  return error instanceof StepError;
}
