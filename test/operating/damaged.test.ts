/** docs/operating.md, "A damaged file". */
import { cpSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { waitUntil } from '../scenario/wait-until.ts';
import { inlineCommand, wordsOf } from './guide.ts';
import {
  LOAD,
  newestSnapshot,
  OperatedCluster,
  operatedRuntimes,
  polyraft,
  snapOf,
  walOf,
} from './operated-cluster.ts';
import { replacement } from './replacing.ts';
import { damage } from './wal-files.ts';

const discard = (waldir: string): string[] => [
  ...wordsOf(inlineCommand('A damaged file', 'polyraft wal repair --discard')),
  waldir,
];

describe.each(operatedRuntimes())('%s runtime', (runtime) => {
  let operated: OperatedCluster;
  afterEach(() => operated.end(), 60_000);

  test('a server does not start from a damaged log, and is replaced', async () => {
    operated = await OperatedCluster.start({ runtime });
    const { cluster } = operated;
    const third = cluster.node(3);
    await cluster.loadAll(LOAD);
    await delay(500);
    await operated.stopNode(third, 'handover');
    const file = damage(walOf(third));
    await expect(operated.startNode(third)).rejects.toThrow(
      new RegExp(`${basename(file)} at byte \\d+: .*polyraft wal repair --discard ${walOf(third)}`),
    );
    await cluster.killNode(third);
    const refused = await polyraft(['wal', 'repair', walOf(third)]);
    expect(refused.code).toBe(2);
    expect(refused.problems).toMatch(new RegExp(`${basename(file)}.*byte \\d+`));

    const { node: fourth, remove, add } = await replacement(operated, 1);
    await remove();
    await add();
    await cluster.load(fourth, LOAD);
    await operated.quiet();
    expect((await cluster.expectNothingLost()).acknowledged).toBeGreaterThan(0);
  }, 120_000);

  test('alone, what is whole is kept: the log to its damage, the snapshot before a damaged one', async () => {
    operated = await OperatedCluster.start({ runtime, nodes: 1, config: { manual_snap: true } });
    const { cluster } = operated;
    const [node] = cluster.nodes;
    const more = async (): Promise<void> => {
      await cluster.load(node!, LOAD);
      const { acknowledged: before } = await node!.host!.counts();
      await waitUntil(
        'proposals',
        30_000,
        async () => (await node!.host!.counts()).acknowledged > before + 100,
      );
      await node!.host!.quiet();
    };
    await more();
    await operated.done(1, ['snapshot']);
    await more();
    await operated.done(1, ['snapshot']);
    await more();
    const all = await node!.host!.digest();
    await operated.stopNode(node!);
    const bytes = readFileSync(newestSnapshot(node!));
    bytes[100]! ^= 1;
    writeFileSync(newestSnapshot(node!), bytes);
    expect((await polyraft(['snap', 'info', snapOf(node!)])).code).toBe(1);
    let host = await operated.startNode(node!);
    await waitUntil('all entries', 30_000, async () => (await host.digest()).chain === all.chain);
    await operated.stopNode(node!);

    cpSync(walOf(node!), join(operated.desk, 'wal'), { recursive: true });
    damage(walOf(node!));
    await expect(operated.startNode(node!)).rejects.toThrow('polyraft wal repair');
    await cluster.killNode(node!);
    expect((await polyraft(discard(walOf(node!)))).code).toBe(0);
    expect(readdirSync(walOf(node!)).some((name) => name.endsWith('.broken'))).toBe(true);
    host = await operated.startNode(node!);
    await cluster.leader();
    const { count, duplicates } = await host.digest();
    expect(duplicates).toBe(0);
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(all.count);
    await more();
  }, 120_000);
});
