/** Who a WAL belongs to: etcdserverpb.Metadata in its metadata record. */
import { nodeIdFromBigint, nodeIdToBigint, type NodeId } from '../../core/node-id.ts';
import { Reader, Writer } from '../../core/raftpb/varint.ts';
import { IdentityError } from '../types.ts';

export interface WalIdentity {
  readonly nodeId: NodeId;
  readonly clusterId: bigint;
}

export function encodeWalMetadata(identity: WalIdentity): Uint8Array {
  const writer = new Writer(24);
  writer.idField(0x08, identity.nodeId);
  writer.idField(0x10, nodeIdFromBigint(identity.clusterId));
  return writer.finish();
}

/** Null for empty metadata, which easyraft writes. Throws DecodeError for bytes of another kind. */
export function decodeWalMetadata(bytes: Uint8Array): WalIdentity | null {
  if (bytes.length === 0) return null;
  const reader = new Reader(bytes);
  let nodeId: NodeId = 0;
  let clusterId: NodeId = 0;
  while (!reader.done) {
    const tag = reader.varint('WAL metadata tag');
    if (tag === 0x08) nodeId = reader.nodeId();
    else if (tag === 0x10) clusterId = reader.nodeId();
    else reader.skip(tag);
  }
  return { nodeId, clusterId: nodeIdToBigint(clusterId) };
}

/** Throws IdentityError when the metadata names another node or cluster; empty metadata fits everyone. */
export function checkWalIdentity(directory: string, metadata: Uint8Array, expected: WalIdentity): void {
  let found: WalIdentity | null;
  try {
    found = decodeWalMetadata(metadata);
  } catch (error) {
    throw new IdentityError(
      `waldir ${directory}: its metadata is not {node id, cluster id}: ${(error as Error).message}`,
    );
  }
  if (found === null) return;
  if (found.nodeId !== expected.nodeId) {
    throw new IdentityError(
      `waldir ${directory} belongs to node ${nodeIdToBigint(found.nodeId)}, ` +
        `the configuration says id ${nodeIdToBigint(expected.nodeId)}`,
    );
  }
  if (found.clusterId !== expected.clusterId) {
    throw new IdentityError(
      `waldir ${directory} belongs to cluster ${found.clusterId}, ` +
        `the configuration says cluster_id ${expected.clusterId}`,
    );
  }
}
