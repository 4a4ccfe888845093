import { NONE } from '../node-id.ts';
import type { Raft } from '../raft.ts';

/** MsgForgetLeader at a follower: it grants votes again before its election timeout, its log and term stay. */
export function handleForgetLeader(raft: Raft): void {
  if (raft.config.readOnlyOption === 'lease-based') {
    raft.logger.error(`${raft.name} does not forget its leader: reads rely on the lease`);
    return;
  }
  raft.lead = NONE;
}
