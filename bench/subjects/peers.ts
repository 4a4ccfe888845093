/** The other libraries: programs that bench/peers/build.sh has built, or the reason why one could not be. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Subject } from '../subject.ts';
import { driven } from './driven.ts';

const directory = resolve('.cache/bench-peers');
export const limitsProgram = `${directory}/limits`;

export interface Row {
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

/** What bench/peers/build.sh says of each. */
export function builtRows(): Row[] {
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
export function versionsOf(rows: readonly Row[]): Record<string, string | null> {
  return Object.fromEntries(rows.map(({ name, version }) => [name, version]));
}

export function peersOf(rows: readonly Row[]): Peers {
  return {
    subjects: rows
      .filter((row) => row.missing === null)
      .map(({ name, program, arguments: args }) =>
        driven(
          { name, path: program, arguments: args, environment: {} },
          // C-Raft takes entries on its loop's thread only.
          name === 'craft' ? { takes: ({ proposers }) => proposers === 1 } : {},
        ),
      ),
    absent: rows.flatMap(({ name, missing }) => (missing === null ? [] : [{ subject: name, why: missing }])),
  };
}

export function peers(): Peers {
  return peersOf(builtRows());
}
