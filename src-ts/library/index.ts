/** The npm package `polyraft`: the engine in a program's own process. */
export { RaftError, type RaftErrorCode } from './errors.ts';
export { RaftServer } from './raft-server.ts';
export type {
  Entry,
  Logger,
  Member,
  MemberChange,
  NodeId,
  Position,
  RaftConfig,
  RaftEvent,
  Role,
  StartOptions,
  StateMachine,
  Status,
  TlsConfig,
  WaitOptions,
} from './types.ts';
