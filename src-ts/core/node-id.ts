/**
 * Node ids are unsigned 64-bit integers on the wire and in every API. Inside, a node id is a plain number, so that
 * maps and comparisons stay fast: ids below 2^53 stand for themselves; larger ids get a handle (an even number from
 * 2^53 up, in order of first sight) from a process-wide table.
 */
export type NodeId = number;

/** No node (etcd's `None`). */
export const NONE: NodeId = 0;
/** Target of storage-append messages under asynchronous storage writes. Never a real node. */
export const LOCAL_APPEND_THREAD: NodeId = -1;
/** Target of storage-apply messages under asynchronous storage writes. Never a real node. */
export const LOCAL_APPLY_THREAD: NodeId = -2;
/** Any id that somebody sent and that nothing else in this process has named. Never a real node. */
export const UNKNOWN_NODE: NodeId = -3;

/** Ids above 2^53-1 that peers may add to the table with what is not in a log yet: far above what clusters need. */
const TOLD_MAX = 65_536;

const LARGEST_PLAIN = BigInt(Number.MAX_SAFE_INTEGER);
const FIRST_HANDLE = Number.MAX_SAFE_INTEGER + 1;
const handles = new Map<bigint, NodeId>();
const large: bigint[] = [];

/**
 * Interns an unsigned 64-bit id. The table grows by ids above 2^53-1, and never shrinks: this is for configurations,
 * files and committed entries. What a peer sent goes through `knownNodeId` or `toldNodeId`.
 */
export function nodeIdFromBigint(value: bigint): NodeId {
  if (value < 0n || value > 0xffff_ffff_ffff_ffffn)
    throw new RangeError(`node id ${value} is not an unsigned 64-bit integer`);
  if (value <= LARGEST_PLAIN) return Number(value);
  let handle = handles.get(value);
  if (handle === undefined) {
    handle = FIRST_HANDLE + 2 * large.length;
    large.push(value);
    handles.set(value, handle);
  }
  return handle;
}

/** UNKNOWN_NODE when the id would have to be interned. */
export function knownNodeId(value: bigint): NodeId {
  return value <= LARGEST_PLAIN ? Number(value) : (handles.get(value) ?? UNKNOWN_NODE);
}

let told = 0;

/** For ids that a peer tells of others: interns so many a process; UNKNOWN_NODE beyond. */
export function toldNodeId(value: bigint): NodeId {
  const known = knownNodeId(value);
  if (known !== UNKNOWN_NODE || told >= TOLD_MAX) return known;
  told++;
  return nodeIdFromBigint(value);
}

/** Ids in the table, for tests. */
export function internedNodeIds(): number {
  return large.length;
}

export function nodeIdToBigint(id: NodeId): bigint {
  if (id < FIRST_HANDLE) {
    if (id < 0) throw new RangeError(`${id} stands for no single node`);
    return BigInt(id);
  }
  const value = large[(id - FIRST_HANDLE) / 2];
  if (value === undefined) throw new RangeError(`node id handle ${id} was never interned`);
  return value;
}

/** Unpadded lower-case hexadecimal, as rafthttp writes ids in paths and headers and etcd in its logs. */
export function nodeIdToHex(id: NodeId): string {
  return id < FIRST_HANDLE ? id.toString(16) : nodeIdToBigint(id).toString(16);
}
