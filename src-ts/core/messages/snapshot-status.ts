import type { Progress } from '../tracker/progress.ts';

/** MsgSnapStatus at the leader: the driver reports how sending a snapshot ended. */
export function handleSnapshotStatus(progress: Progress, failed: boolean): void {
  if (progress.state !== 'snapshot') return;
  // A failed snapshot must not be taken for sent: probing starts at what is known.
  if (failed) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  // Sent: the next append waits for its answer. Failed: it waits for a heartbeat interval.
  progress.flowPaused = true;
}
