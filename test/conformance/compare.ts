import type { Command } from './data-driven.ts';

const LOG_LINE = /^\s*(DEBUG|INFO|WARN|ERROR|FATAL) /;

/** Free-text log lines are not part of the contract; what says nothing else than success counts as empty. */
export function comparable(output: string): string {
  const lines = output.split('\n').filter((line) => !LOG_LINE.test(line));
  const text = lines.join('\n').trimEnd();
  return text === 'ok' || text === 'ok (quiet)' ? '' : text;
}

export interface Mismatch {
  readonly command: Command;
  readonly actual: string;
  readonly expected: string;
}

export type Execute = (command: Command) => string;

/** Runs all commands of one file; returns the first mismatch, null when everything agrees. */
export function runCommands(commands: readonly Command[], execute: Execute): Mismatch | null {
  for (const command of commands) {
    const actual = comparable(execute(command));
    const expected = comparable(command.expected);
    if (actual !== expected) return { command, actual, expected };
  }
  return null;
}
