/** One server of the world: does what its updates say, in their order, and is looked at all the while. */
import { Flag, MessageCode, Role } from '../../../src-ts/facade/craft/layout.ts';
import { Kind, type StoredSnapshot } from './program-log.ts';
import { Program, type Disk, type Known, type Packet, type Update } from './program.ts';
import { need, nextState } from './world-checker.ts';
import type { World } from './world.ts';

export class WorldServer {
  readonly id: number;
  private readonly world: World;
  private readonly disk: Disk;
  program: Program | null = null;
  private life = 0;
  private state = 0;
  private applied = 0;
  private timerAt = Infinity;
  /** The snapshot that is being taken. */
  private taking: StoredSnapshot | null = null;
  private standing = 0;
  private error = '';

  constructor(id: number, world: World, disk: Disk) {
    this.id = id;
    this.world = world;
    this.disk = disk;
  }

  get appliedIndex(): number {
    return this.applied;
  }

  get isLeader(): boolean {
    return this.program?.isLeader ?? false;
  }

  onDisk(index: number): number {
    const { log } = this.disk;
    return log.snapshot !== null && index <= log.snapshot.index ? Infinity : log.termOf(index);
  }

  start(): void {
    const { world, id } = this;
    const program = new Program(id, this.disk);
    this.program = program;
    this.life++;
    this.timerAt = Infinity;
    this.taking = null;
    const { snapshot } = program.log;
    this.applied = snapshot?.index ?? 0;
    this.state = Number(snapshot?.state[0] ?? 0);
    const { preVote, maxInflight } = world.weather;
    program.settings({ preVote, maxInflight, seed: world.random.next() });
    for (let index = program.log.first; index <= program.log.last; index++) {
      world.checker.appended(index, program.log.at(index), program.log.termOf(index - 1));
    }
    const { term, vote } = this.disk;
    this.do('start', (now) => program.start(now), { ...program.known, term, vote });
  }

  /** What is not on the disk is lost; of the writes under way some may be there, the last in part. */
  crash(): void {
    const { program, world } = this;
    if (program === null) return;
    world.outcome.crashes++;
    const { random } = world;
    while (program.writes.length > 0 && random.chance(0.4)) program.putOnDisk(program.writes.shift()!);
    const [next] = program.writes;
    if (next !== undefined && next.snapshot === null && random.chance(0.3)) {
      program.putOnDisk({ ...next, entries: next.entries.slice(0, random.below(next.entries.length + 1)) });
    }
    if (world.defect === 'forgets-votes') this.disk.vote = 0;
    const { log } = this.disk;
    if (world.defect === 'forgets-entries' && log.last > log.first) log.truncate(log.last);
    this.program = null;
    this.life++;
  }

  private later(ms: number, what: () => void): void {
    const { life } = this;
    this.world.after(ms, () => {
      if (life === this.life) what();
    });
  }

  /** An event that must be taken. */
  private must(what: string, event: (program: Program) => Update): void {
    const { program } = this;
    if (program === null) return;
    const code = this.do(what, () => event(program));
    need(code === 0, () => `server ${this.id} refuses: ${what}, code ${code}, ${this.error}`);
  }

  /** Feeds an event and does what the update says; its code. */
  do(what: string, event: (now: number) => Update, before?: Known): number {
    const { program, world } = this;
    if (program === null) return -1;
    world.outcome.steps++;
    program.now = world.now;
    const was = before ?? { ...program.known };
    const lastBefore = program.log.last;
    const update = event(world.now);
    const { known } = program;
    world.trace(
      () =>
        `${world.now} ${this.id} ${what} ${update.code} ${update.flags} state ${known.state} term ${known.term} ` +
        `vote ${known.vote} commit ${known.commit} last ${known.lastIndex} due ${known.timeout}`,
    );
    this.error = update.error;
    if (update.code === 0) this.process(program, update, was, lastBefore);
    if (this.program === program) this.armTimer(program);
    return update.code;
  }

