import { ErrorCode } from '../core/codes.generated.ts';
import { nodeIdFromBigint } from '../core/node-id.ts';
import { ServerError, type MemberOperation, type RaftServer } from '../server/api.ts';
import { encodeText, encodeU64, PayloadReader } from './payload.ts';
import { RecordType } from './protocol.generated.ts';

const NOTHING = new Uint8Array(0);
const OPERATIONS: readonly MemberOperation[] = ['add', 'remove', 'update', 'add-learner', 'promote'];

/** Commands that are answered by REPLY. */
export function isRequest(type: number): boolean {
  switch (type) {
    case RecordType.MEMBER_CHANGE:
    case RecordType.SNAPSHOT_REQUEST:
    case RecordType.STATUS_REQUEST:
    case RecordType.SEND_MESSAGE:
    case RecordType.TRANSFER_LEADER:
    case RecordType.READ_INDEX:
      return true;
    default:
      return false;
  }
}

/** Carries out one request; resolves to the data of its reply, rejects with ServerError. */
export async function runRequest(server: RaftServer, type: number, payload: Uint8Array): Promise<Uint8Array> {
  const reader = new PayloadReader(payload);
  switch (type) {
    case RecordType.MEMBER_CHANGE: {
      const operation = OPERATIONS[reader.u32()];
      reader.u32();
      const id = nodeIdFromBigint(reader.u64());
      const url = reader.text();
      if (operation === undefined)
        throw new ServerError(ErrorCode.UNSUPPORTED, 'this membership operation is not known');
      return encodeU64(await server.changeMember(operation, id, url === '' ? null : url));
    }
    case RecordType.SNAPSHOT_REQUEST:
      return encodeU64(await server.snapshot());
    case RecordType.STATUS_REQUEST: {
      const what = reader.u32();
      if (what === 0) return encodeText(server.statusJson());
      if (what === 1) return encodeText(server.peersJson());
      throw new ServerError(ErrorCode.UNSUPPORTED, 'metrics are not supported yet');
    }
    case RecordType.SEND_MESSAGE: {
      const id = nodeIdFromBigint(reader.u64());
      return server.sendHostMessage(id, reader.rest());
    }
    case RecordType.TRANSFER_LEADER:
      await server.transferLeadership(nodeIdFromBigint(reader.u64()));
      return NOTHING;
    case RecordType.READ_INDEX:
      return encodeU64(await server.readIndex(reader.u32() === 1 ? 'lease' : 'safe'));
    default:
      throw new ServerError(ErrorCode.UNSUPPORTED, `request ${type} is not known`);
  }
}

/** Code and text of whatever was thrown. */
export function describeError(error: unknown): { readonly code: number; readonly text: string } {
  if (error instanceof ServerError) return { code: error.code, text: error.message };
  if (error instanceof Error) return { code: ErrorCode.INTERNAL, text: error.stack ?? error.message };
  return { code: ErrorCode.INTERNAL, text: String(error) };
}
