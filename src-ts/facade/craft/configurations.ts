import type { ConfState } from '../../core/types.ts';
import { Role } from './layout.ts';

/** A configuration as the program gives it; ids are handles of the native half. */
export interface Members {
  /** The entry that it comes from. */
  readonly index: number;
  readonly ids: readonly number[];
  readonly roles: readonly number[];
}

export const NO_MEMBERS: Members = { index: 0, ids: [], roles: [] };

export function roleOf({ ids, roles }: Members, id: number): number {
  const at = ids.indexOf(id);
  return at < 0 ? -1 : roles[at]!;
}

export function confStateOf(members: Members): ConfState {
  const withRole = (role: number): number[] => members.ids.filter((_, i) => members.roles[i] === role);
  // Spares take no part, so the core does not know of them.
  return {
    voters: withRole(Role.voter),
    learners: withRole(Role.standby),
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  };
}

/** Voters that only one of both has. */
export function votersChanged(a: Members, b: Members): number {
  const voters = (members: Members): readonly number[] => confStateOf(members).voters;
  const [ofA, ofB] = [voters(a), voters(b)];
  return ofA.filter((id) => !ofB.includes(id)).length + ofB.filter((id) => !ofA.includes(id)).length;
}

/** The configurations that stand in the log, by index; the first is the one that is known to be committed. */
export class Configurations {
  private list: Members[] = [];

  /** The one that counts: that of the last entry. */
  get effective(): Members {
    return this.list[this.list.length - 1] ?? NO_MEMBERS;
  }

  isChange(index: number): boolean {
    return this.list.some((members) => members.index === index);
  }

  /** Configurations in (after, through], ascending. */
  between(after: number, through: number): readonly Members[] {
    return this.list.filter(({ index }) => index > after && index <= through);
  }

  /** An entry was appended, and with it all behind it replaced. */
  append(members: Members): void {
    this.truncate(members.index);
    this.list.push(members);
  }

  truncate(from: number): void {
    while (this.list.length > 0 && this.effective.index >= from) this.list.pop();
  }

  /** Entries from `first` on were replaced, and `fresh` came with the new ones. */
  cutFrom(first: number, fresh: readonly Members[]): void {
    if (this.effective.index < first) return;
    this.list = this.list.filter((members) => members.index < first || fresh.includes(members));
  }

  /** A snapshot, or what is stored, begins with this one. */
  restart(members: Members): void {
    this.list = [members];
  }

  /** Forgets what is older than the newest configuration at or below `committed`. */
  settle(committed: number): void {
    while (this.list.length > 1 && this.list[1]!.index <= committed) this.list.shift();
  }

  /** The newest at or below `committed`. */
  committedAt(committed: number): Members {
    let found = this.list[0] ?? NO_MEMBERS;
    for (const members of this.list) if (members.index <= committed) found = members;
    return found;
  }
}
