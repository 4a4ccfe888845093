/** The part of raft_step's native half, and of a program that uses it: events in, updates out, a disk that takes time. */
import { create, type Handle } from '../../../src-ts/facade/craft.ts';
import type { Members } from '../../../src-ts/facade/craft/configurations.ts';
import { Event, Flag, In, MESSAGE_WORDS, MessageCode, Out } from '../../../src-ts/facade/craft/layout.ts';
import { Kind, ProgramLog, type Entry, type StoredSnapshot } from './program-log.ts';

/** A message with what the sender's program adds to it. */
export interface Packet {
  readonly from: number;
  readonly to: number;
  readonly type: number;
  readonly term: number;
  /** The four words that depend on the type, as craft/layout.ts has them. */
  readonly words: readonly number[];
  readonly entries: readonly Entry[];
  readonly snapshot: StoredSnapshot | null;
}

export interface Write {
  readonly first: number;
  readonly entries: readonly Entry[];
  readonly snapshot: StoredSnapshot | null;
  /** Up to where its end is told: not beyond what has been replaced since. */
  told: number;
}

export interface Disk {
  term: number;
  vote: number;
  log: ProgramLog;
}

export interface Known {
  term: number;
  vote: number;
  state: number;
  commit: number;
  timeout: number;
  lastIndex: number;
  lead: number;
  transferee: number;
}

/** What a step told; `flags` 0 and a code when it was refused. */
export interface Update {
  readonly code: number;
  readonly error: string;
  readonly flags: number;
  readonly messages: readonly Packet[];
}

interface Given {
  readonly first: number;
  readonly entries: readonly Entry[];
}

const NOTHING: Given = { first: 0, entries: [] };
const NO_PACKETS: readonly Packet[] = [];

export class Program {
  readonly id: number;
  readonly disk: Disk;
  private readonly handle: Handle;
  private words: Float64Array;
  /** The log as the engine has it; what is not on the disk yet stands in `writes`. */
  readonly log: ProgramLog;
  writes: Write[] = [];
  readonly known: Known = {
    term: 0,
    vote: 0,
    state: 0,
    commit: 0,
    timeout: 0,
    lastIndex: 0,
    lead: 0,
    transferee: 0,
  };
  /** At the leader: by id, what each member has and how its catch-up stands. */
  progress = new Map<number, { match: number; catchUp: number }>();
  /** The configuration that counts, as told. */
  members: Members = { index: 0, ids: [], roles: [] };
  now = 0;
  private arriving: StoredSnapshot | null = null;

  constructor(id: number, disk: Disk, seed = id) {
    this.id = id;
    this.disk = disk;
    this.log = disk.log.copy();
    const buffer = new ArrayBuffer(64 * 8);
    this.words = new Float64Array(buffer);
    this.handle = create(buffer, id, seed);
  }

  get isLeader(): boolean {
    return this.known.state === 3;
  }

  roleOf(id: number): number {
    return this.members.roles[this.members.ids.indexOf(id)] ?? -1;
  }

  // ---- events

  settings(
    options: { preVote?: boolean; maxInflight?: number; seed?: number; electionMs?: number } = {},
  ): void {
    const { preVote = false, maxInflight = 32, seed = this.id, electionMs = 1000 } = options;
    this.put(Event.settings, [electionMs, 100, 30_000, preVote ? 1 : 0, 10, 5000, maxInflight, seed]);
    const answer = this.handle.step();
    if (answer !== undefined) throw new Error(String(answer));
  }

  start(now: number): Update {
    this.now = now;
    const { disk, log } = this;
    const { snapshot } = log;
    const changes = snapshot === null ? [] : [snapshot.members];
    changes.push(...changesOf(log.first, log.entries));
    const first = log.entries.length > 0 ? log.first : (snapshot?.index ?? 0) + 1;
    const words = [disk.term, disk.vote, snapshot?.index ?? 0, snapshot?.term ?? 0, first];
    return this.step(Event.start, words, runsOf(log.entries), changes, NOTHING);
  }

  receive(packet: Packet): Update {
    const { from, type, term, words, entries, snapshot } = packet;
    const head = [from, type, term, ...words];
    if (type === MessageCode.installSnapshot) {
      this.arriving = snapshot;
      return this.step(Event.receive, head, [], [snapshot!.members], NOTHING);
    }
    if (type !== MessageCode.appendEntries) return this.step(Event.receive, head, [], [], NOTHING);
    const first = words[0]! + 1;
    return this.step(Event.receive, head, runsOf(entries), changesOf(first, entries), { first, entries });
  }

