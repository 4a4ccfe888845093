import { describe, expect, it } from 'vitest';
import { encodeEntries, proposalsOf } from '../../src-ts/core/entry-batch.ts';
import { EMPTY_CONF_STATE, type ConfState } from '../../src-ts/core/types.ts';
import { Cluster, type Member } from './cluster.ts';

const EMPTY = new Uint8Array(0);
const CHANGE = Uint8Array.of(1);

/** A cluster in which an entry with a type brings the configuration that stands in `table` under its index. */
function clusterWith(table: Map<number, ConfState>): Cluster {
  return new Cluster([1, 2, 3], {
    configurationEffective: 'append',
    configurationAt: (index) => table.get(index)!,
  });
}

function propose(
  leader: Member,
  table: Map<number, ConfState>,
  voters: number[],
  learners: number[] = [],
): void {
  table.set(leader.raft.lastIndex + 1, { ...EMPTY_CONF_STATE, voters, learners });
  leader.raft.propose(proposalsOf([EMPTY], CHANGE));
}

const confState = ({ raft }: Member): ConfState => raft.status().confState;

describe('configurations given as a whole', () => {
  it('take effect when appended, and those who stay keep their progress', () => {
    const table = new Map<number, ConfState>();
    const cluster = clusterWith(table);
    const leader = cluster.elect(1);
    leader.propose('a');
    cluster.settle();
    const known = leader.raft.progressOf(2)!.match;
    cluster.cut(1);
    propose(leader, table, [1, 2], [3, 4]);
    expect(confState(leader)).toMatchObject({ voters: [1, 2], learners: [3, 4] });
    expect(leader.raft.progressOf(2)).toMatchObject({ match: known, state: 'replicate', recentActive: true });
    expect(leader.raft.progressOf(4)).toMatchObject({ match: 0, recentActive: true });
    cluster.heal();
    cluster.add(4);
    cluster.tick(1);
    cluster.settle();
    for (const member of cluster.members.values()) {
      expect(confState(member)).toMatchObject({ voters: [1, 2], learners: [3, 4] });
      expect(member.raft.committed).toBe(leader.raft.lastIndex);
    }
  });

  it('are taken back with their entry', () => {
    const table = new Map<number, ConfState>();
    const cluster = clusterWith(table);
    const deposed = cluster.elect(1);
    cluster.cut(1);
    propose(deposed, table, [1, 2]);
    expect(confState(deposed).voters).toEqual([1, 2]);
    cluster.elect(2).propose('a');
    cluster.settle();
    cluster.heal();
    cluster.tick(2);
    cluster.settle();
    expect(confState(deposed).voters).toEqual([1, 2, 3]);
    expect(deposed.applied).toEqual(['a']);
  });

  it('are not checked, but for one without voters, which is none', () => {
    const table = new Map<number, ConfState>();
    const cluster = clusterWith(table);
    const leader = cluster.elect(1);
    propose(leader, table, []);
    cluster.settle();
    expect(confState(leader).voters).toEqual([1, 2, 3]);
    expect(leader.raft.committed).toBe(leader.raft.lastIndex);
    // Two at once: it is the driver's to let only one through at a time.
    propose(leader, table, [1, 2, 3, 4]);
    propose(leader, table, [1, 2, 3, 5]);
    expect(confState(leader).voters).toEqual([1, 2, 3, 5]);
  });

  it('come in batches that the driver makes', () => {
    const made: [number, number, number][] = [];
    const cluster = new Cluster([1, 2, 3], {
      makeBatch: (firstIndex, term, proposals) => {
        made.push([firstIndex, term, proposals.count]);
        return encodeEntries(firstIndex, term, proposals);
      },
    });
    const leader = cluster.elect(1);
    leader.propose('a', 'b');
    cluster.settle();
    expect(made).toEqual([
      [2, 1, 1],
      [3, 1, 2],
    ]);
    expect(cluster.member(3).applied).toEqual(['a', 'b']);
  });
});

describe('what a driver may ask of a leader', () => {
  it('tells whom it hands over to, until that is done or given up', () => {
    const cluster = new Cluster([1, 2, 3]);
    const { raft } = cluster.elect(1);
    expect(raft.leadTransferee).toBe(0);
    cluster.cut(3);
    raft.transferLeader(3);
    expect(raft.leadTransferee).toBe(3);
    cluster.tick(1, 10);
    expect(raft.leadTransferee).toBe(0);
    cluster.heal();
    raft.transferLeader(2);
    cluster.settle();
    expect(cluster.member(2).isLeader).toBe(true);
    expect(raft.leadTransferee).toBe(0);
    expect(cluster.member(2).raft.vote).toBe(2);
    expect(raft.vote).toBe(2);
    expect(raft.progressOf(9)).toBeUndefined();
  });
});
