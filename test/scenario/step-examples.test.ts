/** The example programs of raft_step. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildDirectory } from './figures.ts';

const program = (name: string): string => join(buildDirectory, 'examples', name);

/** Without libnode neither the library is built nor what uses it. */
const hasLibrary = existsSync(join(buildDirectory, 'lib/libpolyraft-craft.so'));

describe.skipIf(!hasLibrary)('step_loop', () => {
  const run = (seed: number): string =>
    execFileSync(program('step_loop'), [String(seed)], { encoding: 'utf8' });

  test('goes through its phases, in the same way for the same seed', () => {
    const first = run(7);
    expect([...first.matchAll(/ms {2}([A-Z]+(?: UP)?):/g)].map((match) => match[1])).toEqual([
      'ELECT',
      'REPLICATE',
      'PARTITION',
      'CRASH',
      'TRANSFER',
      'CATCH UP',
      'DONE',
    ]);
    for (const color of ['red', 'green', 'blue', 'violet', 'white'])
      expect(first).toMatch(new RegExp(`committed by server \\d: "${color}"`));
    expect(first).not.toContain('"lost"');
    expect(run(7)).toBe(first);
    expect(run(8)).not.toBe(first);
  });
});
