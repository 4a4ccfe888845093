/** Raft consensus over libpolyraft. */
export { RaftError } from './errors.js';
export { setLog, setLogCallback, setLogFormat, setLogLevel } from './log.js';
export { LogFormat, LogLevel } from './native.generated.js';
export { RaftServer } from './server.js';
