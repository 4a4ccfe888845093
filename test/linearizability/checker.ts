/** The checker's program (Go, porcupine), and what it says of histories. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildGo } from '../interop/programs.ts';
import type { Operation } from './history.ts';

const source = fileURLToPath(new URL('./checker', import.meta.url));

export type Verdict = 'ok' | 'illegal' | 'undecided';

/** POLYRAFT_KEEP_HISTORIES names a directory where histories that are not ok are kept. */
export function check(operations: readonly Operation[]): Verdict {
  const program = buildGo('linearizability', source);
  const path = join(mkdtempSync(join(tmpdir(), 'polyraft-history-')), 'history.json');
  writeFileSync(path, JSON.stringify({ operations }));
  try {
    const result = spawnSync(program, [path], { encoding: 'utf8' });
    if (result.status !== 0 && result.status !== 1) throw new Error(`the checker failed: ${result.stderr}`);
    const { verdict } = JSON.parse(result.stdout) as { readonly verdict: Verdict };
    const keep = process.env.POLYRAFT_KEEP_HISTORIES;
    if (verdict !== 'ok' && keep !== undefined) {
      writeFileSync(join(keep, `${verdict}-${Date.now()}.json`), JSON.stringify({ operations }));
    }
    return verdict;
  } finally {
    rmSync(dirname(path), { recursive: true, force: true });
  }
}
