/** Where a command writes, so that tests can read it. */
export interface Output {
  line(text: string): void;
  /** A problem: standard error. */
  problem(text: string): void;
}

/** Exit codes of every command. */
export const ExitCode = { Fine: 0, Damaged: 1, Refused: 2 } as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
