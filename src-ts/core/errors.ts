import type { StepErrorCode } from './api.ts';

/** A refusal that is part of normal life: the message or proposal had no effect. */
export class StepError extends Error {
  override readonly name = 'StepError';
  readonly code: StepErrorCode;

  constructor(code: StepErrorCode, text: string) {
    super(text);
    this.code = code;
  }
}

export type LogErrorCode =
  'compacted' | 'unavailable' | 'snapshot-temporarily-unavailable' | 'snapshot-out-of-date';

export class LogError extends Error {
  override readonly name = 'LogError';
  readonly code: LogErrorCode;

  constructor(code: LogErrorCode) {
    super(`log: ${code}`);
    this.code = code;
  }
}

/** A broken invariant: this node must not go on. The driver stops it and reports the text. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

export function invariant(holds: boolean, text: () => string): asserts holds {
  if (!holds) throw new InvariantError(text());
}

/** For hot paths: `if (...) violated(...)` builds the text, and anything for it, only when it is needed. */
export function violated(text: string): never {
  throw new InvariantError(text);
}
