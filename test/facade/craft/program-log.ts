/** What a program that uses raft_step keeps: entries, and a snapshot in the place of the first of them. */
import type { Members } from '../../../src-ts/facade/craft/configurations.ts';

export const Kind = { command: 1, barrier: 2, change: 3 } as const;

export interface Entry {
  readonly term: number;
  readonly kind: number;
  /** What the entry says; stands for its bytes. */
  readonly text: string;
  /** Of a change: ids and roles; its index is where the entry stands. */
  readonly members: Members | null;
}

export interface StoredSnapshot {
  readonly index: number;
  readonly term: number;
  /** As of `index`; their own index is the entry's that brought them. */
  readonly members: Members;
  /** The state of the state machine. */
  readonly state: readonly string[];
}

export class ProgramLog {
  first = 1;
  entries: Entry[] = [];
  private termBefore = 0;
  snapshot: StoredSnapshot | null = null;

  get last(): number {
    return this.first + this.entries.length - 1;
  }

  has(index: number): boolean {
    return index >= this.first && index <= this.last;
  }

  at(index: number): Entry {
    const entry = this.entries[index - this.first];
    if (entry === undefined) throw new Error(`there is no entry ${index} in [${this.first}, ${this.last}]`);
    return entry;
  }

  /** -1 where it is not known. */
  termOf(index: number): number {
    if (index === this.first - 1) return this.termBefore;
    return this.has(index) ? this.at(index).term : -1;
  }

  truncate(from: number): void {
    this.entries.length = Math.min(this.entries.length, Math.max(0, from - this.first));
  }

  append(first: number, entries: readonly Entry[]): void {
    if (first < this.first || first > this.last + 1) throw new Error(`entries from ${first} on leave a gap`);
    this.truncate(first);
    this.entries.push(...entries);
  }

  install(snapshot: StoredSnapshot): void {
    this.snapshot = snapshot;
    this.first = snapshot.index + 1;
    this.termBefore = snapshot.term;
    this.entries = [];
  }

  /** The program's own snapshot, behind which `trailing` entries stay. */
  compact(snapshot: StoredSnapshot, trailing: number): void {
    this.snapshot = snapshot;
    const drop = snapshot.index - trailing - this.first + 1;
    if (drop <= 0) return;
    this.termBefore = this.entries[drop - 1]!.term;
    this.entries.splice(0, drop);
    this.first += drop;
  }

  copy(): ProgramLog {
    const copy = new ProgramLog();
    copy.first = this.first;
    copy.entries = [...this.entries];
    copy.termBefore = this.termBefore;
    copy.snapshot = this.snapshot;
    return copy;
  }

  /** The members in force after `index`: of the newest change there, or of the snapshot. */
  membersAt(index: number): Members | null {
    for (let at = Math.min(index, this.last); at >= this.first; at--) {
      const { members } = this.at(at);
      if (members !== null) return { ...members, index: at };
    }
    return this.snapshot?.members ?? null;
  }
}
