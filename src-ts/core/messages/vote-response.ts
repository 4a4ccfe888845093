import { NONE, nodeIdToHex } from '../node-id.ts';
import type { Raft } from '../raft.ts';
import { broadcastAppend } from '../replication.ts';
import { StateType, type Message } from '../types.ts';
import { campaign } from './campaign.ts';

/** MsgVoteResp at a candidate, MsgPreVoteResp at a pre-candidate; from itself once its own vote is durable. */
export function handleVoteResponse(raft: Raft, message: Message): void {
  const granted = !message.reject;
  raft.logger.info(
    `${raft.name} has ${granted ? 'a vote' : 'a refusal'} of ${nodeIdToHex(message.from)} at term ${raft.term}`,
  );
  raft.tracker.recordVote(message.from, granted);
  switch (raft.tracker.voteResult()) {
    case 'won':
      if (raft.state === StateType.PreCandidate) campaign(raft, 'election');
      else {
        raft.becomeLeader();
        broadcastAppend(raft);
      }
      return;
    case 'lost':
      // A pre-vote's answer names a future term, so the own term stays.
      raft.becomeFollower(raft.term, NONE);
      return;
    case 'pending':
      return;
  }
}
