/** What the peers tell of themselves, asked for at most about once a second, and only while somebody wants to know. */
import * as z from 'zod';
import { nodeIdFromBigint } from '../core/node-id.ts';
import type { Clock, RaftServer } from '../server/api.ts';
import type { NodeView } from '../server/node-view.ts';

/** Peers are not asked again before that. */
const FRESH_MS = 700;
/** How long an answer may keep those waiting who ask. */
const PATIENCE_MS = 300;

const index = z.number().int().nonnegative();
const id = z.string().regex(/^\d{1,20}$/);
const viewSchema: z.ZodType<NodeView> = z.object({
  id,
  role: z.enum(['follower', 'candidate', 'leader', 'pre-candidate', 'removed', 'failed']),
  learner: z.boolean(),
  term: index,
  leader: id,
  commit_index: index,
  applied_index: index,
  first_index: index,
  last_index: index,
  snapshot_index: index,
  log_bytes: z.number().nonnegative(),
  version: z.string().max(100),
  runtime: z.string().max(100),
  failure: z.string().max(10_000).nullable(),
  progress: z.array(z.object({ id, match_index: index, state: z.string().max(20) })).max(1000),
});

export interface PeerView {
  readonly view: NodeView;
  readonly atMs: number;
}

export class PeerViews {
  private readonly server: RaftServer;
  private readonly clock: Clock;
  private readonly known = new Map<bigint, PeerView>();
  /** Peers that have not answered the last time: nobody waits for them. */
  private readonly silent = new Set<bigint>();
  private readonly asked = new Map<bigint, Promise<void>>();
  private askedAtMs = Number.NEGATIVE_INFINITY;

  constructor(server: RaftServer, clock: Clock) {
    this.server = server;
    this.clock = clock;
  }

  /** Asks those peers, unless that was done a moment ago; resolves soon, with what is known then. */
  async of(peers: readonly bigint[]): Promise<ReadonlyMap<bigint, PeerView>> {
    const now = this.clock.now();
    for (const peer of this.known.keys()) if (!peers.includes(peer)) this.known.delete(peer);
    if (now - this.askedAtMs >= FRESH_MS) {
      this.askedAtMs = now;
      for (const peer of peers) if (!this.asked.has(peer)) this.asked.set(peer, this.ask(peer));
    }
    const waits = peers.filter((peer) => !this.silent.has(peer)).map((peer) => this.asked.get(peer));
    await this.patiently(Promise.all(waits));
    return this.known;
  }

  private async ask(peer: bigint): Promise<void> {
    try {
      const text = await this.server.askView(nodeIdFromBigint(peer));
      const view = viewSchema.parse(JSON.parse(text));
      if (view.id !== peer.toString()) throw new RangeError('another node answers');
      this.known.set(peer, { view, atMs: this.clock.now() });
      this.silent.delete(peer);
    } catch {
      this.silent.add(peer);
    } finally {
      this.asked.delete(peer);
    }
  }

  private patiently(work: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.clock.setTimer(PATIENCE_MS, resolve);
      void work.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }
}
