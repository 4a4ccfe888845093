/** The network in memory: what it promises to the simulator. */
import { describe, expect, it } from 'vitest';
import { makeMessage, MessageType } from '../../src-ts/core/types.ts';
import { MemoryNetwork, type LinkConditions } from '../../src-ts/transport/memory-network.ts';
import type { Transport, TransportClock } from '../../src-ts/transport/types.ts';
import { patternSource, RecordingEvents, RecordingLogger } from './harness.ts';

class VirtualClock implements TransportClock {
  private time = 0;
  private order = 0;
  private queue: { at: number; order: number; run: () => void; cancelled: boolean }[] = [];

  now(): number {
    return this.time;
  }

  setTimer(delayMs: number, run: () => void): { cancel: () => void } {
    const timer = { at: this.time + delayMs, order: this.order++, run, cancelled: false };
    this.queue.push(timer);
    return { cancel: () => void (timer.cancelled = true) };
  }

  /** Runs timers until `untilMs`, with everything that promises do in between. */
  async run(untilMs: number): Promise<void> {
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      this.queue.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = this.queue[0];
      if (next === undefined || next.at > untilMs) break;
      this.queue.shift();
      this.time = next.at;
      if (!next.cancelled) next.run();
    }
    this.time = untilMs;
  }
}

function seeded(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * bound);
  };
}

interface Node {
  readonly transport: Transport;
  readonly events: RecordingEvents;
}

async function cluster(network: MemoryNetwork, count: number): Promise<Node[]> {
  const peers = Array.from({ length: count }, (_, i) => ({ id: i + 1, urls: [`http://n${i + 1}:1`] }));
  const nodes = peers.map((peer) => {
    const events = new RecordingEvents();
    const transport = network.createTransport({
      clusterId: 1n,
      id: peer.id,
      localUrl: peer.urls[0]!,
      peers,
      events,
      logger: new RecordingLogger(),
    });
    return { transport, events };
  });
  await Promise.all(nodes.map((node) => node.transport.start()));
  return nodes;
}

const numbered = (from: number, to: number, index: number) =>
  makeMessage({ type: MessageType.AppResp, from, to, term: 1, index });

async function trace(seed: number, conditions: Partial<LinkConditions>): Promise<string> {
  const clock = new VirtualClock();
  const network = new MemoryNetwork({ clock, random: seeded(seed), conditions, encode: true });
  const nodes = await cluster(network, 3);
  const lines: string[] = [];
  nodes.forEach((node, i) => {
    node.events.onReceive = (messages) => {
      for (const message of messages) lines.push(`${clock.now()} ${message.from}>${i + 1} ${message.index}`);
    };
  });
  for (let round = 0; round < 200; round++) {
    for (let i = 0; i < 3; i++) nodes[i]!.transport.send([numbered(i + 1, ((i + 1) % 3) + 1, round)]);
    await clock.run(clock.now() + 3);
  }
  await clock.run(clock.now() + 1_000);
  return lines.join('\n');
}

describe('the network in memory', () => {
  const rough = {
    lossPermille: 100,
    duplicatePermille: 100,
    reorderPermille: 200,
    delayMinMs: 1,
    delayMaxMs: 40,
  };

  it('replays a seed exactly and differs between seeds', async () => {
    const first = await trace(7, rough);
    expect(await trace(7, rough)).toBe(first);
    expect(await trace(8, rough)).not.toBe(first);
  });

  it('keeps order and loses nothing on a link that only delays', async () => {
    const lines = (await trace(3, { delayMinMs: 1, delayMaxMs: 50 })).split('\n');
    for (const link of ['1>2', '2>3', '3>1']) {
      const indexes = lines.filter((line) => line.includes(link)).map((line) => Number(line.split(' ')[2]));
      expect(indexes).toEqual(Array.from({ length: 200 }, (_, i) => i));
    }
  });

  it('loses, doubles and reorders about as often as it is told', async () => {
    const lines = (await trace(11, rough)).split('\n');
    const indexes = lines.filter((line) => line.includes('1>2')).map((line) => Number(line.split(' ')[2]));
    const distinct = new Set(indexes).size;
    expect(distinct).toBeGreaterThan(150);
    expect(distinct).toBeLessThan(199);
    expect(indexes.length - distinct).toBeGreaterThan(3);
    expect(indexes.some((index, i) => i > 0 && index < indexes[i - 1]!)).toBe(true);
  });

  it('blocks one direction only, and reports the peer unreachable to the sender', async () => {
    const clock = new VirtualClock();
    const network = new MemoryNetwork({ clock, random: seeded(1) });
    const [one, two] = (await cluster(network, 2)) as [Node, Node];
    network.block(1, 2);
    one.transport.send([numbered(1, 2, 5)]);
    two.transport.send([numbered(2, 1, 6)]);
    await clock.run(50);
    expect(two.events.messages).toEqual([]);
    expect(one.events.messages.map((message) => message.index)).toEqual([6]);
    expect(one.events.unreachableIds).toEqual([2]);
    network.heal();
    one.transport.send([numbered(1, 2, 7)]);
    await clock.run(100);
    expect(two.events.messages.map((message) => message.index)).toEqual([7]);
  });

  it('streams snapshots and aborts them when the link breaks', async () => {
    const clock = new VirtualClock();
    const network = new MemoryNetwork({ clock, random: seeded(1) });
    const [one, two] = (await cluster(network, 2)) as [Node, Node];
    const confState = {
      voters: [1, 2],
      learners: [],
      votersOutgoing: [],
      learnersNext: [],
      autoLeave: false,
    };
    const snapshot = { data: new Uint8Array(0), metadata: { confState, index: 40, term: 2 } };
    const message = makeMessage({ type: MessageType.Snap, from: 1, to: 2, term: 2, snapshot });
    one.transport.sendSnapshot(message, patternSource(1_000_000), '{"members":[]}');
    await clock.run(100);
    expect(one.events.snapshotResults).toEqual([{ id: 2, success: true }]);
    expect(two.events.sinks[0]).toMatchObject({
      bytes: 1_000_000,
      members: '{"members":[]}',
      aborted: false,
    });
    expect(two.events.messages[0]!.snapshot!.metadata.index).toBe(40);

    network.block(1, 2);
    one.transport.sendSnapshot(message, patternSource(1_000_000), null);
    await clock.run(5_000);
    expect(one.events.snapshotResults[1]).toEqual({ id: 2, success: false });
    expect(two.events.sinks.length).toBe(1);
  });

  it('tells a removed server and does not take its messages', async () => {
    const clock = new VirtualClock();
    const network = new MemoryNetwork({ clock, random: seeded(1) });
    const [one, two] = (await cluster(network, 2)) as [Node, Node];
    two.events.removed.add(1);
    one.transport.send([numbered(1, 2, 5)]);
    await clock.run(50);
    expect(two.events.messages).toEqual([]);
    expect(one.events.removedBy).toEqual([2]);
  });
});
