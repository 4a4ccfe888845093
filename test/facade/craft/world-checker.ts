/** What holds in a cluster whatever happens; each method throws where it does not. */
import { Kind, type Entry } from './program-log.ts';
import type { ProgramLog } from './program-log.ts';

export function need(holds: boolean, text: () => string): void {
  if (!holds) throw new Error(text());
}

interface Seen {
  readonly text: string;
  readonly kind: number;
  readonly termBefore: number;
}

interface Committed {
  readonly term: number;
  readonly text: string;
  readonly state: number;
  /** Term of the first server that knew it to be committed. */
  readonly inTerm: number;
}

export function nextState(state: number, { kind, text }: Entry): number {
  let hash = Math.imul(state ^ kind, 0x9e37_79b1);
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
  return hash >>> 0;
}

export class WorldChecker {
  private readonly leaders = new Map<number, number>();
  private readonly hardStates = new Map<number, { term: number; vote: number }>();
  /** By index and term: every entry that any server has ever had. */
  private readonly seen = new Map<string, Seen>();
  readonly committed: Committed[] = [];
  private readonly applied = new Map<string, number>();

  get leaderCount(): number {
    return this.leaders.size;
  }

  hardState(id: number, term: number, vote: number): void {
    const before = this.hardStates.get(id);
    if (before !== undefined) {
      need(term >= before.term, () => `server ${id} goes back from term ${before.term} to ${term}`);
      need(
        term > before.term || before.vote === 0 || vote === before.vote,
        () => `server ${id} votes for ${before.vote} and for ${vote} in term ${term}`,
      );
    }
    this.hardStates.set(id, { term, vote });
  }

  appended(index: number, { term, text, kind }: Entry, termBefore: number): void {
    const key = `${index} ${term}`;
    const before = this.seen.get(key);
    if (before === undefined) {
      this.seen.set(key, { text, kind, termBefore });
      return;
    }
    need(
      before.text === text && before.kind === kind && (termBefore < 0 || before.termBefore === termBefore),
      () =>
        `entry ${index} of term ${term} is '${text}' behind ${termBefore}, and was ${JSON.stringify(before)}`,
    );
  }

  leads(id: number, term: number, log: ProgramLog): void {
    const other = this.leaders.get(term) ?? id;
    need(other === id, () => `servers ${other} and ${id} lead in term ${term}`);
    this.leaders.set(term, id);
    for (let index = log.first; index <= this.committed.length; index++) {
      const known = this.committed[index - 1]!;
      if (known.inTerm >= term) continue;
      need(
        log.has(index) && log.at(index).term === known.term,
        () => `leader ${id} of term ${term} lacks entry ${index}, committed in term ${known.inTerm}`,
      );
    }
  }

  /** True for the first server that applies it. */
  applies(id: number, index: number, entry: Entry, state: number, inTerm: number): boolean {
    const known = this.committed[index - 1];
    if (known !== undefined) {
      need(
        known.term === entry.term && known.text === entry.text && known.state === state,
        () => `server ${id} applies '${entry.text}' at ${index}, others '${known.text}'`,
      );
      return false;
    }
    need(index === this.committed.length + 1, () => `server ${id} applies ${index} before what is before it`);
    if (entry.kind === Kind.command) {
      const twice = this.applied.get(entry.text);
      need(twice === undefined, () => `'${entry.text}' is committed at ${twice} and at ${index}`);
      this.applied.set(entry.text, index);
    }
    this.committed.push({ term: entry.term, text: entry.text, state, inTerm });
    return true;
  }
}
