/** Messages of every type between transports on loopback: nothing is lost, changed or reordered on a healthy link. */
import { afterEach, describe, expect, it } from 'vitest';
import { encodeEntries, proposalsOf } from '../../src-ts/core/entry-batch.ts';
import { nodeIdFromBigint } from '../../src-ts/core/node-id.ts';
import { encodeMessage } from '../../src-ts/core/raftpb/message.ts';
import { makeMessage, MessageType, type Message } from '../../src-ts/core/types.ts';
import { freeUrl, makeCluster, makeNode, stopAll, until, untilConnected, type TestNode } from './harness.ts';

let nodes: TestNode[] = [];
afterEach(async () => {
  await stopAll(nodes);
  nodes = [];
});

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function everyType(from: number, to: number): Message[] {
  const entries = [encodeEntries(8, 3, proposalsOf([text('a'), text(''), text('c'.repeat(5_000))]))];
  const typed = [encodeEntries(11, 3, proposalsOf([text('conf'), text('two')], Uint8Array.of(1, 2)))];
  const route = { from, to, term: 3 };
  return [
    makeMessage({ ...route, type: MessageType.App, logTerm: 3, index: 7, entries, commit: 5 }),
    makeMessage({ ...route, type: MessageType.App, logTerm: 3, index: 10, entries: typed, commit: 9 }),
    makeMessage({ ...route, type: MessageType.App, logTerm: 3, index: 12, commit: 12 }),
    makeMessage({ ...route, type: MessageType.AppResp, index: 7, reject: true, rejectHint: 4, logTerm: 2 }),
    makeMessage({
      ...route,
      type: MessageType.Vote,
      index: 9,
      logTerm: 2,
      context: text('CampaignTransfer'),
    }),
    makeMessage({ ...route, type: MessageType.VoteResp, reject: true }),
    makeMessage({ ...route, type: MessageType.Heartbeat, commit: 4, context: text('ctx') }),
    makeMessage({ ...route, type: MessageType.HeartbeatResp, context: text('ctx') }),
    makeMessage({ ...route, type: MessageType.TransferLeader }),
    makeMessage({ ...route, type: MessageType.TimeoutNow }),
    makeMessage({ ...route, type: MessageType.ReadIndex, context: text('r') }),
    makeMessage({ ...route, type: MessageType.ReadIndexResp, index: 5, context: text('r') }),
    makeMessage({ ...route, type: MessageType.PreVote, index: 9, logTerm: 2 }),
    makeMessage({ ...route, type: MessageType.PreVoteResp }),
    makeMessage({
      ...route,
      term: 0,
      type: MessageType.Prop,
      entries: [encodeEntries(0, 0, proposalsOf([text('p')]))],
      context: text('node+sequence'),
    }),
  ];
}

const bytesOf = (messages: readonly Message[]): string[] =>
  messages.map((message) => Buffer.from(encodeMessage(message)).toString('hex')).sort();

