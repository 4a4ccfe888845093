import { library } from './library.js';
import { ErrorCode } from './native.generated.js';

const NAMES = new Map(Object.entries(ErrorCode).map(([name, value]) => [value, name]));
const MAY_TAKE_EFFECT = ['TIMEOUT', 'UNKNOWN_OUTCOME', 'ENGINE_DIED', 'LEADERSHIP_LOST'];

/** A call failed, or a proposal ended otherwise than committed; `code` is the name of one of enum RAFT_Error. */
export class RaftError extends Error {
  name = 'RaftError';

  constructor(code, text, options) {
    super(text, options);
    this.code = code;
  }

  /** Whether what was asked for may still happen, so that asking again may do it twice. */
  get mayTakeEffect() {
    return MAY_TAKE_EFFECT.includes(this.code);
  }
}

/** With the code's general text. */
export function errorOf(value, text = library().RAFT_StrError(value)) {
  return new RaftError(NAMES.get(value) ?? 'INTERNAL', text);
}

/** Throws for a call that was made on this thread. */
export function check(value) {
  if (value !== ErrorCode.OK) throw errorOf(value, library().RAFT_LastError());
}

/** Throws for a call that was made on another thread, whose last error cannot be asked for here. */
export function checkElsewhere(value) {
  if (value !== ErrorCode.OK) throw errorOf(value);
}
