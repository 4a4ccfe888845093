import type { Progress } from '../tracker/progress.ts';

/** MsgUnreachable at the leader: optimistic sending has probably lost something. */
export function handleUnreachable(progress: Progress): void {
  if (progress.state === 'replicate') progress.becomeProbe();
}
