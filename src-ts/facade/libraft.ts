/** What the calls of libraft/raft_c_if.h mean in terms of one server, where polyraft.h has no such call. */
import { ErrorCode } from '../core/codes.generated.ts';
import { StateType } from '../core/types.ts';
import { ServerError, type RaftServer, type ServerFacts } from '../server/api.ts';
import { addressText, idOfAddress, resolveAddress, urlOfAddress } from './libraft-address.ts';

const PEER_ADD = 0;

/** raft_add_peer, raft_remove_peer: the index of the change, once applied here. */
export async function changePeer(
  server: RaftServer,
  operation: number,
  host: string,
  port: number,
): Promise<number> {
  // Before a name is asked for, which may take long.
  if (server.facts().state !== StateType.Leader)
    throw new ServerError(ErrorCode.NOT_LEADER, 'this server is not the leader');
  const address = await resolveAddress(host, port);
  const id = idOfAddress(address);
  return operation === PEER_ADD
    ? server.changeMember('add', id, urlOfAddress(address))
    : server.changeMember('remove', id, null);
}

const STATE_NAMES: Record<StateType, string> = {
  [StateType.Follower]: 'Follower',
  [StateType.Candidate]: 'Candidate',
  [StateType.PreCandidate]: 'Candidate',
  [StateType.Leader]: 'Leader',
};

function lastContact(facts: ServerFacts): string {
  if (facts.state === StateType.Leader) return '0';
  return facts.leaderContactMs < 0 ? 'never' : `${facts.leaderContactMs.toFixed(3)}ms`;
}

/** raft_stats: an object of texts with the keys of HashiCorp's Stats(), then ours. */
export function statistics(
  server: RaftServer,
  shared: { readonly proposals: number; readonly bytes: number },
): string {
  const facts = server.facts();
  return JSON.stringify({
    state: STATE_NAMES[facts.state],
    term: String(facts.term),
    last_log_index: String(facts.lastIndex),
    last_log_term: String(facts.lastTerm),
    commit_index: String(facts.committed),
    applied_index: String(facts.hostAppliedIndex),
    fsm_pending: String(Math.max(0, facts.handedIndex - facts.hostAppliedIndex)),
    last_snapshot_index: String(facts.snapshotIndex),
    last_snapshot_term: String(facts.snapshotTerm),
    num_peers: String(facts.otherVoters),
    last_contact: lastContact(facts),
    commands_shared: String(shared.proposals),
    command_bytes_shared: String(shared.bytes),
    commands_copied: String(facts.copiedProposals),
  });
}

/** raft_leader, raft_last_index and raft_last_contact. */
export function contact(server: RaftServer): string {
  const facts = server.facts();
  return JSON.stringify({
    leader: facts.leaderUrl === null ? '' : addressText(facts.leaderUrl),
    last_index: facts.lastIndex,
    last_contact_ms: facts.state === StateType.Leader ? -1 : facts.leaderContactMs,
  });
}
