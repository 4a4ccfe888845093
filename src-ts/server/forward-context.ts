/**
 * Message.Context of a MsgProp between polyraft nodes: "prf1", the proposer's node id and the forwarding number of the
 * first entry, both 8 bytes big-endian. Other kinds of leaders ignore it.
 */
import { knownNodeId, nodeIdToBigint, UNKNOWN_NODE, type NodeId } from '../core/node-id.ts';

const MAGIC = 0x70726631;
const SIZE = 20;

export interface ForwardContext {
  readonly origin: NodeId;
  readonly sequence: number;
}

export function encodeForwardContext(origin: NodeId, sequence: number): Uint8Array {
  const bytes = new Uint8Array(SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  view.setBigUint64(4, nodeIdToBigint(origin));
  view.setBigUint64(12, BigInt(sequence));
  return bytes;
}

/** Null when the context is not ours, or of a node that is not known here. */
export function decodeForwardContext(bytes: Uint8Array | null): ForwardContext | null {
  if (bytes === null || bytes.length !== SIZE) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, SIZE);
  if (view.getUint32(0) !== MAGIC) return null;
  const sequence = view.getBigUint64(12);
  if (sequence > BigInt(Number.MAX_SAFE_INTEGER)) return null;
  const origin = knownNodeId(view.getBigUint64(4));
  return origin === UNKNOWN_NODE ? null : { origin, sequence: Number(sequence) };
}
