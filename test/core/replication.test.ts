import { describe, expect, it } from 'vitest';
import { InvariantError } from '../../src-ts/core/errors.ts';
import { ConfChangeType, makeMessage, MessageType, type Message } from '../../src-ts/core/types.ts';
import { Cluster } from './cluster.ts';
import { batchOf } from './entries.ts';

const modes = [{ asyncStorageWrites: false }, { asyncStorageWrites: true }];

function appendsTo(cluster: Cluster, id: number): Message[] {
  return cluster.sent.filter((message) => message.type === MessageType.App && message.to === id);
}

function entriesIn(message: Message): number {
  return message.entries.reduce((sum, batch) => sum + batch.count, 0);
}

describe.each(modes)('replication %o', (mode) => {
  it('sends a returning follower what it lacks, in messages of limited size', () => {
    const cluster = new Cluster([1, 2, 3], { ...mode, maxSizePerMsg: 100 });
    const leader = cluster.elect(1);
    cluster.cut(3);
    for (let i = 0; i < 30; i++) leader.propose(`entry ${i}`);
    leader.propose('x'.repeat(500));
    cluster.settle();
    const before = cluster.sent.length;
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    expect(cluster.member(3).applied).toEqual(leader.applied);
    expect(leader.applied.length).toBe(31);
    for (const message of cluster.sent.slice(before)) {
      const size = message.entries.reduce((sum, batch) => sum + batch.encodedSize, 0);
      if (entriesIn(message) > 1) expect(size).toBeLessThanOrEqual(100);
    }
  });

  it('keeps no more messages in flight than the window has room for', () => {
    const cluster = new Cluster([1, 2, 3], { ...mode, maxInflightMsgs: 3 });
    const leader = cluster.elect(1);
    cluster.cut(2, 3);
    const before = cluster.sent.length;
    for (let i = 0; i < 10; i++) leader.propose(`entry ${i}`);
    cluster.settle();
    const filled = appendsTo(cluster, 2).filter((message) => cluster.sent.indexOf(message) >= before);
    expect(filled.filter((message) => entriesIn(message) > 0).length).toBe(3);
    expect(leader.raft.status().progress[1]).toMatchObject({ inflight: 3, inflightFull: true, paused: true });
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    expect(cluster.member(2).applied.length).toBe(10);
  });

  it('keeps no more bytes in flight than allowed', () => {
    const cluster = new Cluster([1, 2, 3], { ...mode, maxSizePerMsg: 100, maxInflightBytes: 250 });
    const leader = cluster.elect(1);
    cluster.cut(2, 3);
    for (let i = 0; i < 10; i++) leader.propose('x'.repeat(90));
    cluster.settle();
    expect(leader.raft.status().progress[1]).toMatchObject({ inflight: 3, inflightFull: true });
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    expect(cluster.member(2).applied.length).toBe(10);
  });

  it('overwrites what a follower had of a deposed leader', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    cluster.elect(1);
    cluster.cut(1);
    cluster.member(1).propose('lost 1', 'lost 2', 'lost 3');
    cluster.settle();
    cluster.elect(2).propose('kept');
    cluster.settle();
    cluster.heal();
    cluster.tick(2);
    cluster.settle();
    cluster.member(2).propose('more');
    cluster.settle();
    for (const member of cluster.members.values()) expect(member.applied).toEqual(['kept', 'more']);
  });

  it('probes after an unreachable report and recovers', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    const leader = cluster.elect(1);
    leader.raft.reportUnreachable(2);
    expect(leader.raft.status().progress[1]!.state).toBe('StateProbe');
    leader.propose('a');
    cluster.settle();
    expect(leader.raft.status().progress[1]!.state).toBe('StateReplicate');
  });

  it('sends a snapshot where the log is gone, again after a failure, and goes on behind it', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    const leader = cluster.elect(1);
    cluster.cut(3);
    leader.propose('a', 'b', 'c');
    cluster.settle();
    const at = leader.raft.applied;
    leader.storage.createSnapshot(at, leader.confState, Buffer.from('abc'));
    leader.storage.compact(at);
    cluster.passes = (message) => message.type !== MessageType.Snap;
    cluster.tick(1);
    cluster.settle();
    expect(leader.raft.status().progress[2]).toMatchObject({ state: 'StateSnapshot', pendingSnapshot: at });
    leader.raft.reportSnapshot(3, false);
    expect(leader.raft.status().progress[2]).toMatchObject({ state: 'StateProbe', paused: true });
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    expect(cluster.member(3).raft.applied).toBe(at);
    leader.propose('d');
    cluster.settle();
    expect(cluster.member(3).applied).toEqual(['d']);
    expect(leader.raft.status().progress[2]!.state).toBe('StateReplicate');
  });

  it('hands out committed entries in portions of limited size', () => {
    const cluster = new Cluster([1], { ...mode, maxCommittedSizePerReady: 50 });
    const leader = cluster.elect(1);
    leader.propose('x'.repeat(20), 'y'.repeat(20), 'z'.repeat(20), 'w'.repeat(200));
    cluster.settle();
    expect(leader.applied.map((text) => text[0])).toEqual(['x', 'y', 'z', 'w']);
  });

  it('after a restart hands out only what was not applied', () => {
    const cluster = new Cluster([1], mode);
    const leader = cluster.elect(1);
    leader.propose('a', 'b', 'c');
    cluster.settle();
    const restarted = cluster.restart(1, { applied: leader.raft.applied - 1 });
    cluster.settle();
    expect(restarted.applied).toEqual(['c']);
  });

  it('stops a node whose log lost what it had promised', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    cluster.elect(1);
    const { raft } = cluster.member(2);
    const commit = makeMessage({ type: MessageType.Heartbeat, from: 1, to: 2, term: raft.term, commit: 99 });
    expect(() => raft.step(commit)).toThrow(InvariantError);
  });

  it('stops a node whose leader has other entries in the place of committed ones', () => {
    const cluster = new Cluster([1, 2, 3], mode);
    const leader = cluster.elect(1);
    leader.propose('a', 'b', 'c');
    cluster.settle();
    cluster.tick(1);
    cluster.settle();
    const { raft } = cluster.member(2);
    const { committed, term } = raft;
    const append = (index: number, logTerm: number, entries: Message['entries'] = []): Message =>
      makeMessage({ type: MessageType.App, from: 3, to: 2, term: term + 1, index, logTerm, entries });
    expect(() => raft.step(append(committed - 1, term, [batchOf(committed, term, ['c'])]))).not.toThrow();
    for (const message of [
      append(committed - 1, term, [batchOf(committed, term + 1, ['another'])]),
      append(committed - 1, term + 1),
      append(committed, term + 1),
    ])
      expect(() => raft.step(message)).toThrow(/conflicts with a committed entry/);
  });

  it('takes a learner along without counting it', () => {
    const cluster = new Cluster([1], mode, [2]);
    const leader = cluster.elect(1);
    cluster.cut(2);
    leader.propose('a');
    cluster.settle();
    expect(leader.applied).toEqual(['a']);
    cluster.heal();
    cluster.tick(1);
    cluster.settle();
    expect(cluster.member(2).applied).toEqual(['a']);
    leader.raft.proposeConfChange({ id: 1, type: ConfChangeType.AddNode, nodeId: 2, context: null });
    cluster.settle();
    expect(cluster.member(2).confState.voters).toEqual([1, 2]);
  });
});