describe('two and three transports', () => {
  it.each([2, 3])('exchange every type of message among %i', async (count) => {
    nodes = await makeCluster(count);
    await untilConnected(nodes);
    for (const node of nodes) {
      for (const other of nodes) if (other !== node) node.transport.send(everyType(node.id, other.id));
    }
    const each = everyType(1, 2).length * (count - 1);
    await until(() => nodes.every((node) => node.events.messages.length >= each), 'all messages');
    for (const node of nodes) {
      for (const other of nodes) {
        if (other === node) continue;
        const got = node.events.messages.filter((message) => message.from === other.id);
        expect(bytesOf(got)).toEqual(bytesOf(everyType(other.id, node.id)));
      }
      expect(node.events.unreachableIds).toEqual([]);
    }
    for (const node of nodes) {
      for (const status of node.transport.peers()) {
        expect(status).toMatchObject({ active: true, polyraft: true });
        expect(status.lastContactMs).toBeGreaterThan(0);
      }
    }
  });

  it('keeps the order of appends of mixed sizes, sent in bursts', async () => {
    nodes = await makeCluster(2);
    await untilConnected(nodes);
    const [sender, receiver] = nodes as [TestNode, TestNode];
    let index = 0;
    const rounds = 400;
    for (let round = 0; round < rounds; round++) {
      const sizes = Array.from(
        { length: 1 + (round % 7) },
        (_, i) => (round * 131 + i * 977) % (round % 50 === 0 ? 300_000 : 2_000),
      );
      const entries = [
        encodeEntries(index + 1, 2, proposalsOf(sizes.map((size) => new Uint8Array(size).fill(round)))),
      ];
      sender.transport.send([
        makeMessage({
          type: MessageType.App,
          from: 1,
          to: 2,
          term: 2,
          logTerm: 2,
          index,
          entries,
          commit: index,
        }),
      ]);
      index += sizes.length;
      if (round % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => receiver.events.messages.length === rounds, 'all appends');
    let next = 1;
    for (const [round, message] of receiver.events.messages.entries()) {
      expect(message.index).toBe(next - 1);
      for (const batch of message.entries) {
        expect(batch.firstIndex).toBe(next);
        for (let i = 0; i < batch.count; i++) {
          const data = batch.data(i);
          expect(data.length).toBe((round * 131 + i * 977) % (round % 50 === 0 ? 300_000 : 2_000));
          if (data.length > 0) expect(data[data.length - 1]).toBe(round & 255);
        }
        next += batch.count;
      }
    }
    expect(next).toBe(index + 1);
  });

  it('works with ids up to 2^64-1 and cluster ids as large', async () => {
    const ids = [nodeIdFromBigint(2n ** 64n - 1n), nodeIdFromBigint(2n ** 63n + 1n)];
    const urls = [await freeUrl(), await freeUrl()];
    const peers = ids.map((id, i) => ({ id, urls: [urls[i]!] }));
    nodes = ids.map((id, i) => makeNode(id, urls[i]!, peers, { clusterId: 2n ** 64n - 1n }));
    await Promise.all(nodes.map((node) => node.transport.start()));
    await untilConnected(nodes);
    const [first, second] = nodes as [TestNode, TestNode];
    const message = { type: MessageType.Vote, from: first.id, to: second.id, term: 4, vote: first.id };
    first.transport.send([makeMessage(message)]);
    await until(() => second.events.messages.length === 1, 'the message');
    expect(second.events.messages[0]).toMatchObject(message);
    expect(new TextDecoder().decode(await first.transport.sendHostMessage(second.id, text('echo')))).toBe(
      'echo',
    );
  });

  it('sends by POST /raft while no stream is up', async () => {
    nodes = await makeCluster(2);
    const [sender, receiver] = nodes as [TestNode, TestNode];
    // Streams take a round trip to open: the first message finds none.
    sender.transport.send([
      makeMessage({ type: MessageType.Vote, from: 1, to: 2, term: 9, index: 3, logTerm: 2 }),
    ]);
    await until(() => receiver.events.messages.length === 1, 'the vote request');
    expect(receiver.events.messages[0]).toMatchObject({
      type: MessageType.Vote,
      from: 1,
      to: 2,
      term: 9,
      index: 3,
    });
  });

  it('carries forwarded outcomes and host messages', async () => {
    nodes = await makeCluster(2);
    await untilConnected(nodes);
    const [first, second] = nodes as [TestNode, TestNode];
    const outcomes = [
      { sequence: 7, index: 1_000_000_000_000, term: 5, code: 0 },
      { sequence: Number.MAX_SAFE_INTEGER, index: 0, term: 0, code: -12 },
    ];
    first.transport.sendForwardedOutcomes(2, outcomes);
    await until(() => second.events.outcomes.length === 1, 'outcomes');
    expect(second.events.outcomes[0]).toEqual({ from: 1, outcomes });

    second.events.answer = async (body) => text(`you said ${new TextDecoder().decode(body)}`);
    const answer = await first.transport.sendHostMessage(2, text('hello'));
    expect(new TextDecoder().decode(answer)).toBe('you said hello');
    second.events.answer = async () => {
      throw new Error('host says no');
    };
    await expect(first.transport.sendHostMessage(2, text('x'))).rejects.toMatchObject({ failure: 'read' });
    await expect(first.transport.sendHostMessage(99, text('x'))).rejects.toMatchObject({
      failure: 'unknown-peer',
    });
  });
});
