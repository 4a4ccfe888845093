import { describe, expect, it } from 'vitest';
import { ConfChangeType, type ConfChange } from '../../src-ts/core/types.ts';
import { Cluster, type Member } from './cluster.ts';

function change(type: ConfChangeType, nodeId: number): ConfChange {
  return { id: 1, type, nodeId, context: null };
}

const voters = (member: Member): readonly number[] => member.raft.status().confState.voters;

describe.each([{ asyncStorageWrites: false }, { asyncStorageWrites: true }])(
  'configurations that take effect when appended %o',
  (mode) => {
    const options = { ...mode, configurationEffective: 'append' as const };

    it('count from the moment that the entry stands in the log', () => {
      const cluster = new Cluster([1, 2, 3], options);
      const leader = cluster.elect(1);
      cluster.cut(1);
      leader.raft.proposeConfChange(change(ConfChangeType.AddNode, 4));
      expect(voters(leader)).toEqual([1, 2, 3, 4]);
      cluster.settle();
      expect(leader.confState.voters).toEqual([1, 2, 3]);
      cluster.heal();
      cluster.add(4);
      cluster.tick(1);
      cluster.settle();
      for (const member of cluster.members.values()) {
        expect(voters(member)).toEqual([1, 2, 3, 4]);
        expect(member.confState.voters).toEqual([1, 2, 3, 4]);
      }
    });

    it('are taken back when the log is truncated', () => {
      const cluster = new Cluster([1, 2, 3], options);
      const deposed = cluster.elect(1);
      cluster.cut(1);
      deposed.raft.proposeConfChange(change(ConfChangeType.RemoveNode, 3));
      cluster.settle();
      expect(voters(deposed)).toEqual([1, 2]);
      cluster.elect(2).propose('a');
      cluster.settle();
      cluster.heal();
      cluster.tick(2);
      cluster.settle();
      expect(voters(deposed)).toEqual([1, 2, 3]);
      expect(deposed.confState.voters).toEqual([1, 2, 3]);
      expect(deposed.applied).toEqual(['a']);
    });

    it('are found in the log after a restart', () => {
      const cluster = new Cluster([1, 2, 3], options);
      const leader = cluster.elect(1);
      cluster.cut(1);
      leader.raft.proposeConfChange(change(ConfChangeType.AddLearnerNode, 4));
      cluster.settle();
      const restarted = cluster.restart(1);
      expect(restarted.raft.status().confState.learners).toEqual([4]);
      cluster.elect(2).propose('a');
      cluster.heal();
      cluster.tick(2);
      cluster.settle();
      expect(restarted.raft.status().confState.learners).toEqual([]);
    });

    it('refuse a second change until the first is applied, and the first until the term has committed', () => {
      const cluster = new Cluster([1, 2, 3], options);
      cluster.cut();
      const leader = cluster.member(1);
      leader.raft.campaign();
      cluster.passes = (message) => message.entries.length === 0;
      cluster.settle();
      expect(leader.isLeader).toBe(true);
      leader.raft.proposeConfChange(change(ConfChangeType.AddNode, 4));
      expect(voters(leader)).toEqual([1, 2, 3]);
      cluster.heal();
      cluster.tick(1);
      cluster.settle();
      leader.raft.proposeConfChange(change(ConfChangeType.AddNode, 4));
      leader.raft.proposeConfChange(change(ConfChangeType.AddNode, 5));
      expect(voters(leader)).toEqual([1, 2, 3, 4]);
    });

    it('let a leader that removes itself lead until the change is applied', () => {
      const cluster = new Cluster([1, 2, 3], { ...options, stepDownOnRemoval: true });
      const leader = cluster.elect(1);
      leader.raft.proposeConfChange(change(ConfChangeType.RemoveNode, 1));
      expect(leader.isLeader).toBe(true);
      cluster.settle();
      expect(leader.isLeader).toBe(false);
      expect(voters(cluster.member(2))).toEqual([2, 3]);
      cluster.elect(2).propose('a');
      cluster.settle();
      expect(cluster.member(3).applied).toEqual(['a']);
    });

    it('let a node whose own removal is not committed campaign: the others may need its log', () => {
      const cluster = new Cluster([1, 2], options);
      const leader = cluster.elect(1);
      cluster.cut(1);
      leader.raft.proposeConfChange(change(ConfChangeType.RemoveNode, 1));
      cluster.settle();
      const restarted = cluster.restart(1);
      cluster.heal();
      // Node 2 alone cannot win: the vote of node 1 is needed, whose log is longer.
      cluster.member(2).raft.campaign();
      cluster.settle();
      expect(cluster.member(2).isLeader).toBe(false);
      cluster.tick(1, 20);
      cluster.settle();
      expect(restarted.isLeader).toBe(true);
      expect(cluster.member(2).confState.voters).toEqual([2]);
    });
  },
);
