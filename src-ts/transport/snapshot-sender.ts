/** A MsgSnap to a peer: one `POST /raft` of known length, data read while they are sent. */
import type { Message } from '../core/types.ts';
import { encodeMembersHeader } from './headers.ts';
import type { BodyWriter } from './http-client.ts';
import type { Peer, PeerContext } from './peer.ts';
import { encodeSnapshotHead } from './snapshot-codec.ts';
import type { SnapshotSource } from './types.ts';

/** Sends and reports the result, once. */
export async function sendSnapshotTo(
  context: PeerContext,
  peer: Peer,
  message: Message,
  source: SnapshotSource,
  members: string | null,
): Promise<void> {
  let success = false;
  const owner = !peer.snapshotRunning;
  try {
    // One at a time: a second one would only compete with the first.
    if (!owner) await Promise.resolve();
    else {
      peer.snapshotRunning = true;
      success = await post(context, peer, message, source, members);
    }
  } catch (error) {
    context.logger.warning(`snapshot for ${peer.name} failed: ${(error as Error).message}`);
  } finally {
    if (owner) peer.snapshotRunning = false;
  }
  if (peer.isStopped) return;
  if (!success) peer.reportUnreachable();
  context.events.snapshotResult(peer.id, success);
}

async function post(
  context: PeerContext,
  peer: Peer,
  message: Message,
  source: SnapshotSource,
  members: string | null,
): Promise<boolean> {
  const head = encodeSnapshotHead(message, source.dataBytes);
  const headers: Record<string, string> = { 'Content-Type': 'application/protobuf' };
  if (members !== null) {
    const encoded = encodeMembersHeader(members);
    if (encoded.length > context.limits.membersHeaderBytes) {
      throw new RangeError(
        `members take ${encoded.length} bytes in a header; the limit is ${context.limits.membersHeaderBytes}`,
      );
    }
    headers['X-Polyraft-Members'] = encoded;
  }
  const body: BodyWriter = async (write) => {
    await write(head);
    let sent = 0;
    await source.read((piece) => {
      sent += piece.length;
      if (sent > source.dataBytes)
        throw new RangeError(`snapshot is longer than the ${source.dataBytes} bytes announced`);
      return write(piece);
    });
    if (sent !== source.dataBytes) {
      throw new RangeError(`snapshot ended after ${sent} of ${source.dataBytes} bytes`);
    }
  };
  const contentBytes = head.length + source.dataBytes;
  const answer = await peer.post('/raft', headers, body, contentBytes, context.timeouts.snapshotResponseMs);
  return peer.judge(answer);
}
