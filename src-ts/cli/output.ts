/** Where a command writes, so that tests can read it. */
export interface Output {
  line(text: string): void;
  /** A problem: standard error. */
  problem(text: string): void;
  /** Replaces the progress line on a terminal, '' takes it away; nothing where there is none. `share`, of 1, is a bar. */
  progress?(text: string, share?: number): void;
  /** Of the terminal that lines go to; nothing where they go elsewhere. */
  readonly columns?: number;
}

/** Exit codes of every command. */
export const ExitCode = {
  /** Done, and nothing is wrong. */
  Fine: 0,
  /** Done, and something is wrong: a damaged file, a failed check, a cluster that cannot commit. */
  Damaged: 1,
  /** Not done: wrong parameters, or refused. */
  Refused: 2,
  /** The server's admin endpoint cannot be reached. */
  Unreachable: 3,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export const EXIT_CODES_HELP = `Exit codes:
  0  done, and nothing is wrong
  1  done, and something is wrong: a damaged file, a failed check, a cluster that cannot commit
  2  not done: wrong parameters, or the server refused
  3  the server's admin endpoint cannot be reached`;
