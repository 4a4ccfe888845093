/** docs/operating.md, "Replacing a node": the commands that it prints, under load. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { EVENT_REMOVED } from '../scenario/host.ts';
import { waitUntil } from '../scenario/wait-until.ts';
import { inlineCommand, wordsOf } from './guide.ts';
import { LOAD, OperatedCluster, operatedRuntimes } from './operated-cluster.ts';
import { replacement } from './replacing.ts';

describe.each(operatedRuntimes())('%s runtime', (runtime) => {
  let operated: OperatedCluster;
  afterEach(() => operated.end(), 60_000);

  /** Waits until entries are committed that nobody had proposed before. */
  async function goesOn(): Promise<void> {
    const { host } = await operated.cluster.leader();
    const before = (await host!.counts()).acknowledged;
    await waitUntil('more is committed', 30_000, async () => (await host!.counts()).acknowledged > before);
  }

  async function expectVoters(at: number, ids: readonly string[]): Promise<void> {
    const view = (await operated.status(at))!;
    expect(view.nodes.filter(({ learner }) => !learner).map(({ id }) => id)).toEqual(ids);
  }

  test('node 3 is gone, and node 4 takes its place', async () => {
    operated = await OperatedCluster.start({ runtime });
    const { cluster } = operated;
    await cluster.loadAll(LOAD);
    await delay(200);
    await cluster.killNode(cluster.node(3));
    await cluster.leader();
    const { node: fourth, remove, add } = await replacement(operated, 2);
    await remove();
    await add();
    await expectVoters(2, ['1', '2', '4']);
    await cluster.load(fourth, LOAD);
    // The new node counts for the majority now.
    await cluster.killNode(cluster.node(1));
    await goesOn();
    await operated.quiet();
    expect((await cluster.expectNothingLost()).acknowledged).toBeGreaterThan(0);
  }, 120_000);

  test('node 3 is alive: node 4 is added and promoted first; then node 2 moves', async () => {
    operated = await OperatedCluster.start({ runtime });
    const { cluster } = operated;
    await cluster.loadAll(LOAD);
    const { node: fourth, remove, add } = await replacement(operated, 1);
    await add();
    await expectVoters(1, ['1', '2', '3', '4']);
    await cluster.load(fourth, LOAD);
    const third = cluster.node(3);
    const removed = third.host!;
    await remove();
    await waitUntil('node 3 is told', 30_000, () => removed.hasEvent(EVENT_REMOVED));
    await operated.stopNode(third);
    await expectVoters(1, ['1', '2', '4']);
    await goesOn();

    const second = cluster.node(2);
    await operated.stopNode(second, 'handover');
    const [raftPort] = await freePorts(1);
    const moved = { ...second, raftPort: raftPort! };
    cluster.nodes.splice(cluster.nodes.indexOf(second), 1, moved);
    const command = inlineCommand('Replacing a node', 'polyraft members move');
    await operated.done(1, wordsOf(command, { 'http://10.0.0.9:9001': cluster.urlOf(moved) }));
    const places = {
      waldir: join(second.directory, 'moved-wal'),
      snapdir: join(second.directory, 'moved-snap'),
    };
    operated.moveDirectories(second, places);
    await operated.startNode(moved, places);
    await operated.inSync(2, 1);
    await cluster.load(moved, LOAD);
    const urls = (await operated.status(1))!.nodes.find(({ id }) => id === '2')!.urls;
    expect(urls).toEqual([cluster.urlOf(moved)]);
    await goesOn();
    await operated.quiet();
    expect((await cluster.expectNothingLost()).acknowledged).toBeGreaterThan(0);
  }, 120_000);
});
