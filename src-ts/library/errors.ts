import { ERROR_TEXT, ErrorCode } from '../core/codes.generated.ts';
import { textOf } from '../server/errors.ts';
import { ServerError } from '../server/api.ts';

/** The name of a code, as in `enum RAFT_Error` without its prefix; docs/ERRORS.md tells what to do about each. */
export type RaftErrorCode = keyof typeof ErrorCode;

const NAMES = new Map<number, string>(Object.entries(ErrorCode).map(([name, value]) => [value, name]));
const MAY_TAKE_EFFECT: readonly string[] = ['TIMEOUT', 'UNKNOWN_OUTCOME', 'LEADERSHIP_LOST'];

/** A call failed, or a proposal ended otherwise than committed. */
export class RaftError extends Error {
  override readonly name = 'RaftError';
  readonly code: RaftErrorCode;

  constructor(code: RaftErrorCode, text: string, options?: { readonly cause?: unknown }) {
    super(text, options);
    this.code = code;
  }

  /** Whether what was asked for may still happen, so that asking again may do it twice. */
  get mayTakeEffect(): boolean {
    return MAY_TAKE_EFFECT.includes(this.code);
  }
}

export function errorOf(code: number, text: string = ERROR_TEXT[code] ?? `code ${code}`): RaftError {
  return new RaftError((NAMES.get(code) ?? 'INTERNAL') as RaftErrorCode, text);
}

/** From whatever the engine throws. */
export function toRaftError(error: unknown): RaftError {
  if (error instanceof RaftError) return error;
  return error instanceof ServerError
    ? errorOf(error.code, error.message)
    : new RaftError('INTERNAL', textOf(error), { cause: error });
}
