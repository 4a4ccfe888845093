/** A cluster is bootstrapped, elects, replicates, and goes on without its leader. */
import { afterEach, describe, expect, test } from 'vitest';
import { ErrorCode } from '../../src-ts/core/codes.generated.ts';
import { StateType } from '../../src-ts/core/types.ts';
import { Cluster } from './cluster.ts';

let cluster: Cluster;

afterEach(async () => {
  await cluster.stop();
});

describe('replication', () => {
  test('one server leads at once and commits', async () => {
    cluster = await Cluster.of(1);
    await cluster.until(() => cluster.leader() === 1, 'leadership', 50);
    const sequences = cluster.propose(1, ['a', 'b', '', 'c']);
    await cluster.until(() => cluster.decided(sequences), 'outcomes', 100);
    expect(sequences.map((sequence) => cluster.outcome(sequence))).toEqual([0, 0, 0, 0]);
    expect(cluster.texts(1)).toEqual(['a', 'b', 'c']);
    expect(cluster.host(1).states.at(-1)).toBe(StateType.Leader);
  });

  test('three servers elect one leader and apply the same sequence', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    const sequences: number[] = [];
    for (let round = 0; round < 20; round++) {
      sequences.push(...cluster.propose(leader, [`x${round}`, `y${round}`]));
      await cluster.run(1);
    }
    await cluster.until(() => cluster.decided(sequences), 'outcomes');
    await cluster.converged();
    expect(sequences.every((sequence) => cluster.outcome(sequence) === ErrorCode.OK)).toBe(true);
    for (const id of [1, 2, 3])
      expect(cluster.texts(id)).toEqual(sequences.map((s) => cluster.proposed.get(s)!.text));
    // Outcomes name the entry that holds the proposal.
    for (const { index, text } of cluster.host(1).applied) {
      const sequence = sequences.find((s) => cluster.proposed.get(s)!.text === text)!;
      expect(cluster.host(leader).results.get(sequence)).toEqual([
        { sequence, index, term: cluster.server(leader).node.term, code: ErrorCode.OK },
      ]);
    }
  });

  test('the bootstrap entries are the peers in configured order', async () => {
    cluster = new Cluster();
    for (const id of [1, 2, 3]) cluster.define(id, [3, 1, 2]);
    for (const id of [1, 2, 3]) await cluster.start(id);
    await cluster.elected();
    await cluster.converged();
    const status = JSON.parse(cluster.server(2).statusJson()) as {
      members: { id: number; urls: string[] }[];
    };
    expect(status.members.map(({ id }) => id).sort()).toEqual([1, 2, 3]);
    expect(cluster.server(1).node.status().confState.voters).toEqual([1, 2, 3]);
  });

  test('a follower forwards, and gets the outcome from the leader', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    const follower = [1, 2, 3].find((id) => id !== leader)!;
    const sequences = cluster.propose(follower, ['p', 'q', 'r']);
    await cluster.until(() => cluster.decided(sequences), 'outcomes');
    expect(sequences.map((sequence) => cluster.outcome(sequence))).toEqual([0, 0, 0]);
    await cluster.converged();
    const [first] = cluster.host(follower).applied;
    expect(cluster.host(follower).results.get(sequences[0]!)![0]!.index).toBe(first!.index);
  });

  test('the others elect a new leader, and the old one follows when it is back', async () => {
    cluster = await Cluster.of(3);
    const first = await cluster.elected();
    const before = cluster.propose(first, ['before']);
    await cluster.until(() => cluster.decided(before), 'outcome');
    await cluster.kill(first);
    const second = await cluster.elected();
    expect(second).not.toBe(first);
    const after = cluster.propose(second, ['after']);
    await cluster.until(() => cluster.decided(after), 'outcome');
    await cluster.start(first);
    await cluster.converged();
    for (const id of [1, 2, 3]) expect(cluster.texts(id)).toEqual(['before', 'after']);
  });

  test('proposals wait for a leader, and are refused when none comes', async () => {
    cluster = await Cluster.of(3);
    const early = cluster.propose(1, ['early']);
    await cluster.until(() => cluster.decided(early), 'outcome');
    expect(cluster.outcome(early[0]!)).toBe(ErrorCode.OK);
    await cluster.kill(2);
    await cluster.kill(3);
    await cluster.until(() => cluster.server(1).node.lead === 0, 'loss of the leader');
    const late = cluster.propose(1, ['late']);
    await cluster.until(() => cluster.decided(late), 'outcome', 500);
    expect(cluster.outcome(late[0]!)).toBe(ErrorCode.REJECTED);
  });
});
