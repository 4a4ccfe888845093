import type { NodeId } from '../core/node-id.ts';
import { encodeMembers } from '../storage/members-file.ts';
import type { MembersFile } from '../storage/types.ts';
import { LEARNED_PEERS } from './limits.ts';
import { Membership } from './membership.ts';

/** The current membership and its file. Writes of the file never overlap; the newest index wins. */
export class MembershipStore {
  private membership: Membership;
  private readonly save: (members: MembersFile) => Promise<void>;
  private last: Promise<void> = Promise.resolve();
  private text: string | null = null;
  /** URLs that peers told of themselves and no entry gave: those of members, and of strangers that may become some. */
  private readonly told = new Map<NodeId, readonly string[]>();

  constructor(membership: Membership, save: (members: MembersFile) => Promise<void>) {
    this.membership = membership;
    this.save = save;
  }

  get current(): Membership {
    return this.membership;
  }

  /** The membership as it travels with snapshots. */
  get encoded(): string {
    this.text ??= encodeMembers(this.membership.toFile());
    return this.text;
  }

  /** Resolves once `next` (or something newer) is durable and current. */
  replace(next: Membership): Promise<void> {
    const work = this.last.then(async () => {
      if (next.index <= this.membership.index) return;
      const complete = this.completed(next);
      await this.save(complete.toFile());
      // A peer may have told its URL meanwhile.
      this.membership = this.completed(complete);
      this.text = null;
    });
    this.last = work.catch(() => undefined);
    return work;
  }

  /** Entries of another engine, or a snapshot without a member list, leave members without URLs. */
  private completed(next: Membership): Membership {
    let complete = next;
    for (const [id, urls] of this.told) {
      if (next.members.get(id)?.urls.length === 0) complete = complete.withUrls(id, urls);
    }
    return complete;
  }

  /**
   * URLs that a peer told of itself; whoever has none from an entry keeps them, also when it becomes a member later.
   * False when there is no room for another stranger. Saved when that can be: a peer that comes back tells them again.
   */
  learnUrls(id: NodeId, urls: readonly string[]): boolean {
    const isMember = this.membership.members.has(id);
    if (!isMember && !this.told.has(id) && this.told.size >= LEARNED_PEERS) return false;
    this.told.set(id, [...urls]);
    if (!isMember) return true;
    this.membership = this.completed(this.membership);
    this.text = null;
    this.last = this.last.then(() => this.save(this.membership.toFile())).catch(() => undefined);
    return true;
  }
}
