/** Followers that fell behind the log are brought back by a snapshot. */
import { afterEach, describe, expect, test } from 'vitest';
import { ErrorCode } from '../../src-ts/core/codes.generated.ts';
import { Cluster, urlOf } from './cluster.ts';

let cluster: Cluster;

afterEach(async () => {
  await cluster.stop();
});

async function commit(texts: string[]): Promise<void> {
  const sequences = cluster.propose(cluster.leader(), texts);
  await cluster.until(() => cluster.decided(sequences), 'outcomes');
  expect(sequences.map((sequence) => cluster.outcome(sequence))).toEqual(texts.map(() => ErrorCode.OK));
}

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

describe('snapshots to followers', () => {
  test('a follower that was down for longer than the log reaches', async () => {
    cluster = await Cluster.of(3, { snapCount: 20, snapshotEntries: 5 });
    const leader = await cluster.elected();
    await commit(numbered('a', 5));
    const lagging = [1, 2, 3].find((id) => id !== leader)!;
    await cluster.kill(lagging);
    for (let round = 0; round < 10; round++) await commit(numbered(`b${round}-`, 10));
    await cluster.until(() => cluster.server(leader).log.firstIndex() > 60, 'compaction');
    await cluster.start(lagging);
    await commit(['c']);
    await cluster.converged();
    expect(cluster.host(lagging).restores).toBe(1);
    expect(cluster.texts(lagging)).toEqual(cluster.texts(leader));
    // The received snapshot is its own after a restart, too.
    await cluster.kill(lagging, { power: true });
    await cluster.start(lagging);
    await cluster.converged();
    expect(cluster.texts(lagging)).toEqual(cluster.texts(leader));
  });

  test('a follower whose host is blocked meanwhile takes the snapshot in order', async () => {
    cluster = await Cluster.of(3, { snapCount: 20, snapshotEntries: 5 });
    const leader = await cluster.elected();
    await commit(numbered('a', 5));
    const lagging = [1, 2, 3].find((id) => id !== leader)!;
    cluster.host(lagging).blocked = true;
    await commit(numbered('stuck', 5));
    cluster.network.partition(
      [lagging],
      [1, 2, 3].filter((id) => id !== lagging),
    );
    for (let round = 0; round < 10; round++) await commit(numbered(`b${round}-`, 10));
    cluster.network.heal();
    await cluster.until(() => cluster.server(lagging).node.committed > 100, 'the snapshot at the follower');
    await commit(['c']);
    const elections = cluster.server(leader).node.term;
    await cluster.run(1000);
    expect(cluster.server(leader).node.term).toBe(elections);
    cluster.host(lagging).unblock();
    await cluster.converged();
    expect(cluster.texts(lagging)).toEqual(cluster.texts(leader));
  });

  test('a member that joins late learns state and members from a snapshot', async () => {
    cluster = await Cluster.of(3, { snapCount: 20, snapshotEntries: 5 });
    await cluster.elected();
    for (let round = 0; round < 10; round++) await commit(numbered(`b${round}-`, 10));
    cluster.define(4, [1, 2, 3, 4], { join: true, snapCount: 20, snapshotEntries: 5 });
    await cluster.start(4);
    const adding = cluster.server(cluster.leader()).changeMember('add', 4, urlOf(4));
    await cluster.run(300);
    await adding;
    await commit(['c']);
    await cluster.converged();
    expect(cluster.host(4).restores).toBe(1);
    expect([...cluster.server(4).members.current.members.keys()].sort()).toEqual([1, 2, 3, 4]);
    expect(cluster.texts(4)).toEqual(cluster.texts(cluster.leader()));
    await cluster.kill(4, { power: true });
    await cluster.start(4);
    await cluster.converged();
    expect(cluster.texts(4)).toEqual(cluster.texts(cluster.leader()));
  });

  test('old snapshot files and log segments are purged', async () => {
    cluster = await Cluster.of(1, { snapCount: 10, snapshotEntries: 2, maxSnapFiles: 2, maxWalFiles: 2 });
    await cluster.until(() => cluster.leader() === 1, 'leadership');
    for (let round = 0; round < 10; round++) await commit(numbered(`b${round}-`, 10));
    await cluster.run(1500);
    const names = (await cluster.member(1).disk.list('/data/snap')).filter((name) => name.endsWith('.snap'));
    expect(names).toHaveLength(2);
  });
});
