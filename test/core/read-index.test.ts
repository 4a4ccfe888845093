import { describe, expect, it } from 'vitest';
import { MessageType } from '../../src-ts/core/types.ts';
import { Cluster, type Member } from './cluster.ts';

function reads(member: Member): string[] {
  return member.readStates.map(
    ({ index, requestContext }) => `${Buffer.from(requestContext).toString()}@${index}`,
  );
}

describe.each([{ asyncStorageWrites: false }, { asyncStorageWrites: true }])('read index %o', (mode) => {
  it('is answered after a round to a quorum, at the leader and at followers', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    const leader = cluster.elect(1);
    leader.propose('a');
    cluster.settle();
    leader.raft.readIndex(Buffer.from('here'));
    cluster.member(3).raft.readIndex(Buffer.from('there'));
    cluster.settle();
    expect(reads(leader)).toEqual([`here@${leader.raft.committed}`]);
    expect(reads(cluster.member(3))).toEqual([`there@${leader.raft.committed}`]);
    expect(reads(cluster.member(2))).toEqual([]);
  });

  it('is not answered by a leader that has no quorum any more', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    const leader = cluster.elect(1);
    cluster.cut(1);
    leader.raft.readIndex(Buffer.from('old'));
    cluster.settle();
    cluster.elect(2).propose('new');
    cluster.settle();
    expect(reads(leader)).toEqual([]);
    cluster.heal();
    cluster.tick(2);
    cluster.settle();
    expect(reads(leader)).toEqual([]);
  });

  it('is asked for again by the next heartbeat when a round was lost', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    const leader = cluster.elect(1);
    cluster.cut(1);
    leader.raft.readIndex(Buffer.from('r'));
    cluster.settle();
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    expect(reads(leader)).toEqual([`r@${leader.raft.committed}`]);
  });

  it('waits for the first commit of a new leader', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    cluster.elect(1).propose('a');
    cluster.settle();
    cluster.passes = (message) => message.type !== MessageType.AppResp;
    const leader = cluster.member(2);
    leader.raft.campaign();
    cluster.settle();
    expect(leader.isLeader).toBe(true);
    leader.raft.readIndex(Buffer.from('early'));
    cluster.tick(2);
    cluster.settle();
    expect(reads(leader)).toEqual([]);
    cluster.heal();
    cluster.tick(2);
    leader.propose('b');
    cluster.settle();
    expect(reads(leader)).toHaveLength(1);
    expect(leader.readStates[0]!.index).toBeGreaterThanOrEqual(leader.raft.committed - 1);
  });

  it('is answered at once by a leader that is alone, and by one that has a lease', () => {
    const alone = new Cluster([1], mode);
    alone.elect(1).raft.readIndex(Buffer.from('r'));
    alone.settle();
    expect(reads(alone.member(1))).toHaveLength(1);
    const leased = new Cluster([1, 2, 3], { ...mode, checkQuorum: true, readOnlyOption: 'lease-based' });
    const leader = leased.elect(1);
    const before = leased.sent.length;
    leader.raft.readIndex(Buffer.from('r'));
    leased.settle();
    expect(reads(leader)).toHaveLength(1);
    expect(leased.sent.slice(before)).toEqual([]);
  });

  it('after a restart of a single voter covers what it had committed before', () => {
    const cluster = new Cluster([1], mode);
    const leader = cluster.elect(1);
    leader.propose('a', 'b');
    cluster.settle();
    const { committed } = leader.raft;
    // The commit index need not have reached the disk.
    leader.storage.setHardState({ term: 1, vote: 1, commit: 1 });
    const restarted = cluster.restart(1);
    restarted.raft.campaign();
    while (!restarted.isLeader) cluster.settleOnce();
    restarted.raft.readIndex(Buffer.from('r'));
    cluster.settle();
    expect(restarted.readStates[0]!.index).toBeGreaterThanOrEqual(committed);
  });

  it('keeps its order when many wait', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    const leader = cluster.elect(1);
    for (let i = 0; i < 20; i++) leader.raft.readIndex(Buffer.from(`r${i}`));
    cluster.settle();
    expect(leader.readStates.map((state) => Buffer.from(state.requestContext).toString())).toEqual(
      Array.from({ length: 20 }, (_, i) => `r${i}`),
    );
  });
});
