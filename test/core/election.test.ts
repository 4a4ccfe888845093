import { describe, expect, it } from 'vitest';
import { StepError } from '../../src-ts/core/errors.ts';
import { createRaftNode } from '../../src-ts/core/raft-node.ts';
import { MemoryStorage } from '../../src-ts/core/log/memory-storage.ts';
import { ConfChangeType, makeMessage, MessageType, StateType } from '../../src-ts/core/types.ts';
import { Cluster, QUIET } from './cluster.ts';

const modes = [{ asyncStorageWrites: false }, { asyncStorageWrites: true }];

describe.each(modes)('elections %o', (mode) => {
  it('start by themselves after the election timeout', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    cluster.tick(2, 9);
    expect(cluster.member(2).raft.state).toBe(StateType.Follower);
    cluster.tick(2);
    cluster.settle();
    expect(cluster.member(2).isLeader).toBe(true);
    expect(cluster.member(3).raft.lead).toBe(2);
  });

  it('are lost by a candidate whose log is shorter', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    cluster.elect(1);
    cluster.cut(3);
    cluster.member(1).propose('a');
    cluster.settle();
    cluster.cut(1);
    cluster.member(3).raft.campaign();
    cluster.settle();
    expect(cluster.member(3).isLeader).toBe(false);
    expect(cluster.member(2).raft.term).toBe(cluster.member(3).raft.term);
  });

  it('leave a voter quiet for another election timeout', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    cluster.tick(2, 9);
    cluster.passes = (message) => message.type === MessageType.Vote && message.to === 2;
    cluster.member(1).raft.campaign();
    cluster.settle();
    expect(cluster.member(2).raft.term).toBe(1);
    cluster.tick(2, 9);
    expect(cluster.member(2).raft.state).toBe(StateType.Follower);
    cluster.tick(2);
    expect(cluster.member(2).raft.state).toBe(StateType.Candidate);
  });

  it('are not started while a committed membership change waits to be applied', () => {
    const cluster = new Cluster([1], mode);
    const leader = cluster.elect(1);
    const before = leader.raft.applied;
    leader.raft.proposeConfChange({ id: 1, type: ConfChangeType.AddLearnerNode, nodeId: 2, context: null });
    cluster.settle();
    expect(leader.raft.applied).toBeGreaterThan(before);
    const { raft } = cluster.restart(1, { applied: before });
    raft.campaign();
    expect(raft.state).toBe(StateType.Follower);
    cluster.settle();
    raft.campaign();
    cluster.settle();
    expect(raft.state).toBe(StateType.Leader);
  });

  it('with pre-vote leave the term alone while no quorum answers', () => {
    const cluster = new Cluster([1, 2, 3], { ...mode, preVote: true });
    cluster.elect(1);
    const term = cluster.member(1).raft.term;
    cluster.cut(3);
    cluster.tick(3, 100);
    cluster.settle();
    expect(cluster.member(3).raft).toMatchObject({ state: StateType.PreCandidate, term });
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    expect(cluster.member(1)).toMatchObject({ isLeader: true });
    expect(cluster.member(3).raft).toMatchObject({ state: StateType.Follower, term, lead: 1 });
  });

  it('with check-quorum are refused while the leader is heard, whatever the term', () => {
    const cluster = new Cluster([1, 2, 3], { ...mode, checkQuorum: true });
    cluster.tick(2, 9);
    cluster.elect(1);
    const term = cluster.member(1).raft.term;
    cluster.member(3).raft.campaign();
    cluster.settle();
    expect(cluster.member(1)).toMatchObject({ isLeader: true });
    expect(cluster.member(1).raft.term).toBe(term);
  });

  it('with check-quorum a leader without a quorum steps down', () => {
    const cluster = new Cluster([1, 2, 3], { ...mode, checkQuorum: true });
    cluster.elect(1);
    cluster.cut(1);
    cluster.tick(1, 10);
    cluster.settle();
    expect(cluster.member(1).isLeader).toBe(true);
    cluster.tick(1, 10);
    cluster.settle();
    expect(cluster.member(1).raft).toMatchObject({ state: StateType.Follower, lead: 0 });
  });

  it('are open again to a node that has forgotten its leader', () => {
    const cluster = new Cluster([1, 2, 3], { ...mode, checkQuorum: true });
    cluster.elect(1);
    cluster.member(2).raft.forgetLeader();
    cluster.member(3).raft.forgetLeader();
    cluster.cut(1);
    cluster.elect(2);
    expect(cluster.member(3).raft.lead).toBe(2);
  });
});

