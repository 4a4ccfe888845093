/** Against etcd's own rafthttp (test/interop/httpcheck): every message type both ways, on streams and on the pipeline. */
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { encodeEntries, proposalsOf } from '../../src-ts/core/entry-batch.ts';
import { encodeMessage } from '../../src-ts/core/raftpb/message.ts';
import { makeMessage, MessageType, type Message } from '../../src-ts/core/types.ts';
import { buildGo } from '../interop/programs.ts';
import { freeUrl, makeNode, patternSource, stopAll, until, type TestNode } from './harness.ts';

const version = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' }).stdout ?? '';
const release = /^go1\.(\d+)/.exec(version);
const hasGo = release !== null && Number(release[1]) >= 26;

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const hex = (message: Message): string => Buffer.from(encodeMessage(message)).toString('hex');

function everyType(from: number, to: number): Message[] {
  const route = { from, to, term: 3 };
  const entries = [encodeEntries(8, 3, proposalsOf([text('a'), text(''), text('c'.repeat(5_000))]))];
  const typed = [encodeEntries(11, 3, proposalsOf([text('conf'), text('two')], Uint8Array.of(1, 2)))];
  const large = [encodeEntries(13, 3, proposalsOf([new Uint8Array(3_000_000).fill(5), text('behind')]))];
  return [
    makeMessage({ ...route, type: MessageType.App, logTerm: 2, index: 7, entries, commit: 5 }),
    makeMessage({ ...route, type: MessageType.App, logTerm: 3, index: 10, entries: typed, commit: 9 }),
    makeMessage({ ...route, type: MessageType.App, logTerm: 3, index: 12, entries: large, commit: 12 }),
    makeMessage({ ...route, type: MessageType.App, logTerm: 3, index: 14, commit: 14 }),
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
    makeMessage({
      ...route,
      type: MessageType.ReadIndex,
      entries: [encodeEntries(0, 0, proposalsOf([text('r')]))],
    }),
    makeMessage({ ...route, type: MessageType.ReadIndexResp, index: 5 }),
    makeMessage({ ...route, type: MessageType.PreVote, index: 9, logTerm: 2 }),
    makeMessage({ ...route, type: MessageType.PreVoteResp }),
    makeMessage({
      ...route,
      term: 0,
      type: MessageType.Prop,
      entries: [encodeEntries(0, 0, proposalsOf([text('p')]))],
    }),
  ];
}

/** What survives protobuf on both sides, whatever fields a writer leaves out: sorted, for streams are two. */
const canonical = (messages: readonly Message[]): string[] => messages.map(hex).sort();

class EtcdPeer {
  readonly lines: string[] = [];
  readonly process: ChildProcessWithoutNullStreams;
  private rest = '';

  constructor(binary: string, args: string[]) {
    this.process = spawn(binary, args);
    this.process.stdout.on('data', (piece: Buffer) => {
      const parts = (this.rest + piece.toString()).split('\n');
      this.rest = parts.pop()!;
      this.lines.push(...parts);
    });
    this.process.stderr.on('data', (piece: Buffer) => this.lines.push(`stderr ${piece.toString()}`));
  }

  count(word: string): number {
    return this.lines.filter((line) => line.startsWith(word)).length;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.stdin.end();
    await ended;
  }
}

