import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { Cluster, type Node } from './cluster.ts';
import { runtimes } from './figures.ts';
import { EVENT_REMOVED, EVENT_SERVER_FAILED } from './host.ts';
import { readJournal } from './journal.ts';
import { waitUntil } from './wait-until.ts';

const LOAD = { threads: 3, window: 8, bytes: 64, pauseUs: 1000 };

describe.each(runtimes())('%s runtime', (runtime) => {
  let cluster: Cluster | null = null;
  afterEach(async () => {
    await cluster?.end();
    cluster = null;
  });

  async function expectToldAndStopped(node: Node): Promise<void> {
    const host = node.host!;
    await waitUntil(`node ${node.id} learns of its removal`, 30_000, () => host.hasEvent(EVENT_REMOVED));
    expect(host.hasEvent(EVENT_SERVER_FAILED)).toBe(false);
    // A leader stays on for a moment, so that the others learn of the change.
    await waitUntil('a removed server is a follower', 30_000, () => host.role === 'follower');
    await host.quiet();
    await host.command('stop');
    node.host = null;
    host.process.closeInput();
    expect(await host.process.exited).toEqual({ code: 0, signal: null });
  }

  async function memberIds(node: Node): Promise<number[]> {
    const { members } = await node.host!.status();
    return members.map((member) => member.id).sort();
  }

  test('servers are added, change their address and are removed under load', async () => {
    cluster = await Cluster.start({ runtime, nodes: 3, config: { snap_count: 500, snapshot_entries: 200 } });
    const leader = await cluster.leader();
    await cluster.loadAll(LOAD);
    await delay(500);

    const fourth = await cluster.prepareNode(4);
    await leader.host!.command(`member add 4 ${cluster.urlOf(fourth)}`);
    await cluster.startNode(fourth, { join: true });
    await waitUntil('the fourth server applies entries', 60_000, () => {
      const run = readJournal(join(fourth.directory, 'journal')).at(-1);
      return (run?.indexes.length ?? 0) > 100;
    });
    await cluster.load(fourth, LOAD);

    await fourth.host!.quiet();
    await cluster.killNode(fourth);
    const [port] = await freePorts(1);
    cluster.nodes.pop();
    const moved: Node = { ...fourth, raftPort: port! };
    cluster.nodes.push(moved);
    await leader.host!.command(`member update 4 ${cluster.urlOf(moved)}`);
    await cluster.startNode(moved, { join: true });
    await cluster.load(moved, LOAD);
    await delay(500);

    const follower = cluster.nodes.find((node) => node !== leader && node !== moved)!;
    await leader.host!.command(`member remove ${follower.id}`);
    await expectToldAndStopped(follower);

    await leader.host!.command(`member remove ${leader.id}`);
    await expectToldAndStopped(leader);
    const next = await cluster.leader();
    await delay(500);
    for (const host of cluster.running) await host.quiet();
    const left = cluster.nodes.filter((node) => node.host !== null);
    expect(await memberIds(next)).toEqual(left.map((node) => node.id).sort());
    expect(left).toContain(moved);
    const { digest } = await cluster.expectNothingLost();
    console.log(`${runtime}: ${digest.count} entries applied while members changed`);
  }, 240_000);
});
