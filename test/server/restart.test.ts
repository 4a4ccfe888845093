/** What a server remembers: its log, its snapshot, and what the host says it has kept. */
import { afterEach, describe, expect, test } from 'vitest';
import { ErrorCode, EventCode } from '../../src-ts/core/codes.generated.ts';
import { ServerError } from '../../src-ts/server/api.ts';
import { Cluster } from './cluster.ts';

let cluster: Cluster;

afterEach(async () => {
  await cluster.stop();
});

async function commit(id: number, texts: string[]): Promise<void> {
  const sequences = cluster.propose(id, texts);
  await cluster.until(() => cluster.decided(sequences), 'outcomes');
  expect(sequences.map((sequence) => cluster.outcome(sequence))).toEqual(texts.map(() => ErrorCode.OK));
}

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

describe('restart', () => {
  test('from the log alone, after the whole cluster lost power', async () => {
    cluster = await Cluster.of(3);
    await commit(await cluster.elected(), numbered('a', 30));
    for (const id of [1, 2, 3]) await cluster.kill(id, { power: true });
    for (const id of [1, 2, 3]) await cluster.start(id);
    await commit(await cluster.elected(), ['b']);
    await cluster.converged();
    for (const id of [1, 2, 3]) expect(cluster.texts(id)).toEqual([...numbered('a', 30), 'b']);
  });

  test('a host that kept its state is shown only what it lacks', async () => {
    cluster = await Cluster.of(1);
    await commit(1, numbered('a', 10));
    await cluster.kill(1, { keepsState: true });
    await cluster.start(1);
    await commit(1, ['b']);
    expect(cluster.texts(1)).toEqual([...numbered('a', 10), 'b']);
    expect(cluster.host(1).restores).toBe(0);
  });

  test('a host ahead of its log is refused, with the reason', async () => {
    cluster = await Cluster.of(1);
    await commit(1, ['a']);
    await cluster.kill(1, { keepsState: true });
    await expect(cluster.start(1, 1000)).rejects.toThrow(/applied_index is 1000.*ends at entry/);
    await cluster.start(1);
  });

  test('from a snapshot: exactly its state, then exactly the entries behind it', async () => {
    cluster = await Cluster.of(1, { snapCount: 25, snapshotEntries: 5 });
    for (let round = 0; round < 10; round++) await commit(1, numbered(`r${round}-`, 9));
    await cluster.until(() => cluster.host(1).snapshotsTaken.length >= 2, 'snapshots');
    expect(cluster.host(1).events.some(({ code }) => code === EventCode.SNAPSHOT_SAVED)).toBe(true);
    const before = cluster.texts(1);
    for (let life = 0; life < 3; life++) {
      await cluster.kill(1, { power: true });
      await cluster.start(1);
      await cluster.until(() => cluster.texts(1).length >= before.length, 'replay');
      expect(cluster.texts(1)).toEqual(before);
      expect(cluster.host(1).restores).toBe(life + 1);
    }
    expect(cluster.server(1).log.firstIndex()).toBeGreaterThan(60);
  });

  test('a host whose state is behind the snapshot gets it; one ahead of it does not', async () => {
    cluster = await Cluster.of(1);
    await commit(1, numbered('a', 10));
    const forced = cluster.server(1).snapshot();
    await cluster.run(5);
    const index = await forced;
    await commit(1, numbered('b', 5));
    await cluster.kill(1, { keepsState: true });
    await cluster.start(1);
    await cluster.until(() => cluster.leader() === 1, 'leadership');
    expect(cluster.host(1).restores).toBe(0);
    await cluster.kill(1);
    await cluster.start(1);
    await cluster.until(() => cluster.texts(1).length === 15, 'replay');
    expect(cluster.host(1).restores).toBe(1);
    expect(cluster.host(1).appliedTo).toBeGreaterThan(index);
  });

  test('forced snapshots: one at a time, with all that was handed over before the call', async () => {
    cluster = await Cluster.of(1, { manualSnap: true, snapCount: 5 });
    await commit(1, numbered('a', 20));
    expect(cluster.host(1).snapshotsTaken).toEqual([]);
    const [first, second] = [cluster.server(1).snapshot(), cluster.server(1).snapshot()];
    await cluster.run(10);
    expect(await first).toBe(cluster.host(1).appliedTo);
    expect(await second).toBe(cluster.host(1).appliedTo);
    expect(cluster.host(1).snapshotsTaken).toHaveLength(1);
    cluster.host(1).refuseSnapshots = true;
    await commit(1, ['b']);
    const refused = cluster.server(1).snapshot();
    refused.catch(() => undefined);
    await cluster.run(10);
    await expect(refused).rejects.toMatchObject({ code: ErrorCode.CALLBACK_FAILED });
    await commit(1, ['the server goes on']);
  });

  test('each refusal to start names what is wrong, and leaves nothing locked', async () => {
    cluster = await Cluster.of(1);
    const second = cluster.define(2, [1, 2]);
    Object.assign(second, { disk: cluster.member(1).disk });
    const inUse: unknown = await cluster.start(2).catch((error: unknown) => error);
    expect(inUse).toBeInstanceOf(ServerError);
    expect(inUse).toMatchObject({ code: ErrorCode.IN_USE });
    await cluster.kill(1);
    const other: unknown = await cluster.start(2).catch((error: unknown) => error);
    expect(other).toMatchObject({ code: ErrorCode.IDENTITY });
    await cluster.start(1);
    const sameAddress = cluster.define(3, [3]);
    Object.assign(sameAddress, {
      config: { ...sameAddress.config, id: 1, walDirectory: '/other/wal', snapDirectory: '/other/snap' },
    });
    const taken: unknown = await cluster.start(3).catch((error: unknown) => error);
    expect(taken).toMatchObject({ code: ErrorCode.ADDRESS });
    cluster.members.delete(2);
    cluster.members.delete(3);
  });
});
