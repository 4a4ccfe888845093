import type { Raft } from '../raft.ts';
import { broadcastHeartbeat } from '../replication.ts';

/** MsgBeat at the leader, once a heartbeat interval. */
export function handleBeat(raft: Raft): void {
  broadcastHeartbeat(raft);
}