  private process(program: Program, update: Update, was: Known, lastBefore: number): void {
    const { world, id } = this;
    const { known, log } = program;
    this.checkFlags(update.flags, was, known);
    world.checker.hardState(id, this.disk.term, this.disk.vote);
    need(
      this.disk.term === known.term && this.disk.vote === known.vote,
      () => `server ${id} does not say its term`,
    );
    need(
      known.lastIndex === log.last,
      () => `server ${id} ends at ${known.lastIndex}, its log at ${log.last}`,
    );
    if ((update.flags & (Flag.entries | Flag.snapshot)) !== 0) this.checkWrite(program, lastBefore);
    if (program.isLeader && (was.state !== 3 || was.term !== known.term))
      world.checker.leads(id, known.term, log);
    for (const packet of update.messages) {
      this.checkOutgoing(program, packet);
      world.send(packet);
    }
    if ((update.flags & Flag.commitIndex) !== 0) this.apply(program);
    const role = log.membersAt(log.last);
    const expected = role === null ? -1 : (role.roles[role.ids.indexOf(id)] ?? -1);
    need(
      program.roleOf(id) === expected,
      () => `server ${id} takes itself for ${program.roleOf(id)}, not ${expected}`,
    );
    this.maybeSnapshot(program);
  }

  private checkFlags(flags: number, was: Known, is: Known): void {
    const changes: [boolean, number, string][] = [
      [is.term !== was.term, Flag.currentTerm, 'term'],
      [is.vote !== was.vote, Flag.votedFor, 'vote'],
      [is.state !== was.state, Flag.state, 'state'],
      [is.commit !== was.commit, Flag.commitIndex, 'commit index'],
      [is.timeout !== was.timeout, Flag.timeout, 'timeout'],
    ];
    for (const [hasChanged, flag, name] of changes) {
      need(
        hasChanged === ((flags & flag) !== 0) || flag <= Flag.votedFor,
        () => `the flag of the ${name} is wrong`,
      );
      need(!hasChanged || (flags & flag) !== 0, () => `the ${name} has changed without its flag`);
    }
    need(is.commit >= was.commit, () => 'the commit index goes back');
  }

  private checkWrite(program: Program, lastBefore: number): void {
    const { world, id } = this;
    const write = program.writes[program.writes.length - 1]!;
    if (write.snapshot !== null) {
      need(write.snapshot.index > this.applied, () => `server ${id} is to install what it has applied`);
      this.taking = null;
    } else {
      need(
        write.first <= lastBefore + 1 && write.first > this.applied,
        () =>
          `server ${id} is to write from ${write.first}, has ${lastBefore}, and has applied ${this.applied}`,
      );
      if (write.first <= lastBefore) world.outcome.truncations++;
      need(
        !program.isLeader || write.first === lastBefore + 1,
        () => `leader ${id} replaces its own entries`,
      );
      write.entries.forEach((entry, i) => {
        const index = write.first + i;
        world.checker.appended(index, entry, program.log.termOf(index - 1));
      });
    }
    if (world.defect === 'acknowledges-early') {
      this.later(0, () => {
        this.must('an early end of a write', () => program.persistedEntries(program.log.last));
      });
    }
    if (program.writes.length === 1) this.startWrite(program);
  }

  private startWrite(program: Program): void {
    this.later(this.world.random.between(0, this.world.weather.diskMs), () => {
      this.completeWrite(program);
    });
  }

  private completeWrite(program: Program): void {
    const { snapshot } = program.writes[0]!;
    if (snapshot !== null) {
      this.world.outcome.installed++;
      this.applied = snapshot.index;
      this.state = Number(snapshot.state[0]);
    }
    if (program.writes.length > 1) this.startWrite(program);
    this.must('write done', () => program.completeWrite()!);
  }

