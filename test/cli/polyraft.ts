/** The command as a test runs it, within its own process. */
import { run } from '../../src-ts/cli/program.ts';

export interface Result {
  readonly code: number;
  readonly out: string[];
  readonly problems: string[];
}

export async function polyraft(...parameters: string[]): Promise<Result> {
  const out: string[] = [];
  const problems: string[] = [];
  const code = await run(parameters, {
    line: (text) => out.push(text),
    problem: (text) => problems.push(text),
  });
  return { code, out, problems };
}