  submit(entries: readonly Entry[]): Update {
    const runs = [0, entries.length];
    const first = this.known.lastIndex + 1;
    return this.step(Event.submit, [], runs, changesOf(0, entries), { first, entries });
  }

  command(...texts: string[]): Update {
    return this.submit(texts.map((text) => ({ term: 0, kind: Kind.command, text, members: null })));
  }

  change(roles: Readonly<Record<number, number>>): Update {
    const ids = Object.keys(roles).map(Number);
    const members = { index: 0, ids, roles: ids.map((id) => roles[id]!) };
    return this.submit([{ term: 0, kind: Kind.change, text: `change ${JSON.stringify(roles)}`, members }]);
  }

  timeout(): Update {
    return this.step(Event.timeout, [], [], [], NOTHING);
  }

  persistedEntries(index: number): Update {
    return this.step(Event.persistedEntries, [index], [], [], NOTHING);
  }

  persistedSnapshot(index: number): Update {
    return this.step(Event.persistedSnapshot, [index], [], [], NOTHING);
  }

  configuration(index: number): Update {
    return this.step(Event.configuration, [index], [], [], NOTHING);
  }

  /** The program has a snapshot; the log is compacted if the engine takes it. */
  snapshotTaken(snapshot: StoredSnapshot, trailing: number): Update {
    const { index, term, members } = snapshot;
    const update = this.step(Event.snapshot, [index, term, trailing], [], [members], NOTHING);
    if (update.code !== 0) return update;
    this.log.compact(snapshot, trailing);
    this.disk.log.compact(snapshot, trailing);
    return update;
  }

  catchUp(id: number): Update {
    return this.step(Event.catchUp, [id], [], [], NOTHING);
  }

  transfer(id: number): Update {
    return this.step(Event.transfer, [id], [], [], NOTHING);
  }

  /** The oldest write ends; null when there is none. What follows from it must be looked at, as of any event. */
  completeWrite(): Update | null {
    const write = this.writes.shift();
    if (write === undefined) return null;
    this.putOnDisk(write);
    if (write.snapshot !== null) return this.persistedSnapshot(write.snapshot.index);
    return write.told >= write.first ? this.persistedEntries(write.told) : this.nothing();
  }

  putOnDisk(write: Write): void {
    if (write.snapshot !== null) this.disk.log.install(write.snapshot);
    else this.disk.log.append(write.first, write.entries);
  }

  private nothing(): Update {
    return { code: 0, error: '', flags: 0, messages: NO_PACKETS };
  }

  // ---- the step

  private reserve(count: number): void {
    if (count <= this.words.length) return;
    const buffer = new ArrayBuffer(count * 2 * 8);
    new Float64Array(buffer).set(this.words);
    this.words = new Float64Array(buffer);
    this.handle.attach(buffer);
  }

  private put(
    event: number,
    args: readonly number[],
    runs: readonly number[] = [],
    changes: readonly Members[] = [],
  ): void {
    this.reserve(In.lists + runs.length + changes.reduce((sum, { ids }) => sum + 2 + 2 * ids.length, 0));
    const { words } = this;
    words[In.event] = event;
    words[In.time] = this.now;
    args.forEach((value, i) => (words[In.arguments + i] = value));
    words[In.runs] = runs.length / 2;
    words[In.changes] = changes.length;
    let at: number = In.lists;
    for (const value of runs) words[at++] = value;
    for (const { index, ids, roles } of changes) {
      words[at++] = index;
      words[at++] = ids.length;
      ids.forEach((id, i) => {
        words[at++] = id;
        words[at++] = roles[i]!;
      });
    }
  }

  private step(
    event: number,
    args: readonly number[],
    runs: readonly number[],
    changes: readonly Members[],
    given: Given,
  ): Update {
    this.put(event, args, runs, changes);
    const answer = this.handle.step();
    if (typeof answer === 'string') {
      const at = answer.indexOf(' ');
      return { ...this.nothing(), code: Number(answer.slice(0, at)), error: answer.slice(at + 1) };
    }
    if (answer !== undefined) {
      this.reserve(answer);
      this.handle.answer();
    }
    return this.take(given);
  }

