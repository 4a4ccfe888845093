/** Members come, change and go while the cluster works. */
import { afterEach, describe, expect, test } from 'vitest';
import { ErrorCode, EventCode } from '../../src-ts/core/codes.generated.ts';
import { StateType } from '../../src-ts/core/types.ts';
import type { MemberOperation } from '../../src-ts/server/api.ts';
import { Cluster, urlOf } from './cluster.ts';

let cluster: Cluster;

afterEach(async () => {
  await cluster.stop();
});

async function change(
  at: number,
  operation: MemberOperation,
  id: number,
  url: string | null = null,
): Promise<number> {
  let settled = false;
  const work = cluster.server(at).changeMember(operation, id, url);
  work.then(
    () => (settled = true),
    () => (settled = true),
  );
  await cluster.until(() => settled, `${operation} of ${id}`, 12_000);
  return await work;
}

async function commit(id: number, texts: string[]): Promise<void> {
  const sequences = cluster.propose(id, texts);
  await cluster.until(() => cluster.decided(sequences), 'outcomes');
  expect(sequences.map((sequence) => cluster.outcome(sequence))).toEqual(texts.map(() => ErrorCode.OK));
}

const voters = (id: number): readonly number[] => cluster.server(id).node.status().confState.voters;

describe('membership', () => {
  test('add, update and remove, asked for at the leader', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    await commit(leader, ['a']);
    cluster.define(4, [1, 2, 3, 4], { join: true });
    await cluster.start(4);
    const index = await change(leader, 'add', 4, urlOf(4));
    expect(index).toBe(cluster.host(leader).appliedTo);
    await cluster.converged();
    expect(voters(4)).toEqual([1, 2, 3, 4]);
    expect(cluster.texts(4)).toEqual(['a']);
    await change(leader, 'update', 4, 'http://localhost:20004');
    await cluster.converged([1, 2, 3]);
    expect(cluster.server(2).members.current.members.get(4)!.urls).toEqual(['http://localhost:20004']);
    await change(leader, 'update', 4, urlOf(4));
    await cluster.converged();
    await change(leader, 'remove', 4);
    await cluster.until(() => cluster.server(4).phase === 'removed', 'the news of the removal');
    expect(cluster.host(4).events.filter(({ code }) => code === EventCode.REMOVED)).toHaveLength(1);
    const late = cluster.propose(4, ['late']);
    expect(cluster.outcome(late[0]!)).toBe(ErrorCode.REMOVED);
    expect(JSON.parse(cluster.server(4).statusJson())).toMatchObject({
      role: 'removed',
      raftState: 'StateFollower',
    });
    await commit(leader, ['b']);
    await expect(change(leader, 'add', 4, urlOf(4))).rejects.toMatchObject({ code: ErrorCode.REJECTED });
  });

  test('asked for at a follower', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    const follower = [1, 2, 3].find((id) => id !== leader)!;
    cluster.define(4, [1, 2, 3, 4], { join: true });
    await cluster.start(4);
    await change(follower, 'add', 4, urlOf(4));
    expect(voters(follower)).toEqual([1, 2, 3, 4]);
    await cluster.converged();
    await change(4, 'remove', leader);
    await cluster.until(() => cluster.server(leader).phase === 'removed', 'removal');
    await cluster.until(() => ![0, leader].includes(cluster.leader()), 'a new leader');
  });

  test('checks', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    const refused = async (
      operation: MemberOperation,
      id: number,
      url: string | null,
      code: ErrorCode,
    ): Promise<void> => {
      await expect(change(leader, operation, id, url)).rejects.toMatchObject({ code });
    };
    await refused('add', 2, urlOf(9), ErrorCode.DUPLICATE_MEMBER);
    await refused('add', 0, urlOf(9), ErrorCode.INVALID_ARGUMENT);
    await refused('remove', 9, null, ErrorCode.UNKNOWN_MEMBER);
    await refused('update', 9, urlOf(9), ErrorCode.UNKNOWN_MEMBER);
    await refused('promote', 9, null, ErrorCode.UNKNOWN_MEMBER);
    await refused('promote', 2, null, ErrorCode.DUPLICATE_MEMBER);
    await refused('add', 9, 'nonsense', ErrorCode.URL);
    await refused('add', 9, null, ErrorCode.URL);
    await refused('add', 9, urlOf(1), ErrorCode.URL);
    const first = change(leader, 'add', 9, urlOf(9));
    const second = cluster.server(leader).changeMember('add', 8, urlOf(8));
    await expect(second).rejects.toMatchObject({ code: ErrorCode.CHANGE_PENDING });
    await first;
  });

  test('a change that the leader refuses because another is under way ends as pending, wherever it was asked for', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    const followers = [1, 2, 3].filter((id) => id !== leader);
    // Two servers ask at the same moment; the leader takes one.
    const results = await Promise.all(
      followers.map(async (id, i) => {
        try {
          await change(id, 'add-learner', 10 + i, urlOf(10 + i));
          return ErrorCode.OK;
        } catch (error) {
          return (error as { code: ErrorCode }).code;
        }
      }),
    );
    expect(results).toContain(ErrorCode.OK);
    expect(results.filter((code) => code !== ErrorCode.OK && code !== ErrorCode.CHANGE_PENDING)).toEqual([]);
  });

  test('a learner is promoted', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    cluster.define(4, [1, 2, 3, 4], { join: true });
    await cluster.start(4);
    await change(leader, 'add-learner', 4, urlOf(4));
    await commit(leader, ['a']);
    await cluster.converged();
    expect(cluster.server(leader).node.status().confState.learners).toEqual([4]);
    await change(leader, 'promote', 4);
    await cluster.converged();
    expect(voters(4)).toEqual([1, 2, 3, 4]);
    expect(cluster.server(4).members.current.members.get(4)).toMatchObject({
      learner: false,
      urls: [urlOf(4)],
    });
  });

  test('a leader that removes itself hands over, and says that it is out', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    await commit(leader, ['a']);
    await change(leader, 'remove', leader);
    expect(cluster.host(leader).events.some(({ code }) => code === EventCode.REMOVED)).toBe(true);
    const others = [1, 2, 3].filter((id) => id !== leader);
    await cluster.until(() => others.includes(cluster.leader()), 'a new leader', 60);
    await cluster.until(
      () => cluster.host(leader).states.at(-1) === StateType.Follower,
      'the last word',
      200,
    );
    await commit(cluster.leader(), ['b']);
    expect(voters(others[0]!)).toEqual(others);
  });

  test('the last voter cannot be removed', async () => {
    cluster = await Cluster.of(1);
    await cluster.until(() => cluster.leader() === 1, 'leadership');
    await expect(change(1, 'remove', 1)).rejects.toMatchObject({ code: ErrorCode.REJECTED });
  });

  test('a member that was down when it was removed is told by its peers', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    const gone = [1, 2, 3].find((id) => id !== leader)!;
    await cluster.kill(gone);
    await change(leader, 'remove', gone);
    await cluster.run(300);
    await cluster.start(gone);
    await cluster.until(() => cluster.server(gone).phase === 'removed', 'the news', 3000);
    expect(cluster.host(gone).events.filter(({ code }) => code === EventCode.REMOVED)).toHaveLength(1);
    const term = cluster.server(leader).node.term;
    await cluster.run(500);
    expect(cluster.server(leader).node.term).toBe(term);
  });

  test('a removed server stays removed after a restart', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    const gone = [1, 2, 3].find((id) => id !== leader)!;
    await change(leader, 'remove', gone);
    await cluster.until(() => cluster.server(gone).phase === 'removed', 'removal');
    await cluster.kill(gone);
    cluster.host(gone).events.length = 0;
    await cluster.start(gone);
    expect(cluster.server(gone).phase).toBe('removed');
    expect(cluster.host(gone).events.filter(({ code }) => code === EventCode.REMOVED)).toHaveLength(1);
  });

  test('without a leader a change ends in time', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    for (const id of [1, 2, 3]) if (id !== leader) await cluster.kill(id);
    await cluster.until(() => cluster.server(leader).node.lead === 0, 'loss of the leader');
    await expect(change(leader, 'add', 9, urlOf(9))).rejects.toMatchObject({ code: ErrorCode.NO_LEADER });
  });
});