  /** Nothing is told that the disk does not have. */
  private checkOutgoing({ log }: Program, { type, to, term, words }: Packet): void {
    const { id, disk } = this;
    const hold = (holds: boolean, what: string): void => {
      need(holds, () => `server ${id} sends ${to} ${what}, which its disk does not have`);
    };
    const [a, b, c, d] = words as [number, number, number, number];
    if (type === MessageCode.requestVote) {
      hold(d !== 0 ? term === disk.term + 1 : term === disk.term && disk.vote === id, 'a request for votes');
    } else if (type === MessageCode.requestVoteResult) {
      hold(b !== 0 || (term === disk.term && (a === 0 || disk.vote === to)), 'a vote');
    } else {
      hold(term === disk.term, `a message of type ${type}`);
    }
    if (type === MessageCode.appendEntriesResult && a === 0 && b > 0) {
      const stored = this.onDisk(b);
      const known = log.snapshot !== null && b <= log.snapshot.index ? Infinity : log.termOf(b);
      hold(stored === Infinity || stored === known, `success up to ${b}`);
    }
    if (type === MessageCode.appendEntries)
      need(a === 0 || log.termOf(a) === b, () => `server ${id} tells of entry ${a}, which it has not (${c})`);
  }

  private apply(program: Program): void {
    const { world, id } = this;
    const { log, known } = program;
    need(known.commit <= log.last, () => `server ${id} commits ${known.commit} of ${log.last}`);
    need(
      log.snapshot === null || log.snapshot.index <= this.applied,
      () => `server ${id} commits before the snapshot is stored`,
    );
    while (this.applied < known.commit) {
      const index = ++this.applied;
      const entry = log.at(index);
      this.state = nextState(this.state, entry);
      if (world.checker.applies(id, index, entry, this.state, known.term)) this.needDurable(program, index);
      if (entry.kind === Kind.change) {
        this.later(world.random.below(3), () => {
          this.must('configuration', () => program.configuration(index));
        });
      }
    }
  }

  private needDurable({ log }: Program, index: number): void {
    if (index === 1) return;
    const { ids, roles } = log.membersAt(log.last)!;
    const voters = ids.filter((_, i) => roles[i] === Role.voter);
    const term = log.at(index).term;
    const having = voters.filter((voter) =>
      [Infinity, term].includes(this.world.server(voter).onDisk(index)),
    );
    need(
      having.length > voters.length / 2,
      () =>
        `server ${this.id} commits entry ${index}, which ${having.join()} of ${voters.join()} have on their disks`,
    );
  }

  private maybeSnapshot(program: Program): void {
    const { world } = this;
    const last = program.log.snapshot?.index ?? 0;
    if (this.taking !== null || this.applied < last + world.weather.snapshotEntries) return;
    if (
      this.disk.log.termOf(this.applied) !== program.log.termOf(this.applied) ||
      program.writes.some(({ snapshot }) => snapshot !== null)
    )
      return;
    const index = this.applied;
    const members = program.log.membersAt(index)!;
    const taken: StoredSnapshot = {
      index,
      term: program.log.termOf(index),
      members,
      state: [String(this.state)],
    };
    this.taking = taken;
    this.later(world.random.between(0, 5 * world.weather.diskMs), () => {
      if (this.taking !== taken) return;
      this.taking = null;
      world.outcome.snapshots++;
      this.must('snapshot', () => program.snapshotTaken(taken, world.weather.trailing));
    });
  }

  receive(packet: Packet): void {
    this.must(`receive ${packet.type} of ${packet.from}`, (program) => program.receive(packet));
  }

  private armTimer(program: Program): void {
    const { world } = this;
    const due = program.known.timeout;
    if (due >= this.timerAt) return;
    this.timerAt = due;
    const lateness = !world.isCalm && world.random.chance(0.03) ? world.random.below(300) : 0;
    this.later(Math.max(0, due - world.now) + lateness, () => {
      this.timerAt = Infinity;
      if (program.known.timeout > world.now && !world.random.chance(0.005)) {
        this.armTimer(program);
        return;
      }
      this.must('timeout', () => program.timeout());
      this.standing = program.known.timeout > world.now ? 0 : this.standing + 1;
      need(this.standing < 3, () => `server ${this.id} stays due after its timeout`);
    });
  }
}