  private take(given: Given): Update {
    const { words, known, disk } = this;
    const flags = words[Out.flags]!;
    known.term = words[Out.term]!;
    known.vote = words[Out.vote]!;
    known.state = words[Out.state]!;
    known.commit = words[Out.commit]!;
    known.timeout = words[Out.timeout]!;
    known.lastIndex = words[Out.lastIndex]!;
    known.lead = words[Out.lead]!;
    known.transferee = words[Out.transferee]!;
    const barrierTerm = words[Out.barrierTerm]!;
    const messagesCount = words[Out.messages]!;
    const membersAt = Out.lists + messagesCount * MESSAGE_WORDS;
    this.takeMembers(membersAt);
    // The order that the header asks for: term and vote, entries, snapshot, messages.
    if ((flags & (Flag.currentTerm | Flag.votedFor)) !== 0) {
      disk.term = known.term;
      disk.vote = known.vote;
    }
    if ((flags & Flag.entries) !== 0) this.takeEntries(given, barrierTerm);
    if ((flags & Flag.snapshot) !== 0) this.takeSnapshot();
    const messages: Packet[] = [];
    for (let i = 0; i < messagesCount; i++) messages.push(this.takeMessage(Out.lists + i * MESSAGE_WORDS));
    return { code: 0, error: '', flags, messages };
  }

  private takeMembers(at: number): void {
    const { words } = this;
    this.progress = new Map();
    for (let i = words[Out.members]!; i > 0; i--, at += 3) {
      this.progress.set(words[at]!, { match: words[at + 1]!, catchUp: words[at + 2]! });
    }
    const count = words[Out.configuration]!;
    if (count < 0) return;
    const [ids, roles]: [number[], number[]] = [[], []];
    for (let i = 0; i < count; i++, at += 2) {
      ids.push(words[at]!);
      roles.push(words[at + 1]!);
    }
    this.members = { index: 0, ids, roles };
  }

  private takeEntries(given: Given, barrierTerm: number): void {
    const { words, log, writes } = this;
    const first = words[Out.entriesFirst]!;
    const entries: Entry[] = [];
    for (let i = 0; i < words[Out.entriesCount]!; i++) {
      const source = given.entries[first + i - given.first];
      if (source === undefined)
        entries.push({ term: barrierTerm, kind: Kind.barrier, text: '', members: null });
      else entries.push(source.term === 0 ? { ...source, term: this.known.term } : source);
    }
    for (const write of writes) write.told = Math.min(write.told, first - 1);
    log.append(first, entries);
    writes.push({ first, entries, snapshot: null, told: log.last });
  }

  private takeSnapshot(): void {
    const snapshot = this.arriving;
    if (snapshot === null) throw new Error('a snapshot is to be stored that did not come');
    for (const write of this.writes) write.told = 0;
    this.log.install(snapshot);
    this.writes.push({ first: snapshot.index + 1, entries: [], snapshot, told: 0 });
  }

  private takeMessage(at: number): Packet {
    const { words, log } = this;
    const type = words[at]!;
    const rest = [...words.subarray(at + 3, at + 7)];
    const entries: Entry[] = [];
    if (type === MessageCode.appendEntries) {
      for (let i = 1; i <= rest[3]!; i++) entries.push(log.at(rest[0]! + i));
    }
    const snapshot = type === MessageCode.installSnapshot ? this.disk.log.snapshot : null;
    return { from: this.id, to: words[at + 1]!, type, term: words[at + 2]!, words: rest, entries, snapshot };
  }
}

/** Pairs (term, count). */
function runsOf(entries: readonly Entry[]): number[] {
  const runs: number[] = [];
  for (const { term } of entries) {
    if (runs[runs.length - 2] === term) runs[runs.length - 1]!++;
    else runs.push(term, 1);
  }
  return runs;
}

function changesOf(first: number, entries: readonly Entry[]): Members[] {
  return entries.flatMap(({ members }, i) => (members === null ? [] : [{ ...members, index: first + i }]));
}

export function bootstrap(voters: readonly number[], roles: readonly number[] = voters.map(() => 1)): Disk {
  const log = new ProgramLog();
  const members = { index: 1, ids: voters, roles };
  log.append(1, [{ term: 1, kind: Kind.change, text: 'first', members }]);
  return { term: 1, vote: 0, log };
}

export function emptyDisk(): Disk {
  return { term: 0, vote: 0, log: new ProgramLog() };
}