describe.skipIf(!hasGo)('etcd’s rafthttp (skipped without Go 1.26 or newer)', () => {
  let binary = '';
  let nodes: TestNode[] = [];
  let peers: EtcdPeer[] = [];

  beforeAll(async () => {
    binary = await buildGo('httpcheck');
  }, 600_000);
  afterEach(async () => {
    await Promise.all(peers.map((peer) => peer.stop()));
    await stopAll(nodes);
    nodes = [];
    peers = [];
  });

  async function pair(): Promise<[TestNode, EtcdPeer]> {
    const [own, other] = [await freeUrl(), await freeUrl()];
    const node = makeNode(1, own, [{ id: 2, urls: [other] }], { clusterId: 0xabcn });
    nodes.push(node);
    await node.transport.start();
    const peer = new EtcdPeer(binary, ['-id=2', `-cluster=${0xabc}`, `-url=${other}`, `-peers=1=${own}`]);
    peers.push(peer);
    await until(() => peer.lines.includes('ready'), 'the peer is ready');
    return [node, peer];
  }

  async function connected(node: TestNode): Promise<void> {
    const both = (pattern: RegExp): boolean =>
      node.logger.lines.filter((line) => pattern.test(line)).length >= 2;
    await until(() => both(/opened its/) && both(/is up/), 'streams both ways');
  }

  it('exchanges every message type over streams, and stays connected', async () => {
    const [node, peer] = await pair();
    await connected(node);
    const sent = everyType(1, 2);
    node.transport.send(sent);
    await until(() => node.events.messages.length >= sent.length, 'everything comes back');
    expect(canonical(node.events.messages)).toEqual(canonical(everyType(2, 1)));
    expect(peer.count('message')).toBe(sent.length);
    expect(node.transport.peers()[0]).toMatchObject({ active: true, polyraft: false });
    // Longer than the read time-out on both sides: link heartbeats keep the streams.
    await new Promise((resolve) => setTimeout(resolve, 6_500));
    node.transport.send([makeMessage({ type: MessageType.Vote, from: 1, to: 2, term: 99 })]);
    await until(() => node.events.messages.some((message) => message.term === 99), 'still connected');
    expect(node.logger.lines.filter((line) => line.includes('lost'))).toEqual([]);
    expect(peer.count('unreachable')).toBe(0);
  });

  it('exchanges messages over the pipeline', async () => {
    const [own, other] = [await freeUrl(), await freeUrl()];
    // The peer does not know this node: it has no streams, and answers cannot be sent.
    const node = makeNode(1, own, [{ id: 2, urls: [other] }], { clusterId: 0xabcn });
    nodes.push(node);
    const peer = new EtcdPeer(binary, ['-id=2', `-cluster=${0xabc}`, `-url=${other}`, '-echo=false']);
    peers.push(peer);
    await until(() => peer.lines.includes('ready'), 'the peer is ready');
    await node.transport.start();
    const sent = everyType(1, 2);
    node.transport.send(sent);
    await until(() => peer.count('message') >= sent.length, 'messages arrive');
    expect(node.events.unreachableIds).toEqual([]);

    // And the other way: the peer's first message leaves before its streams are up.
    const stranger = new EtcdPeer(binary, [
      '-id=3',
      `-cluster=${0xabc}`,
      `-url=${await freeUrl()}`,
      `-peers=1=${own}`,
    ]);
    peers.push(stranger);
    node.events.onPeerUrls = (id, urls) => node.transport.addPeer(id, urls);
    stranger.process.stdin.write(
      `${hex(makeMessage({ type: MessageType.Vote, from: 3, to: 1, term: 7 }))}\n`,
    );
    await until(() => node.events.messages.length > 0, 'a message of the stranger');
    expect(node.events.messages[0]).toMatchObject({ from: 3, term: 7 });
  });

  it('sends and receives snapshots', async () => {
    const [node, peer] = await pair();
    await connected(node);
    const confState = {
      voters: [1, 2],
      learners: [],
      votersOutgoing: [],
      learnersNext: [],
      autoLeave: false,
    };
    const empty = { data: new Uint8Array(0), metadata: { confState, index: 321, term: 2 } };
    const message = makeMessage({ type: MessageType.Snap, from: 1, to: 2, term: 2, snapshot: empty });
    node.transport.sendSnapshot(message, patternSource(64 * 1024 * 1024), null);
    await until(() => node.events.snapshotResults.length === 1, 'the result', 25_000);
    expect(node.events.snapshotResults).toEqual([{ id: 2, success: true }]);
    expect(peer.lines).toContain(`snapshot 321 ${64 * 1024 * 1024}`);

    const snapshot = { ...empty, data: new Uint8Array(1_000_000).fill(3) };
    const back = makeMessage({ type: MessageType.Snap, from: 2, to: 1, term: 2, snapshot });
    peer.process.stdin.write(`${hex(back)}\n`);
    await until(() => peer.lines.includes('snapshot-status 1 true'), 'the peer is told');
    expect(node.events.sinks[0]).toMatchObject({ dataBytes: 1_000_000, bytes: 1_000_000, aborted: false });
    expect(node.events.messages.at(-1)!.snapshot!.metadata).toEqual(empty.metadata);
  });
});
