import { describe, expect, it } from 'vitest';
import { EntryType, encodeEntries, proposalsOf } from '../../src-ts/core/entry-batch.ts';
import { StepError } from '../../src-ts/core/errors.ts';
import { ConfChangeType, makeMessage, MessageType } from '../../src-ts/core/types.ts';
import { Cluster } from './cluster.ts';

function refusal(action: () => void): string | null {
  try {
    action();
    return null;
  } catch (error) {
    if (error instanceof StepError) return error.code;
    throw error;
  }
}

describe.each([{ asyncStorageWrites: false }, { asyncStorageWrites: true }])('proposals %o', (mode) => {
  it('reach every state machine in order, wherever they were made', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    cluster.elect(1);
    cluster.member(1).propose('a', 'b');
    cluster.member(1).propose('c');
    cluster.settle();
    cluster.member(3).propose('d', 'e');
    cluster.settle();
    for (const member of cluster.members.values()) expect(member.applied).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('travel with their context when they are forwarded, and are stamped by the leader', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    cluster.elect(1);
    const context = Buffer.from('node 2, sequence 5');
    cluster.member(2).raft.propose(proposalsOf([Buffer.from('x')]), context);
    cluster.settle();
    const forwarded = cluster.sent.find((message) => message.type === MessageType.Prop);
    expect(forwarded).toMatchObject({ from: 2, to: 1, term: 0, context });
    expect(forwarded?.entries[0]).toMatchObject({ firstIndex: 0, term: 0, count: 1 });
    expect(cluster.member(1).applied).toEqual(['x']);
  });

  it('may come as several batches in one message', () => {
    const cluster = new Cluster([1], mode);
    const leader = cluster.elect(1);
    const batch = (...texts: string[]) =>
      encodeEntries(0, 0, proposalsOf(texts.map((text) => Buffer.from(text))));
    leader.raft.step(
      makeMessage({ type: MessageType.Prop, from: 1, entries: [batch('a'), batch('b', 'c')] }),
    );
    cluster.settle();
    expect(leader.applied).toEqual(['a', 'b', 'c']);
  });

  it('are dropped where nobody leads', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    expect(refusal(() => cluster.member(1).propose('a'))).toBe('dropped');
    cluster.member(1).raft.campaign();
    expect(refusal(() => cluster.member(1).propose('a'))).toBe('dropped');
  });

  it('are not forwarded when that is disabled', () => {
    const cluster = new Cluster([1, 2, 3], { ...mode, disableProposalForwarding: true });
    cluster.elect(1);
    expect(refusal(() => cluster.member(2).propose('a'))).toBe('dropped');
    expect(refusal(() => cluster.member(1).propose('a'))).toBeNull();
  });

  it('are limited while uncommitted, but one of any size is always taken', () => {
    const cluster = new Cluster([1, 2, 3], { ...mode, maxUncommittedEntriesSize: 100 });
    const leader = cluster.elect(1);
    cluster.cut(1);
    expect(refusal(() => leader.propose('x'.repeat(1_000)))).toBeNull();
    expect(refusal(() => leader.propose('y'))).toBe('dropped');
    expect(refusal(() => leader.propose(''))).toBeNull();
    cluster.settle();
    expect(refusal(() => leader.propose('y'))).toBe('dropped');
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    expect(leader.applied).toEqual(['x'.repeat(1_000)]);
    expect(refusal(() => leader.propose('y'.repeat(60)))).toBeNull();
    expect(refusal(() => leader.propose('y'.repeat(60)))).toBe('dropped');
  });

  it('of membership changes that cannot be decoded are refused', () => {
    const cluster = new Cluster([1], mode);
    const leader = cluster.elect(1);
    const broken = proposalsOf([Uint8Array.of(0x08)], Uint8Array.of(EntryType.ConfChange));
    expect(refusal(() => leader.raft.propose(broken))).toBe('dropped');
    leader.propose('after');
    cluster.settle();
    expect(leader.applied).toEqual(['after']);
  });

  it('of a change that leaves no voter become an empty entry', () => {
    const cluster = new Cluster([1], mode);
    const leader = cluster.elect(1);
    leader.raft.proposeConfChange({ id: 1, type: ConfChangeType.RemoveNode, nodeId: 1, context: null });
    leader.propose('after');
    cluster.settle();
    expect(leader.raft.status().confState.voters).toEqual([1]);
    expect(leader.applied).toEqual(['after']);
  });

  it('of a second change wait until the first is applied', () => {
    const cluster = new Cluster([1], mode);
    const leader = cluster.elect(1);
    leader.raft.proposeConfChange({ id: 1, type: ConfChangeType.AddLearnerNode, nodeId: 2, context: null });
    leader.raft.proposeConfChange({ id: 2, type: ConfChangeType.AddLearnerNode, nodeId: 3, context: null });
    cluster.settle();
    expect(leader.raft.status().confState.learners).toEqual([2]);
  });
});
