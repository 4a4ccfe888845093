import { encodeMembers } from '../storage/members-file.ts';
import type { MembersFile } from '../storage/types.ts';
import { Membership } from './membership.ts';

/** The current membership and its file. Writes of the file never overlap; the newest index wins. */
export class MembershipStore {
  private membership: Membership;
  private readonly save: (members: MembersFile) => Promise<void>;
  private last: Promise<void> = Promise.resolve();
  private text: string | null = null;

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
      await this.save(next.toFile());
      this.membership = next;
      this.text = null;
    });
    this.last = work.catch(() => undefined);
    return work;
  }

  /** URLs that a peer told, for members whose URLs no entry gave. Kept in memory: the peer tells them again. */
  learnUrls(next: Membership): void {
    if (next.index === this.membership.index) this.membership = next;
    this.text = null;
  }
}
