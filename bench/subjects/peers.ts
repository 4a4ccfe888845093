/** The other libraries: programs that bench/peers/build.sh has built, or the reason why one could not be. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Subject } from '../subject.ts';
import { driven } from './driven.ts';

const directory = resolve('.cache/bench-peers');
export const limitsProgram = `${directory}/limits`;

interface Row {
  readonly name: string;
  readonly program: string;
  readonly arguments: readonly string[];
  /** Of the library and what it stands on; null without a program. */
  readonly version: string | null;
  /** Why there is no program. */
  readonly missing: string | null;
}

export interface Absence {
  readonly subject: string;
  readonly why: string;
}

export interface Peers {
  readonly subjects: readonly Subject[];
  readonly absent: readonly Absence[];
}

function builtRows(): Row[] {
  const path = `${directory}/peers.json`;
  if (!existsSync(path)) throw new Error(`${path} is missing; run bench/peers/build.sh`);
  const rows = JSON.parse(readFileSync(path, 'utf8')) as Row[];
  return rows.map((row) =>
    row.missing !== null || existsSync(row.program)
      ? row
      : { ...row, missing: `${row.program} is gone; run bench/peers/build.sh` },
  );
}

/** What each peer was built of, by its name. */
export function versions(): Record<string, string | null> {
  return Object.fromEntries(builtRows().map(({ name, version }) => [name, version]));
}

/** C-Raft takes entries on its loop's thread only. */
function limitsOf(name: string): { readonly proposersMax?: number } {
  return name === 'craft' ? { proposersMax: 1 } : {};
}

export function peers(): Peers {
  const rows = builtRows();
  return {
    subjects: rows
      .filter((row) => row.missing === null)
      .map(({ name, program, arguments: args }) =>
        driven({ name, path: program, arguments: args, environment: {}, ...limitsOf(name) }),
      ),
    absent: rows.flatMap(({ name, missing }) => (missing === null ? [] : [{ subject: name, why: missing }])),
  };
}
