import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StateType, type Message } from '../../src-ts/core/types.ts';
import { Cluster, type Options } from './cluster.ts';

const modes: Options[] = [
  {},
  { checkQuorum: true },
  { checkQuorum: true, quorumTick: 7, preVote: true },
  { preVote: true, asyncStorageWrites: true },
];

/** What a driver can see of time: who leads, in which term, and everything that was sent. */
function seen(cluster: Cluster): unknown {
  const members = [...cluster.members.values()].map(({ raft }) => [raft.state, raft.term, raft.lead]);
  const sent = cluster.sent.map(({ type, to, from, term, index }: Message) => [type, to, from, term, index]);
  return { members, sent };
}

function seeded(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % bound;
  };
}

/** Time in steps that end where something is due, as a driver with a timer of its own gives it. */
function elapseByDue(cluster: Cluster, id: number, ticks: number): void {
  const { raft } = cluster.member(id);
  for (let left = ticks; left > 0;) {
    const due = raft.ticksUntilDue();
    const step = due > 0 ? Math.min(left, due) : 1;
    left -= step;
    raft.elapse(step, false);
    if (step >= due) raft.elapse(0, true);
  }
}

describe('elapse', () => {
  it('does what as many ticks do, when it is called where something is due', () => {
    const moves = fc.array(
      fc.record({
        id: fc.integer({ min: 1, max: 3 }),
        ticks: fc.integer({ min: 1, max: 30 }),
        cut: fc.boolean(),
      }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(fc.constantFrom(...modes), fc.nat(), moves, (mode, seed, list) => {
        const [ticking, elapsing] = [0, 1].map(
          () => new Cluster([1, 2, 3], { electionTick: 10, heartbeatTick: 3, ...mode, random: seeded(seed) }),
        ) as [Cluster, Cluster];
        for (const { id, ticks, cut } of list) {
          for (const cluster of [ticking, elapsing]) {
            if (cut) cluster.cut(id);
            else cluster.heal();
          }
          ticking.tick(id, ticks);
          elapseByDue(elapsing, id, ticks);
          ticking.settle();
          elapsing.settle();
          expect(seen(elapsing)).toEqual(seen(ticking));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('only counts without `acts`, and then acts once for all that is overdue', () => {
    const cluster = new Cluster([1, 2, 3]);
    const leader = cluster.elect(1);
    cluster.sent.length = 0;
    leader.raft.elapse(1000, false);
    expect(leader.raft.hasReady()).toBe(false);
    expect(leader.raft.ticksUntilDue()).toBeLessThanOrEqual(0);
    leader.raft.elapse(0, true);
    expect(leader.raft.ticksUntilDue()).toBe(1);
    expect(leader.raft.ready().messages.map(({ to }) => to)).toEqual([2, 3]);
  });

  it('names the time of the next campaign, which a restarted timer moves', () => {
    const { raft } = new Cluster([1, 2, 3]).member(2);
    expect(raft.ticksUntilDue()).toBe(10);
    raft.elapse(4, true);
    expect(raft.ticksUntilDue()).toBe(6);
    raft.restartElectionTimer();
    expect(raft.ticksUntilDue()).toBe(10);
    raft.elapse(9, true);
    expect(raft.state).toBe(StateType.Follower);
    raft.elapse(1, true);
    expect(raft.state).toBe(StateType.Candidate);
  });
});
