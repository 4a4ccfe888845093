/** The command as it is built, run as a process. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { buildDirectory } from '../scenario/figures.ts';

export const POLYRAFT = join(buildDirectory, 'bin', 'polyraft');

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly problems: string;
}

export interface Where {
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

export function runCommand(parameters: readonly string[], { cwd, environment }: Where = {}): Promise<Ran> {
  return new Promise((resolve) => {
    const env = { ...process.env, ...environment };
    execFile(POLYRAFT, parameters, { cwd, env, maxBuffer: 1 << 28 }, (error, out, problems) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, problems });
    });
  });
}