describe('synchronous mode', () => {
  it('wants advance() between two Readys', () => {
    const cluster = new Cluster([1, 2, 3]);
    const { raft } = cluster.member(1);
    raft.campaign();
    raft.ready();
    expect(() => raft.ready()).toThrow(InvariantError);
    raft.advance();
    expect(() => raft.ready()).not.toThrow();
  });
});

describe('asynchronous mode', () => {
  it('has no advance()', () => {
    const cluster = new Cluster([1, 2, 3], { asyncStorageWrites: true });
    expect(() => cluster.member(1).raft.advance()).toThrow(InvariantError);
  });

  it('commits through others before the own write has ended, and applies after it', () => {
    const cluster = new Cluster([1, 2, 3], { asyncStorageWrites: true });
    const leader = cluster.elect(1);
    leader.propose('a');
    const { messages } = leader.raft.ready();
    for (const message of messages) {
      if (message.type === MessageType.App) cluster.member(message.to).raft.step(message);
    }
    for (const id of [2, 3]) {
      const work = cluster
        .member(id)
        .raft.ready()
        .messages.find((message) => message.type === MessageType.StorageAppend);
      for (const response of work!.responses) if (response.to === 1) leader.raft.step(response);
    }
    expect(leader.raft.committed).toBe(leader.raft.lastIndex);
    const early = leader.raft.ready().messages;
    expect(early.some((message) => message.type === MessageType.StorageApply)).toBe(false);
    const write = messages.find((message) => message.type === MessageType.StorageAppend)!;
    leader.persist(null, write.entries, null);
    for (const response of write.responses) leader.raft.step(response);
    const late = leader.raft.ready().messages;
    expect(late.some((message) => message.type === MessageType.StorageApply)).toBe(true);
  });

  it('hands out no more committed entries than the limit until the first are applied', () => {
    const cluster = new Cluster([1], { asyncStorageWrites: true, maxCommittedSizePerReady: 60 });
    const leader = cluster.elect(1);
    leader.propose('x'.repeat(20), 'y'.repeat(20), 'z'.repeat(20));
    const write = leader.raft.ready().messages.find((message) => message.type === MessageType.StorageAppend)!;
    leader.persist(null, write.entries, null);
    for (const response of write.responses) leader.raft.step(response);
    const first = leader.raft.ready().messages.find((message) => message.type === MessageType.StorageApply)!;
    expect(entriesIn(first)).toBe(2);
    expect(leader.raft.hasReady()).toBe(false);
    leader.raft.step(first.responses[0]!);
    const second = leader.raft.ready().messages.find((message) => message.type === MessageType.StorageApply)!;
    expect(entriesIn(second)).toBe(1);
  });
});
