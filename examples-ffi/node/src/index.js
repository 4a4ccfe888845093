/** Raft consensus over libpolyraft. */
export { RaftError } from './errors.js';
export { setLog, setLogLevel } from './log.js';
export { LogLevel } from './native.generated.js';
export { RaftServer } from './server.js';
