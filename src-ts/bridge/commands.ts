import { ErrorCode } from '../core/codes.generated.ts';
import {
  changeMember,
  changeMembers,
  readIndex,
  report,
  saveSnapshot,
  sendMessage,
  transferLeadership,
  type ChangeRequest,
} from '../facade/easyraft.ts';
import { changePeer, contact, statistics } from '../facade/libraft.ts';
import { ServerError, type RaftServer } from '../server/api.ts';
import { encodeText, encodeU64, PayloadReader } from './payload.ts';
import { RecordType } from './protocol.generated.ts';
import type { SharedCounts } from './submit-drain.ts';

/** STATUS_REQUEST, beyond the facade of easyraft. */
const REPORT_STATISTICS = 3;
const REPORT_CONTACT = 4;
const NOTHING = new Uint8Array(0);

/** Commands that are answered by REPLY. */
export function isRequest(type: number): boolean {
  switch (type) {
    case RecordType.MEMBER_CHANGE:
    case RecordType.MEMBER_CHANGES:
    case RecordType.SNAPSHOT_REQUEST:
    case RecordType.STATUS_REQUEST:
    case RecordType.SEND_MESSAGE:
    case RecordType.TRANSFER_LEADER:
    case RecordType.READ_INDEX:
    case RecordType.PEER_CHANGE:
      return true;
    default:
      return false;
  }
}

/** Carries out one request; resolves to the data of its reply. A payload that is too short throws BridgeError. */
export async function runRequest(
  server: RaftServer,
  type: number,
  payload: Uint8Array,
  shared: SharedCounts,
): Promise<Uint8Array> {
  const reader = new PayloadReader(payload);
  switch (type) {
    case RecordType.MEMBER_CHANGE: {
      const operation = reader.u32();
      reader.u32();
      const id = reader.u64();
      return encodeU64(await changeMember(server, operation, id, reader.text()));
    }
    case RecordType.MEMBER_CHANGES:
      return encodeU64(await changeMembers(server, readChanges(reader)));
    case RecordType.SNAPSHOT_REQUEST:
      return encodeU64(await saveSnapshot(server));
    case RecordType.STATUS_REQUEST:
      return encodeText(await statusReport(server, reader.u32(), shared));
    case RecordType.SEND_MESSAGE: {
      const to = reader.u64();
      return sendMessage(server, to, reader.rest());
    }
    case RecordType.TRANSFER_LEADER:
      await transferLeadership(server, reader.u64());
      return NOTHING;
    case RecordType.READ_INDEX:
      return encodeU64(await readIndex(server, reader.u32()));
    case RecordType.PEER_CHANGE: {
      const operation = reader.u32();
      const port = reader.u32();
      return encodeU64(await changePeer(server, operation, reader.text(), port));
    }
    default:
      throw new ServerError(ErrorCode.INTERNAL, `record type ${type} is no request`);
  }
}

function readChanges(reader: PayloadReader): ChangeRequest[] {
  const count = reader.u32();
  reader.u32();
  const heads: { readonly operation: number; readonly urlBytes: number; readonly id: bigint }[] = [];
  for (let i = 0; i < count; i++) {
    const operation = reader.u32();
    const urlBytes = reader.u32();
    heads.push({ operation, urlBytes, id: reader.u64() });
  }
  const urls = reader.rest();
  let at = 0;
  return heads.map(({ operation, urlBytes, id }) => {
    const url = new TextDecoder().decode(urls.subarray(at, at + urlBytes));
    at += urlBytes;
    return { operation, id, url };
  });
}

function statusReport(server: RaftServer, what: number, shared: SharedCounts): Promise<string> | string {
  if (what === REPORT_STATISTICS) return statistics(server, shared);
  return what === REPORT_CONTACT ? contact(server) : report(server, what);
}

/** Code and text of whatever was thrown. */
export function describeError(error: unknown): { readonly code: number; readonly text: string } {
  if (error instanceof ServerError) return { code: error.code, text: error.message };
  if (error instanceof Error) return { code: ErrorCode.INTERNAL, text: error.stack ?? error.message };
  return { code: ErrorCode.INTERNAL, text: String(error) };
}
