/** The first entries of a cluster, as bytes that etcd's StartNode would write too. */
import { describe, expect, test } from 'vitest';
import { bootstrapEntries } from '../../src-ts/server/boot.ts';
import { decodeConfChange } from '../../src-ts/core/raftpb/conf-change.ts';
import { Membership } from '../../src-ts/server/membership.ts';
import { ConfChangeType, EMPTY_CONF_STATE } from '../../src-ts/core/types.ts';

describe('bootstrap entries', () => {
  const batch = bootstrapEntries([
    { id: 3, url: 'http://c:3' },
    { id: 1, url: 'http://a:1' },
  ]);

  test('one AddNode a peer, in configured order, term 1', () => {
    expect([batch.firstIndex, batch.lastIndex, batch.term]).toEqual([1, 2, 1]);
    expect(decodeConfChange(batch.data(0))).toEqual({
      id: 0,
      type: ConfChangeType.AddNode,
      nodeId: 3,
      context: new TextEncoder().encode('http://c:3'),
    });
  });

  test('byte for byte', () => {
    // Entry {Type: ConfChange, Term: 1, Index: 1, Data: ConfChange {ID: 0, Type: 0, NodeID: 3, Context: "http://c:3"}}.
    const change = Buffer.concat([
      Buffer.from('08001000180322', 'hex'),
      Buffer.of(10),
      Buffer.from('http://c:3'),
    ]);
    const entry = Buffer.concat([Buffer.from('08011001180122', 'hex'), Buffer.of(change.length), change]);
    expect(Buffer.from(batch.bytes.subarray(batch.start(0), batch.end(0)))).toEqual(entry);
  });
});

describe('membership', () => {
  const context = new TextEncoder().encode('http://d:4');
  const start = Membership.ofPeers(2, [
    { id: 1, url: 'http://a:1' },
    { id: 2, url: 'http://b:2' },
  ]);

  test('changes', () => {
    const added = start.with(5, { id: 9, type: ConfChangeType.AddLearnerNode, nodeId: 4, context });
    expect(added.members.get(4)).toEqual({ id: 4, urls: ['http://d:4'], learner: true });
    expect([start.members.size, added.index, added.voterCount]).toEqual([2, 5, 2]);
    // Promotion by an etcd-style server carries no URL: the known one stays.
    const promoted = added.with(6, { id: 0, type: ConfChangeType.AddNode, nodeId: 4, context: null });
    expect(promoted.members.get(4)).toEqual({ id: 4, urls: ['http://d:4'], learner: false });
    const removed = promoted.with(7, { id: 0, type: ConfChangeType.RemoveNode, nodeId: 4, context: null });
    expect([removed.members.has(4), removed.removed.has(4)]).toEqual([false, true]);
    const refused = removed.with(8, { id: 0, type: ConfChangeType.AddNode, nodeId: 0, context: null });
    expect([...refused.members.keys()]).toEqual([1, 2]);
    expect(Membership.ofFile(removed.toFile())).toEqual(removed);
  });

  test('from a configuration without URLs: known ones, else the configured', () => {
    const state = { ...EMPTY_CONF_STATE, voters: [1, 3], learners: [5] };
    const made = Membership.ofConfState(10, state, start, [{ id: 3, url: 'http://c:3' }]);
    expect([...made.members.values()].map(({ id, urls, learner }) => [id, urls, learner])).toEqual([
      [5, [], true],
      [1, ['http://a:1'], false],
      [3, ['http://c:3'], false],
    ]);
    expect([...made.removed]).toEqual([2]);
  });
});
