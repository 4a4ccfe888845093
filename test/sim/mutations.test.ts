// The simulation is a net with no holes of this size: each classic defect, put into the core, is caught.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { RaftLog } from '../../src-ts/core/log/raft-log.ts';
import { majorityCommittedIndex, majorityVoteResult } from '../../src-ts/core/quorum/majority.ts';
import { ProgressTracker } from '../../src-ts/core/tracker/tracker.ts';
import type { EntryBatch } from '../../src-ts/core/entry-batch.ts';
import type { NodeId } from '../../src-ts/core/node-id.ts';
import { runSeed, type Seam } from '../../src-ts/sim/cluster.ts';
import { SOUND_WORLD } from '../../src-ts/sim/node.ts';

const MAX_SEEDS = 500;
const STEPS = 5000;

afterEach(() => {
  vi.restoreAllMocks();
});

/** The first seed that fails, and why. */
function firstCaught(seam: Seam = SOUND_WORLD): { seed: number; why: string } {
  for (let seed = 1; seed <= MAX_SEEDS; seed++) {
    try {
      runSeed(seed, STEPS, 'apply', null, seam);
    } catch (error) {
      return { seed, why: (error as Error).message };
    }
  }
  throw new Error(`not caught within ${MAX_SEEDS} seeds`);
}

type Patchable<T> = Record<keyof T | string, (...parameters: never[]) => unknown>;

describe('the simulation catches', () => {
  it('a vote that is not durable before the answer', () => {
    const { why } = firstCaught({ ...SOUND_WORLD, persistedHardState: (state) => ({ ...state, vote: 0 }) });
    expect(why).toMatch(/safety|completeness|durability|matching/);
  }, 600_000);

  it('an entry of an older term committed by counting', () => {
    const log = RaftLog.prototype as unknown as Patchable<RaftLog>;
    vi.spyOn(log, 'maybeCommit').mockImplementation(function (this: RaftLog, index: number) {
      if (index <= this.committed || index > this.lastIndex()) return false;
      this.commitTo(index);
      return true;
    } as never);
    const { why } = firstCaught();
    expect(why).toMatch(/commit rule|safety|completeness/);
  }, 600_000);

  it('a commit that counts the own entries before they are durable', () => {
    const { why } = firstCaught({ ...SOUND_WORLD, acknowledgeEarly: true });
    expect(why).toMatch(/durability/);
  }, 600_000);

  it('a log that every append truncates', () => {
    const log = RaftLog.prototype as unknown as Patchable<RaftLog>;
    const sound = log['findConflict']!;
    vi.spyOn(log, 'findConflict').mockImplementation(function (
      this: RaftLog,
      batches: readonly EntryBatch[],
    ) {
      const first = batches[0]?.firstIndex ?? 0;
      return first > this.committed ? first : sound.call(this, ...([batches] as never[]));
    } as never);
    const { why } = firstCaught();
    expect(why).toMatch(/safety|completeness|durability|matching|progress|beyond the last index/);
  }, 600_000);

  it('a joint configuration whose two halves are counted as one majority', () => {
    const union = (tracker: ProgressTracker): NodeId[] => [
      ...new Set([...tracker.configuration.incoming, ...tracker.configuration.outgoing]),
    ];
    vi.spyOn(ProgressTracker.prototype, 'committedIndex').mockImplementation(function (
      this: ProgressTracker,
    ) {
      return majorityCommittedIndex(union(this), (id) => this.get(id)?.match);
    });
    vi.spyOn(ProgressTracker.prototype, 'voteResult').mockImplementation(function (this: ProgressTracker) {
      return majorityVoteResult(union(this), this.votes);
    });
    const { why } = firstCaught();
    expect(why).toMatch(/safety|completeness|durability/);
  }, 600_000);

  it('a read index that is answered without asking a quorum', () => {
    // A cluster of one needs no round; here every leader believes that it is one.
    vi.spyOn(ProgressTracker.prototype, 'isSingleton', 'get').mockReturnValue(true);
    const { why } = firstCaught();
    expect(why).toMatch(/read index/);
  }, 600_000);
});
