/** Several members in one change: all of it is in force, or nothing. */
import { afterEach, expect, test } from 'vitest';
import { ErrorCode } from '../../src-ts/core/codes.generated.ts';
import type { MemberChange } from '../../src-ts/server/api.ts';
import { Cluster, urlOf } from './cluster.ts';

let cluster: Cluster;

afterEach(async () => {
  await cluster.stop();
});

async function change(at: number, changes: readonly MemberChange[]): Promise<number> {
  let settled = false;
  const work = cluster.server(at).changeMembers(changes);
  work.then(
    () => (settled = true),
    () => (settled = true),
  );
  await cluster.until(() => settled, 'a change of members', 12_000);
  return await work;
}

const confState = (id: number) => cluster.server(id).node.status().confState;

test('two of three voters are replaced at once, and what they knew is kept', async () => {
  cluster = await Cluster.of(3);
  const leader = await cluster.elected();
  const [first, second] = [1, 2, 3].filter((id) => id !== leader) as [number, number];
  cluster.propose(leader, ['before']);
  for (const id of [4, 5]) {
    cluster.define(id, [1, 2, 3, 4, 5], { join: true });
    await cluster.start(id);
  }
  const index = await change(leader, [
    { operation: 'remove', id: first, url: null },
    { operation: 'add', id: 4, url: urlOf(4) },
    { operation: 'remove', id: second, url: null },
    { operation: 'add', id: 5, url: urlOf(5) },
  ]);
  expect(index).toBeGreaterThan(0);
  expect(confState(leader)).toMatchObject({ votersOutgoing: [] });
  expect([...confState(leader).voters].sort()).toEqual([leader, 4, 5].sort());
  const { members, removed } = cluster.server(leader).members.current;
  expect([...members.keys()].sort()).toEqual([leader, 4, 5].sort());
  expect([...removed].sort()).toEqual([first, second].sort());
  expect(members.get(4)!.urls).toEqual([urlOf(4)]);
  await cluster.until(
    () => [first, second].every((id) => cluster.server(id).phase === 'removed'),
    'both learn that they are out',
  );
  const sequences = cluster.propose(leader, ['after']);
  await cluster.until(() => cluster.decided(sequences), 'an outcome');
  expect(cluster.outcome(sequences[0]!)).toBe(ErrorCode.OK);
  await cluster.until(() => cluster.texts(5).length === 2, 'the new ones have all of it');
  expect(cluster.texts(5)).toEqual(['before', 'after']);
});

test('asked for at a follower', async () => {
  cluster = await Cluster.of(3);
  const leader = await cluster.elected();
  const follower = [1, 2, 3].find((id) => id !== leader)!;
  for (const id of [4, 5]) {
    cluster.define(id, [1, 2, 3, 4, 5], { join: true });
    await cluster.start(id);
  }
  await change(follower, [
    { operation: 'add', id: 4, url: urlOf(4) },
    { operation: 'add-learner', id: 5, url: urlOf(5) },
  ]);
  expect(confState(follower)).toMatchObject({ voters: [1, 2, 3, 4], learners: [5], votersOutgoing: [] });
});

test('what cannot be is refused as a whole', async () => {
  cluster = await Cluster.of(3);
  const leader = await cluster.elected();
  const server = cluster.server(leader);
  const refused = (changes: readonly MemberChange[], code: ErrorCode) =>
    expect(server.changeMembers(changes)).rejects.toMatchObject({ code });
  await refused([], ErrorCode.INVALID_ARGUMENT);
  await refused(
    [1, 2, 3].map((id) => ({ operation: 'remove', id, url: null })),
    ErrorCode.REJECTED,
  );
  await refused(
    [
      { operation: 'add', id: 4, url: urlOf(4) },
      { operation: 'promote', id: 4, url: null },
    ],
    ErrorCode.UNKNOWN_MEMBER,
  );
  await refused(
    [
      { operation: 'add', id: 4, url: urlOf(4) },
      { operation: 'add', id: 5, url: urlOf(4) },
    ],
    ErrorCode.INVALID_ARGUMENT,
  );
  expect(confState(leader).voters).toEqual([1, 2, 3]);
});
