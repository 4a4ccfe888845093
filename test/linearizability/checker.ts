/** The checker's program (Go, porcupine), and what it says of histories. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildGo } from '../interop/programs.ts';
import type { Operation } from './history.ts';

const source = fileURLToPath(new URL('./checker', import.meta.url));

export type Verdict = 'ok' | 'illegal' | 'undecided';

function outputOf(program: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, [path], (error, stdout, stderr) => {
      // 1: the history is not ok.
      if (error === null || error.code === 1) resolve(stdout);
      else reject(new Error(`the checker failed: ${stderr}`, { cause: error }));
    });
  });
}

/** POLYRAFT_KEEP_HISTORIES names a directory where histories that are not ok are kept. */
export async function check(operations: readonly Operation[]): Promise<Verdict> {
  const program = await buildGo('linearizability', source);
  const path = join(mkdtempSync(join(tmpdir(), 'polyraft-history-')), 'history.json');
  writeFileSync(path, JSON.stringify({ operations }));
  try {
    const { verdict } = JSON.parse(await outputOf(program, path)) as { readonly verdict: Verdict };
    const keep = process.env.POLYRAFT_KEEP_HISTORIES;
    if (verdict !== 'ok' && keep !== undefined) {
      writeFileSync(join(keep, `${verdict}-${Date.now()}.json`), JSON.stringify({ operations }));
    }
    return verdict;
  } finally {
    rmSync(dirname(path), { recursive: true, force: true });
  }
}
