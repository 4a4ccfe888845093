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
  const { ids, roles } = members;
  return {
    voters: ids.filter((_, i) => roles[i] === Role.voter),
    // Spares, too, so that they can be brought up to date; the machine keeps back what goes to them otherwise.
    learners: ids.filter((_, i) => roles[i] !== Role.voter),
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
    const { length } = this.list;
    // An index of -1 would be looked up by its name.
    return length === 0 ? NO_MEMBERS : this.list[length - 1]!;
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
    this.list = members.ids.length > 0 ? [members] : [];
  }

  /** Forgets what is older than the newest configuration at or below `committed`. */
  settle(committed: number): void {
    while (this.list.length > 1 && this.list[1]!.index <= committed) this.list.shift();
  }

  /** Whether a member of the one that counts takes no part. */
  get hasSpares(): boolean {
    return this.effective.roles.includes(Role.spare);
  }
}

/** The newest of `first` and `changes` at or below `index`; ascending. */
export function committedAt(index: number, first: Members, changes: readonly Members[]): Members {
  let found = first;
  for (const members of changes) if (members.index <= index && members.index > first.index) found = members;
  return found;
}
