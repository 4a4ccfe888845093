/** docs/operating.md, "A majority is lost for good: one survivor", step by step. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { Node } from '../scenario/cluster.ts';
import { waitUntil } from '../scenario/wait-until.ts';
import { inlineCommand, wordsOf } from './guide.ts';
import { LOAD, OperatedCluster, operatedRuntimes, polyraft, snapOf, walOf } from './operated-cluster.ts';
import { tornBehind } from './wal-files.ts';

const TITLE = 'A majority is lost for good: one survivor';

interface Verified {
  readonly whole: boolean;
  readonly last_term: number;
  readonly last_index: number;
  readonly commit: number;
}

describe.each(operatedRuntimes())('%s runtime', (runtime) => {
  const operated: OperatedCluster[] = [];
  afterEach(async () => {
    await Promise.all(operated.splice(0).map((each) => each.end()));
  }, 60_000);

  async function verify(directory: string): Promise<{ code: number | null; found: Verified }> {
    const command = inlineCommand(TITLE, 'polyraft wal verify WALDIR');
    const { code, out } = await polyraft([...wordsOf(command, { WALDIR: directory }), '--json']);
    return { code, found: JSON.parse(out) as Verified };
  }

  test('two of five are left: the state of the better one goes into a new cluster', async () => {
    const old = await OperatedCluster.start({ runtime, nodes: 5, config: { snap_count: 200 } });
    operated.push(old);
    const { cluster } = old;
    const [worse, better] = [cluster.node(4), cluster.node(5)];
    if ((await cluster.leader()).id > 3) {
      await old.done(1, ['transfer', '1']);
      await waitUntil('node 1 leads', 30_000, () => cluster.node(1).host!.role === 'leader');
    }
    const leader = await cluster.leader();
    const count = async (): Promise<number> => (await leader.host!.counts()).acknowledged;
    await cluster.load(leader, LOAD);
    await waitUntil('a snapshot is due', 30_000, async () => (await count()) > 300);
    await cluster.killNode(worse);
    const before = await count();
    await waitUntil('more that node 4 lacks', 30_000, async () => (await count()) > before + 200);

    // 1, 2: all others are gone, and the survivors are stopped.
    await Promise.all(cluster.nodes.map((node) => cluster.killNode(node)));
    const copy = join(old.desk, 'copy');
    cpSync(walOf(better), join(copy, 'wal'), { recursive: true });
    cpSync(snapOf(better), join(copy, 'snap'), { recursive: true });
    const chosen = await choose([worse, better]);
    expect(chosen).toBe(better);

    // 3: its end is torn, as a power failure leaves it.
    const whole = (await verify(walOf(better))).found;
    tornBehind(walOf(better));
    const torn = await verify(walOf(better));
    expect(torn).toMatchObject({ code: 1, found: { ...whole, whole: false, problem: { kind: 'torn' } } });
    const repair = inlineCommand(TITLE, 'polyraft wal repair');
    expect(await polyraft([...wordsOf(repair), walOf(better)])).toMatchObject({ code: 0 });
    expect(await verify(walOf(better))).toMatchObject({ code: 0, found: whole });
    const info = wordsOf(inlineCommand(TITLE, 'polyraft snap info'), { SNAPDIR: snapOf(better) });
    expect((await polyraft(info)).code).toBe(0);

    // 4, 5: alone it has no leader, and all that it knows to be committed.
    const alone = await old.startNode(better);
    await waitUntil(
      'the committed entries',
      30_000,
      async () => (await alone.digest()).applied === whole.commit,
    );
    expect((await fetch(`${old.adminUrl(5)}/readyz`)).status).toBe(503);
    const state = join(old.desk, 'state');
    await alone.command(`export ${state}`);
    expect((await alone.digest()).applied).toBe(whole.commit);
    await old.stopNode(better);

    // 6: where the old one was, so that a node of that finds it.
    const ports = [1, 2, 3].map((id) => cluster.node(id).raftPort);
    const next = await OperatedCluster.start({ runtime, ports, config: { cluster_id: 2 } });
    operated.push(next);
    const { host } = await next.cluster.leader();
    await host!.command(`import ${state}`);
    const known = knownOf(join(leader.directory, 'acknowledged'), whole.commit);
    expect(known.count).toBeGreaterThan(300);
    expect(await host!.lacking(known.path)).toBe(0);

    const { term } = await host!.status();
    const back = await old.startNode(worse);
    await waitUntil('the node that comes back is refused', 30_000, () =>
      back.process.errors.some((line) => /cluster/i.test(line)),
    );
    await delay(1500);
    expect((await back.status()).leader).toBe(0);
    expect(await host!.status()).toMatchObject({ term, role: 'leader' });
    await next.cluster.expectNothingLost();
  }, 180_000);

  /** By the last entry: the highest term, then the highest index. */
  async function choose(survivors: readonly Node[]): Promise<Node> {
    const command = inlineCommand(TITLE, 'polyraft wal verify --json');
    const seen: { node: Node; last: Verified }[] = [];
    for (const node of survivors) {
      const { code, out } = await polyraft([...wordsOf(command), walOf(node)]);
      expect(code).toBe(0);
      seen.push({ node, last: JSON.parse(out) as Verified });
    }
    seen.sort(({ last: a }, { last: b }) => b.last_term - a.last_term || b.last_index - a.last_index);
    return seen[0]!.node;
  }

  /** Writes those acknowledged proposals into a file whose index is at most `commit`. */
  function knownOf(path: string, commit: number): { path: string; count: number } {
    const records = readFileSync(path);
    const known: Buffer[] = [];
    for (let at = 0; at + 32 <= records.length; at += 32)
      if (records.readBigUInt64LE(at + 16) <= BigInt(commit)) known.push(records.subarray(at, at + 32));
    writeFileSync(`${path}-known`, Buffer.concat(known));
    return { path: `${path}-known`, count: known.length };
  }
});
