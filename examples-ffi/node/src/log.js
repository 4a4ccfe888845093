import { check, errorOf } from './errors.js';
import { library } from './library.js';
import { ErrorCode } from './native.generated.js';

/** Where the log of all servers of this process goes: a file to append to, 'stdout', 'stderr', or null for nowhere. */
export function setLog(path) {
  if (library().RAFT_SetLogger(path, 0) !== 0) throw errorOf(ErrorCode.IO, library().RAFT_LastError());
}

/** One of LogLevel: what is less grave is not logged. At the start: WARNING, to stderr. */
export function setLogLevel(level) {
  check(library().RAFT_SetLogLevel(level));
}
