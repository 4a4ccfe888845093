/**
 * Five servers under faults that a seed decides. POLYRAFT_CRAFT_SEED=N runs that one and prints what happens;
 * POLYRAFT_CRAFT_SEEDS=A-B runs these.
 */
import { describe, expect, it } from 'vitest';
import { World, type Defect } from './world.ts';

const SEEDS = 25;
const SEEDS_FULL = 5000;

function seeds(): [number, number] {
  const { POLYRAFT_CRAFT_SEED: one, POLYRAFT_CRAFT_SEEDS: some, POLYRAFT_TEST_FULL: full } = process.env;
  if (one !== undefined) return [Number(one), Number(one)];
  if (some !== undefined) return some.split('-').map(Number) as [number, number];
  return [1, full === '1' ? SEEDS_FULL : SEEDS];
}

function run(seed: number, print: ((line: string) => void) | null = null): World['outcome'] {
  try {
    return new World(seed, print).run();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new Error(`seed ${seed}: ${text} (to see it happen: POLYRAFT_CRAFT_SEED=${seed})`, {
      cause: error,
    });
  }
}

describe('a cluster that is stepped by hand', () => {
  it('is safe and makes progress', { timeout: 3_600_000 }, () => {
    const [first, last] = seeds();
    const print = process.env['POLYRAFT_CRAFT_SEED'] === undefined ? null : console.error;
    const sums: Record<string, number> = {};
    for (let seed = first; seed <= last; seed++) {
      for (const [name, value] of Object.entries(run(seed, print))) sums[name] = (sums[name] ?? 0) + value;
    }
    const count = last - first + 1;
    if (count < 20) return;
    // A run that leaves something out proves little.
    for (const name of ['crashes', 'truncations', 'installed', 'snapshots', 'transfers', 'changes'])
      expect(sums[name], name).toBeGreaterThan(count / 10);
    expect(sums['committed']).toBeGreaterThan(50 * count);
    expect(sums['leaders']).toBeGreaterThan(2 * count);
  });

  it('does the same for the same seed', { timeout: 300_000 }, () => {
    for (const seed of [1, 2]) expect(run(seed)).toEqual(run(seed));
    expect(run(1).hash).not.toBe(run(2).hash);
  });

  const defects: [Defect, RegExp][] = [
    ['forgets-votes', /votes for/],
    ['forgets-entries', /lacks|goes back|applies|have on their disks|never given|beyond/],
    ['acknowledges-early', /its disk does not have|have on their disks/],
  ];
  it.each(defects)('is not safe when a program %s', { timeout: 300_000 }, (defect, text) => {
    const found = (): void => {
      for (let seed = 1; seed <= 60; seed++) new World(seed, null, defect).run();
    };
    expect(found).toThrow(text);
  });
});
