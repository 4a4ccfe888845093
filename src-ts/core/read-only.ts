import type { NodeId } from './node-id.ts';
import { jointCommittedIndex, type JointVoters } from './quorum/joint.ts';
import type { Message } from './types.ts';

/** Read requests kept while they wait for confirmation, or for a leader's first commit; more are dropped. */
export const MAX_WAITING_READS = 65_536;

interface ReadRequest {
  readonly request: Message;
  readonly index: number;
}

/** Positions travel in heartbeats as 8 bytes, little-endian. */
function encodePosition(position: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, position >>> 0, true);
  view.setUint32(4, Math.floor(position / 0x1_0000_0000), true);
  return bytes;
}

function decodePosition(bytes: Uint8Array): number {
  if (bytes.length !== 8) return 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  return view.getUint32(0, true) + view.getUint32(4, true) * 0x1_0000_0000;
}

/**
 * Read requests that wait for a quorum to confirm this leader, in order of arrival: request k of a term has position k,
 * a heartbeat carries the position of the newest request, and its answer confirms all up to there. Thesis, 6.4.
 */
export class ReadOnly {
  private readonly acked = new Map<NodeId, number>();
  private unconfirmed: ReadRequest[] = [];
  private confirmed = 0;
  private readonly ackedBy = (id: NodeId): number | undefined => this.acked.get(id);

  /** False when too many wait already. */
  addRequest(index: number, request: Message): boolean {
    if (this.unconfirmed.length >= MAX_WAITING_READS) return false;
    this.unconfirmed.push({ request, index });
    return true;
  }

  acknowledge(from: NodeId, context: Uint8Array | null): void {
    if (context === null || context.length === 0) return;
    this.acked.set(from, Math.max(this.acked.get(from) ?? 0, decodePosition(context)));
  }

  /** Takes out the requests that a quorum has confirmed. */
  advance(voters: JointVoters): readonly ReadRequest[] {
    const confirmed = jointCommittedIndex(voters, this.ackedBy);
    if (confirmed <= this.confirmed) return [];
    const ready = this.unconfirmed.slice(0, confirmed - this.confirmed);
    this.unconfirmed = this.unconfirmed.slice(ready.length);
    this.confirmed += ready.length;
    return ready;
  }

  heartbeatContext(): Uint8Array | null {
    if (this.unconfirmed.length === 0) return null;
    return encodePosition(this.confirmed + this.unconfirmed.length);
  }
}
