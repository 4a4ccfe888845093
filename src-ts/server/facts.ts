/** One server in numbers, for facades that report in their own words. */
import { StateType } from '../core/types.ts';
import type { ServerFacts } from './api.ts';
import type { Engine } from './engine.ts';
import type { Rooms } from './rooms.ts';

export function serverFacts(engine: Engine, rooms: Rooms, isMember: boolean): ServerFacts {
  const { node, members, transport, environment, port, config } = engine;
  const { log, applies, shelf, intake } = rooms;
  const lead = isMember ? node.lead : 0;
  const leads = isMember && node.state === StateType.Leader;
  const contact = transport.peers().find((peer) => peer.id === lead)?.lastContactMs ?? -1;
  let otherVoters = 0;
  for (const member of members.current.members.values())
    if (!member.learner && member.id !== config.id) otherVoters++;
  return {
    state: isMember ? node.state : StateType.Follower,
    isMember,
    term: node.term,
    lastIndex: log.lastIndex(),
    lastTerm: log.term(log.lastIndex()),
    committed: node.committed,
    handedIndex: applies.handedIndex,
    hostAppliedIndex: port.appliedIndex(),
    snapshotIndex: shelf.newestIndex,
    snapshotTerm: shelf.newestTerm,
    otherVoters,
    leaderUrl: members.current.members.get(lead)?.urls[0] ?? null,
    leaderContactMs: leads ? 0 : contact < 0 ? -1 : Math.max(0, environment.clock.now() - contact),
    copiedProposals: intake.copied,
  };
}
