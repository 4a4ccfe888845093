/** Servers that are stepped by hand: no latency, disks that are done at once, virtual time. */
import { Flag } from '../../../src-ts/facade/craft/layout.ts';
import { Kind, type StoredSnapshot } from './program-log.ts';
import { bootstrap, emptyDisk, Program, type Disk, type Packet, type Update } from './program.ts';

const MESSAGES_MAX = 20_000;

type Settings = Parameters<Program['settings']>[0];

export class StepServer {
  readonly program: Program;
  readonly applied: string[] = [];
  appliedIndex = 0;

  constructor(program: Program) {
    this.program = program;
    const { snapshot } = program.log;
    if (snapshot === null) return;
    this.applied.push(...snapshot.state);
    this.appliedIndex = snapshot.index;
  }
}

export class StepCluster {
  now = 1000;
  readonly servers = new Map<number, StepServer>();
  private readonly settings: Settings;
  private queue: Packet[] = [];
  /** All that was sent, stopped packets included. */
  readonly sent: Packet[] = [];
  passes: (packet: Packet) => boolean = () => true;
  /** Servers whose disks stand still. */
  readonly slow = new Set<number>();

  constructor(voters: readonly number[], settings: Settings = {}) {
    this.settings = settings;
    for (const id of voters) this.add(id, bootstrap(voters));
  }

  add(id: number, disk: Disk = emptyDisk()): Program {
    const program = new Program(id, disk);
    program.settings({ ...this.settings, seed: id });
    this.servers.set(id, new StepServer(program));
    this.take(id, program.start(this.now));
    return program;
  }

  /** From its disk, without what was under way. */
  restart(id: number): Program {
    return this.add(id, this.of(id).disk);
  }

  of(id: number): Program {
    return this.server(id).program;
  }

  server(id: number): StepServer {
    const server = this.servers.get(id);
    if (server === undefined) throw new Error(`there is no server ${id}`);
    return server;
  }

  get leader(): Program {
    const leaders = [...this.servers.values()]
      .map(({ program }) => program)
      .filter(({ isLeader }) => isLeader);
    leaders.sort((a, b) => b.known.term - a.known.term);
    if (leaders[0] === undefined) throw new Error('there is no leader');
    return leaders[0];
  }

  cut(...ids: number[]): void {
    this.passes = ({ from, to }) => !ids.includes(from) && !ids.includes(to);
  }

  heal(): void {
    this.passes = () => true;
  }

  /** Does what the update says; the code comes back. */
  take(id: number, update: Update): number {
    const server = this.server(id);
    for (const packet of update.messages) {
      this.sent.push(packet);
      if (this.passes(packet)) this.queue.push(packet);
    }
    if ((update.flags & Flag.commitIndex) !== 0) this.apply(server);
    while (!this.slow.has(id)) {
      const done = server.program.completeWrite();
      if (done === null) break;
      if (done.code !== 0) throw new Error(`server ${id} does not take the end of a write: ${done.error}`);
      this.take(id, done);
    }
    return update.code;
  }

  private apply(server: StepServer): void {
    const { program } = server;
    const { snapshot } = program.log;
    if (snapshot !== null && snapshot.index > server.appliedIndex) {
      server.applied.splice(0, server.applied.length, ...snapshot.state);
      server.appliedIndex = snapshot.index;
    }
    const changes: number[] = [];
    while (server.appliedIndex < program.known.commit) {
      const { kind, text } = program.log.at(++server.appliedIndex);
      if (kind === Kind.command) server.applied.push(text);
      if (kind === Kind.change) changes.push(server.appliedIndex);
    }
    for (const index of changes) this.take(program.id, program.configuration(index));
  }

  snapshot(id: number, trailing = 0): number {
    const { program, applied, appliedIndex: index } = this.server(id);
    const members = program.log.membersAt(index)!;
    const snapshot: StoredSnapshot = { index, term: program.log.termOf(index), members, state: [...applied] };
    return this.take(id, program.snapshotTaken(snapshot, trailing));
  }

  settle(): void {
    for (let count = 0; this.queue.length > 0; count++) {
      if (count === MESSAGES_MAX) throw new Error('messages beget each other without end');
      const packet = this.queue.shift()!;
      const target = this.servers.get(packet.to)?.program;
      if (target === undefined) continue;
      target.now = this.now;
      const update = target.receive(packet);
      if (update.code !== 0) throw new Error(`server ${packet.to} refuses a message: ${update.error}`);
      this.take(packet.to, update);
    }
  }

  /** Lets time pass; timers go off when they are due. */
  run(ms: number, only?: (id: number) => boolean): void {
    const end = this.now + ms;
    this.settle();
    while (this.now < end) {
      const timers = [...this.servers.values()]
        .map(({ program }) => program)
        .filter(({ id }) => only?.(id) ?? true);
      const due = Math.min(end, ...timers.map(({ known }) => known.timeout));
      this.now = Math.max(this.now + (due > this.now ? 0 : 1), due);
      for (const program of this.servers.values()) program.program.now = this.now;
      for (const program of timers) {
        if (program.known.timeout > this.now) continue;
        this.take(program.id, program.timeout());
        this.settle();
      }
    }
  }

  /** Until there is a leader that all who can hear it follow. */
  elect(id: number): Program {
    this.run(2500, (candidate) => candidate === id);
    const { program } = this.server(id);
    if (!program.isLeader) throw new Error(`server ${id} was not elected`);
    return program;
  }

  command(id: number, ...texts: string[]): number {
    const code = this.take(id, this.of(id).command(...texts));
    this.settle();
    return code;
  }

  change(id: number, roles: Readonly<Record<number, number>>): number {
    const code = this.take(id, this.of(id).change(roles));
    this.settle();
    return code;
  }
}