describe.each(modes)('leadership transfer %o', (mode) => {
  it('hands over at once to a follower that has everything, past any lease', () => {
    const cluster = new Cluster([1, 2, 3], { ...mode, checkQuorum: true, preVote: true });
    cluster.elect(1).raft.transferLeader(2);
    cluster.settle();
    expect(cluster.member(2).isLeader).toBe(true);
    expect(cluster.member(1).raft.lead).toBe(2);
  });

  it('may be asked for at a follower', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    cluster.elect(1);
    cluster.member(3).raft.transferLeader(3);
    cluster.settle();
    expect(cluster.member(3).isLeader).toBe(true);
  });

  it('first brings the follower up to date, and takes no proposals meanwhile', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    const leader = cluster.elect(1);
    cluster.cut(3);
    leader.propose('a');
    cluster.settle();
    leader.raft.transferLeader(3);
    cluster.settle();
    expect(leader.raft.status().leadTransferee).toBe(3);
    expect(() => leader.propose('b')).toThrow(StepError);
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    expect(cluster.member(3).isLeader).toBe(true);
    expect(cluster.member(3).applied).toEqual(['a']);
  });

  it('is given up after an election timeout', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    const leader = cluster.elect(1);
    cluster.cut(3);
    leader.propose('a');
    cluster.settle();
    leader.raft.transferLeader(3);
    cluster.tick(1, 10);
    cluster.settle();
    expect(leader.raft.status().leadTransferee).toBe(0);
    expect(() => leader.propose('b')).not.toThrow();
  });

  it('does not go to a learner', () => {
    const cluster = new Cluster([1], mode, [2]);
    const leader = cluster.elect(1);
    leader.raft.transferLeader(2);
    cluster.settle();
    expect(leader).toMatchObject({ isLeader: true });
    expect(leader.raft.status().leadTransferee).toBe(0);
  });
});

describe('what does not come from the network', () => {
  it('is refused', () => {
    const { raft } = new Cluster([1, 2, 3]).member(1);
    const codeOf = (type: MessageType, from: number): unknown => {
      try {
        raft.step(makeMessage({ type, from, to: 1, term: 1 }));
        return null;
      } catch (error) {
        return (error as StepError).code;
      }
    };
    expect(codeOf(MessageType.Hup, 2)).toBe('step-local');
    expect(codeOf(MessageType.StorageAppendResp, 2)).toBe('step-local');
    expect(codeOf(MessageType.AppResp, 9)).toBe('unknown-peer');
    expect(codeOf(MessageType.AppResp, 2)).toBeNull();
  });
});

describe('configuration', () => {
  const sound = {
    id: 1,
    electionTick: 10,
    heartbeatTick: 1,
    storage: new MemoryStorage(),
    maxSizePerMsg: 1_024,
    maxInflightMsgs: 16,
    random: () => 0,
    logger: QUIET,
  };

  it.each([
    ['id', { id: 0 }],
    ['id', { id: -1 }],
    ['heartbeatTick', { heartbeatTick: 0 }],
    ['electionTick', { electionTick: 1 }],
    ['electionTick', { electionTick: Number.NaN }],
    ['maxInflightMsgs', { maxInflightMsgs: 0 }],
    ['maxSizePerMsg', { maxSizePerMsg: -1 }],
    ['checkQuorum', { readOnlyOption: 'lease-based' as const }],
  ])('that cannot work names %s', (name, change) => {
    expect(() => createRaftNode({ ...sound, ...change })).toThrow(RangeError);
    expect(() => createRaftNode({ ...sound, ...change })).toThrow(name);
  });

  it('that works is taken', () => {
    expect(createRaftNode(sound).state).toBe(StateType.Follower);
  });
});
