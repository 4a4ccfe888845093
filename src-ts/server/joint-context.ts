/**
 * The context of a change of several members: a number that tells it from others, and the URLs of those that come. A
 * change of one member has its URL alone, as etcd's servers write it.
 */
import * as z from 'zod';
import { nodeIdToBigint, type NodeId } from '../core/node-id.ts';

const JointContext = z.object({
  polyraft: z.literal(1),
  number: z.int().nonnegative(),
  /** By id in decimal. */
  urls: z.record(z.string(), z.string()),
});

export interface JointNotes {
  readonly number: number;
  url(id: NodeId): string;
}

export function encodeJointContext(number: number, urls: ReadonlyMap<NodeId, string>): Uint8Array {
  const byId = Object.fromEntries([...urls].map(([id, url]) => [nodeIdToBigint(id).toString(), url]));
  return new TextEncoder().encode(JSON.stringify({ polyraft: 1, number, urls: byId }));
}

/** Null for a context that is not ours. */
export function decodeJointContext(context: Uint8Array | null): JointNotes | null {
  if (context === null || context[0] !== 0x7b) return null;
  let parsed: z.infer<typeof JointContext>;
  try {
    parsed = JointContext.parse(JSON.parse(new TextDecoder().decode(context)));
  } catch {
    return null;
  }
  return { number: parsed.number, url: (id) => parsed.urls[nodeIdToBigint(id).toString()] ?? '' };
}
