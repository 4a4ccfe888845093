/** docs/operating.md, "Backup": taken under load, and brought into a new cluster. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { waitUntil } from '../scenario/wait-until.ts';
import { inlineCommand, wordsOf } from './guide.ts';
import {
  copyDirectories,
  LOAD,
  newestSnapshot,
  OperatedCluster,
  operatedRuntimes,
  polyraft,
  walOf,
} from './operated-cluster.ts';

interface SnapInfo {
  readonly snapshots: readonly { readonly index: number; readonly whole: boolean }[];
}

/** Writes two files: the acknowledged proposals up to an index, and those behind it. */
function parted(path: string, index: number): { upTo: string; behind: string } {
  const records = readFileSync(path);
  const parts = { upTo: [] as Buffer[], behind: [] as Buffer[] };
  for (let at = 0; at + 32 <= records.length; at += 32) {
    const part = Number(records.readBigUInt64LE(at + 16)) <= index ? parts.upTo : parts.behind;
    part.push(records.subarray(at, at + 32));
  }
  const names = { upTo: `${path}-to-${index}`, behind: `${path}-behind-${index}` };
  writeFileSync(names.upTo, Buffer.concat(parts.upTo));
  writeFileSync(names.behind, Buffer.concat(parts.behind));
  expect(parts.upTo.length).toBeGreaterThan(0);
  return names;
}

describe.each(operatedRuntimes())('%s runtime', (runtime) => {
  const operated: OperatedCluster[] = [];
  afterEach(async () => {
    await Promise.all(operated.splice(0).map((each) => each.end()));
  }, 60_000);

  test('the newest snapshot, copied while its server runs, and directories that were copied while it stood', async () => {
    const old = await OperatedCluster.start({ runtime });
    operated.push(old);
    const { cluster } = old;
    const leader = await cluster.leader();
    const node = cluster.nodes.find((each) => each !== leader)!;
    const acknowledged = join(leader.directory, 'acknowledged');
    await cluster.load(leader, LOAD);
    const more = async (): Promise<void> => {
      const { acknowledged: before } = await leader.host!.counts();
      await waitUntil('more proposals', 30_000, async () => {
        return (await leader.host!.counts()).acknowledged > before + 100;
      });
    };
    await more();

    const copy = join(old.desk, 'copy');
    mkdirSync(copy);
    await old.stopNode(node);
    copyDirectories(node.directory, copy, node);
    await old.startNode(node);
    await old.inSync(node.id, leader.id);
    await more();

    const said = await old.done(node.id, wordsOf(inlineCommand('Backup', 'polyraft snapshot')));
    const snapshot = join(old.desk, 'backup.snap');
    copyFileSync(newestSnapshot(node), snapshot);
    await more();
    await leader.host!.quiet();
    await cluster.expectNothingLost();
    await Promise.all(cluster.nodes.map((each) => cluster.killNode(each)));

    const info = await polyraft([
      ...wordsOf(inlineCommand('Backup', 'polyraft snap info')),
      snapshot,
      '--json',
    ]);
    expect(info).toMatchObject({ code: 0, problems: '' });
    const [{ index, whole }] = (JSON.parse(info.out) as SnapInfo).snapshots as [SnapInfo['snapshots'][0]];
    expect(whole).toBe(true);
    expect(said).toBe(`snapshot of index ${index} is on disk`);

    const state = join(old.desk, 'state');
    const values = { 'BACKUP.snap': snapshot, STATE: state };
    expect(await polyraft(wordsOf(inlineCommand('Backup', 'polyraft snap extract'), values))).toMatchObject({
      code: 0,
    });
    const next = await OperatedCluster.start({ runtime, config: { cluster_id: 2 } });
    operated.push(next);
    const { host } = await next.cluster.leader();
    expect(Number(await host!.command(`import ${state}`))).toBeGreaterThan(100);
    const { upTo, behind } = parted(acknowledged, index);
    await next.cluster.expectNothingLost();
    expect(await host!.lacking(upTo)).toBe(0);
    expect(await host!.held(behind)).toBe(0);

    // The copied directories are those of a survivor: they tell what they know to be committed.
    const verified = await polyraft(['wal', 'verify', '--json', join(copy, `wal${node.id}`)]);
    expect(verified.code).toBe(0);
    const { commit } = JSON.parse(verified.out) as { commit: number };
    copyDirectories(copy, node.directory, node);
    expect((await polyraft(['wal', 'verify', walOf(node)])).code).toBe(0);
    const alone = await old.startNode(node);
    await waitUntil('all that is known to be committed is applied', 30_000, async () => {
      return (await alone.digest()).applied >= commit;
    });
    expect(await alone.lacking(parted(acknowledged, commit).upTo)).toBe(0);
    const exported = join(old.desk, 'exported');
    await alone.command(`export ${exported}`);
    const third = await OperatedCluster.start({ runtime, nodes: 1, config: { cluster_id: 3 } });
    operated.push(third);
    const restored = (await third.cluster.leader()).host!;
    await restored.command(`import ${exported}`);
    expect(await restored.lacking(parted(acknowledged, commit).upTo)).toBe(0);
  }, 180_000);
});
