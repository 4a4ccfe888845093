/**
 * What the calls of polyraft.h and easyraft.h mean in terms of one server. Arguments are as the C interface has them and
 * are checked here; results and errors (ServerError) carry its codes.
 */
import { ErrorCode } from '../core/codes.generated.ts';
import { type NodeId, nodeIdFromBigint } from '../core/node-id.ts';
import { metricsText } from '../admin/metrics.ts';
import { ServerError, type MemberChange, type MemberOperation, type RaftServer } from '../server/api.ts';
import { peerUrlProblem } from './config/peer-url.ts';

/** RAFT_MEMBER_*, by number. */
const MEMBER_OPERATIONS: readonly MemberOperation[] = ['add', 'remove', 'update', 'add-learner', 'promote'];
const READ_LEASE = 1;

/** What RAFT_GetStatus, RAFT_GetPeersStatus and RAFT_GetMetrics ask for. */
export const Report = { Status: 0, Peers: 1, Metrics: 2 } as const;

function member(id: bigint): NodeId {
  if (id === 0n) throw new ServerError(ErrorCode.INVALID_ARGUMENT, 'id must not be 0');
  return nodeIdFromBigint(id);
}

/** RAFT_ChangeMember, RAFT_AddServer, RAFT_DelServer, RAFT_ChangeServer: the index of the change, once applied here. */
export async function changeMember(
  server: RaftServer,
  operation: number,
  id: bigint,
  url: string,
): Promise<number> {
  const change = memberChange({ operation, id, url });
  return server.changeMember(change.operation, change.id, change.url);
}

/** One of RAFT_ChangeMembers. */
export interface ChangeRequest {
  readonly operation: number;
  readonly id: bigint;
  readonly url: string;
}

function memberChange({ operation, id, url }: ChangeRequest): MemberChange {
  const name = MEMBER_OPERATIONS[operation];
  if (name === undefined)
    throw new ServerError(ErrorCode.INVALID_ARGUMENT, `${operation} is not a RAFT_MEMBER_* value`);
  if (name === 'remove' || name === 'promote') return { operation: name, id: member(id), url: null };
  const problem = peerUrlProblem(url);
  if (problem !== null) throw new ServerError(ErrorCode.URL, `url "${url}" ${problem}`);
  return { operation: name, id: member(id), url: url.replace(/\/$/, '') };
}

/** RAFT_ChangeMembers: the index of the change, once all of it is in force here. */
export async function changeMembers(server: RaftServer, changes: readonly ChangeRequest[]): Promise<number> {
  return server.changeMembers(changes.map(memberChange));
}

/** RAFT_SaveSnapshot, RAFT_Snapshot: the index of a snapshot that is on disk. */
export async function saveSnapshot(server: RaftServer): Promise<number> {
  return server.snapshot();
}

export async function report(server: RaftServer, what: number): Promise<string> {
  switch (what) {
    case Report.Status:
      return server.statusJson();
    case Report.Peers:
      return server.peersJson();
    case Report.Metrics:
      return metricsText(server.figures());
    default:
      throw new ServerError(ErrorCode.INVALID_ARGUMENT, `${what} is not a report`);
  }
}

/** RAFT_SendMessage: the answer of the other host. */
export async function sendMessage(server: RaftServer, to: bigint, body: Uint8Array): Promise<Uint8Array> {
  return server.sendHostMessage(member(to), body);
}

/** RAFT_TransferLeadership: resolves when `to` leads. */
export async function transferLeadership(server: RaftServer, to: bigint): Promise<void> {
  return server.transferLeadership(member(to));
}

/** RAFT_ReadIndex: the index that the state machine must have applied for a linearizable read. */
export async function readIndex(server: RaftServer, kind: number): Promise<number> {
  return server.readIndex(kind === READ_LEASE ? 'lease' : 'safe');
}
