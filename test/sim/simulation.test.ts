// Safety after every step of seeded clusters, progress once faults stop, and determinism itself.
import { describe, expect, it } from 'vitest';
import { runSeed } from '../../src-ts/sim/cluster.ts';

const FULL = process.env['POLYRAFT_TEST_FULL'] === '1';
const SEEDS = FULL ? 2000 : 200;
const STEPS = 5000;
const SEEDS_A_TEST = 50;

function traced(seed: number): string {
  const lines: string[] = [];
  runSeed(seed, 2000, 'both', (line) => lines.push(line));
  return lines.join('\n');
}

describe('a simulated cluster', () => {
  const chunks = Array.from({ length: SEEDS / SEEDS_A_TEST }, (_, i) => i * SEEDS_A_TEST + 1);
  it.each(chunks)(
    `is safe and makes progress, ${SEEDS_A_TEST} seeds from %i on, ${STEPS} steps each`,
    (first) => {
      let committed = 0;
      let elections = 0;
      for (let seed = first; seed < first + SEEDS_A_TEST; seed++) {
        const result = runSeed(seed, STEPS, 'both');
        committed += result.committed;
        elections += result.elections;
      }
      // A simulation in which nothing happens proves nothing.
      expect(committed).toBeGreaterThan(SEEDS_A_TEST * 20);
      expect(elections).toBeGreaterThan(SEEDS_A_TEST);
    },
    600_000,
  );

  it('replays a seed to the same trace, byte for byte', () => {
    for (const seed of [3, 17, 42, 101]) expect(traced(seed)).toBe(traced(seed));
  });

  it('does different things for different seeds', () => {
    expect(new Set([1, 2, 3, 4, 5].map((seed) => runSeed(seed, 500).traceHash)).size).toBe(5);
  });
});
