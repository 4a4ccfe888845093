import koffi from 'koffi';
import { check, errorOf } from './errors.js';
import { library, waiting } from './library.js';
import { ErrorCode } from './native.generated.js';

/** Where the log of all servers of this process goes: a file to append to, 'stdout', 'stderr', or null for nowhere. */
export function setLog(path) {
  if (library().RAFT_SetLogger(path, 0) !== 0) throw errorOf(ErrorCode.IO, library().RAFT_LastError());
}

/** One of LogLevel: what is less grave is not logged. At the start: WARNING, to stderr. */
export function setLogLevel(level) {
  check(library().RAFT_SetLogLevel(level));
}

/** One of LogFormat. */
export function setLogFormat(format) {
  check(library().RAFT_SetLogFormat(format));
}

let onRecord = null;
let registered = null;

function handOver(_context, pointer) {
  if (onRecord === null) return;
  const { time_ns, level, cluster_id, node_id, source, message } = koffi.decode(pointer, 'RAFT_LogRecord');
  try {
    onRecord({
      time: new Date(Number(BigInt(time_ns) / 1_000_000n)),
      level,
      clusterId: BigInt(cluster_id),
      nodeId: BigInt(node_id),
      source,
      message,
    });
  } catch {
    // Nobody could be told.
  }
}

/**
 * Gives lines of the log to a callback on Node's thread, instead of where setLog says; null: no more. Resolves when the
 * callback of before has got all its lines.
 */
export async function setLogCallback(callback) {
  library();
  // Not on this thread, which the lines of the callback of before need.
  check(await waiting('RAFT_SetLogCallback', null, 0));
  onRecord = callback;
  if (callback === null) return;
  // Never unregistered: a thread of the library may be on its way to it.
  registered ??= koffi.register(handOver, koffi.pointer('RAFT_LogCallback'));
  check(library().RAFT_SetLogCallback(registered, 0));
}
