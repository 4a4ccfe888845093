/** Five servers, and what a seed does to them: loss, delay, partitions, crashes, changes of members, transfers. */
import { CatchUp, Role } from '../../../src-ts/facade/craft/layout.ts';
import { SeededRandom } from '../../../src-ts/sim/random.ts';
import { Kind, type Entry } from './program-log.ts';
import { bootstrap, emptyDisk, type Packet } from './program.ts';
import { need, WorldChecker } from './world-checker.ts';
import { WorldServer } from './world-server.ts';

const SERVERS = 5;
const FAULTS_MS = 25_000;
const PROGRESS_MS = 300_000;
/** Some thousands are usual: more are messages that beget each other. */
const STEPS_MAX = 200_000;

/** What the harness does wrong on purpose, to see that it is found. */
export type Defect = 'none' | 'forgets-votes' | 'acknowledges-early' | 'forgets-entries';

interface Action {
  readonly at: number;
  readonly order: number;
  readonly what: () => void;
}

/** A heap by time, then by order. */
class Agenda {
  private readonly items: Action[] = [];
  private order = 0;

  get nextAt(): number {
    return this.items[0]?.at ?? Infinity;
  }

  private isBefore(a: number, b: number): boolean {
    const [x, y] = [this.items[a]!, this.items[b]!];
    return x.at !== y.at ? x.at < y.at : x.order < y.order;
  }

  private swap(a: number, b: number): void {
    const { items } = this;
    [items[a], items[b]] = [items[b]!, items[a]!];
  }

  push(at: number, what: () => void): void {
    let i = this.items.push({ at, order: this.order++, what }) - 1;
    for (let parent = (i - 1) >> 1; i > 0 && this.isBefore(i, parent); i = parent, parent = (i - 1) >> 1) {
      this.swap(i, parent);
    }
  }

  pop(): Action {
    const { items } = this;
    this.swap(0, items.length - 1);
    const first = items.pop()!;
    for (let i = 0; ;) {
      const left = 2 * i + 1;
      if (left >= items.length) return first;
      const child = left + 1 < items.length && this.isBefore(left + 1, left) ? left + 1 : left;
      if (!this.isBefore(child, i)) return first;
      this.swap(i, child);
      i = child;
    }
  }
}

function weatherOf(random: SeededRandom) {
  const isRough = random.chance(0.5);
  return {
    lost: isRough ? random.below(250) / 1000 : random.below(20) / 1000,
    doubled: isRough ? random.below(150) / 1000 : random.below(20) / 1000,
    late: isRough ? random.below(200) / 1000 : random.below(20) / 1000,
    lateMs: random.between(50, 3000),
    latencyMs: random.between(1, 30),
    diskMs: random.between(0, 40),
    faultMs: random.between(300, 3000),
    adminMs: random.between(300, 3000),
    submitMs: random.between(20, 300),
    snapshotEntries: random.between(5, 60),
    trailing: random.below(20),
    preVote: random.chance(0.7),
    maxInflight: random.chance(0.5) ? 32 : random.between(1, 10),
    voters: random.between(1, SERVERS),
  };
}

export class World {
  now = 0;
  readonly random: SeededRandom;
  readonly checker = new WorldChecker();
  readonly weather: ReturnType<typeof weatherOf>;
  readonly outcome = {
    steps: 0,
    crashes: 0,
    truncations: 0,
    installed: 0,
    snapshots: 0,
    transfers: 0,
    changes: 0,
    committed: 0,
    leaders: 0,
    hash: 0,
  };
  isCalm = false;
  private readonly agenda = new Agenda();
  private readonly servers: WorldServer[] = [];
  private isCut: (from: number, to: number) => boolean = () => false;
  private commands = 0;
  private readonly print: ((line: string) => void) | null;

  readonly defect: Defect;

  constructor(seed: number, print: ((line: string) => void) | null = null, defect: Defect = 'none') {
    this.defect = defect;
    this.random = new SeededRandom(seed);
    this.print = print;
    this.weather = weatherOf(this.random);
    const voters = Array.from({ length: this.weather.voters }, (_, i) => i + 1);
    for (let id = 1; id <= SERVERS; id++) {
      this.servers.push(new WorldServer(id, this, voters.includes(id) ? bootstrap(voters) : emptyDisk()));
    }
  }

  server(id: number): WorldServer {
    return this.servers[id - 1]!;
  }

  after(ms: number, what: () => void): void {
    this.agenda.push(this.now + ms, what);
  }

  trace(line: () => string): void {
    const text = line();
    for (let i = 0; i < text.length; i++)
      this.outcome.hash = Math.imul(this.outcome.hash ^ text.charCodeAt(i), 0x0100_0193) >>> 0;
    this.print?.(text);
  }

  private soon(ms: number): number {
    return this.random.between(Math.ceil(ms / 2), ms + ms / 2);
  }

  private runUntil(end: number): void {
    while (this.agenda.nextAt <= end) {
      const { at, what } = this.agenda.pop();
      this.now = at;
      what();
      need(this.outcome.steps < STEPS_MAX, () => 'messages beget each other without end');
    }
    this.now = end;
  }

  run(): World['outcome'] {
    for (const server of this.servers) server.start();
    const { faultMs, adminMs, submitMs, lateMs } = this.weather;
    this.repeat(faultMs, () => {
      this.fault();
    });
    this.repeat(adminMs, () => {
      this.administrate();
    });
    this.repeat(submitMs, () => {
      this.submit();
    });
    this.runUntil(FAULTS_MS);
    this.isCalm = true;
    this.isCut = () => false;
    for (const server of this.servers) if (server.program === null) server.start();
    this.runUntil(this.now + lateMs);
    this.makeProgress();
    this.outcome.committed = this.checker.committed.length;
    this.outcome.leaders = this.checker.leaderCount;
    return this.outcome;
  }

  private makeProgress(): void {
    const deadline = this.now + PROGRESS_MS;
    for (let wanted = 0; wanted === 0 || !this.isAppliedEverywhere(wanted); this.runUntil(this.now + 500)) {
      need(
        this.now < deadline,
        () => `entry ${wanted} is not applied everywhere, without faults, of ${this.describe()}`,
      );
      const { leader } = this;
      if (leader === undefined || leader.program!.known.lastIndex >= wanted === wanted > 0) continue;
      if (this.command(leader, 1) === 0) wanted = leader.program!.known.lastIndex;
    }
  }

  private describe(): string {
    return this.servers.map((server) => JSON.stringify(server.program?.known)).join(' ');
  }

  private isAppliedEverywhere(index: number): boolean {
    const { leader } = this;
    if (leader === undefined) return false;
    const { ids, roles } = leader.program!.members;
    return ids.every((id, i) => roles[i] === Role.spare || this.server(id).appliedIndex >= index);
  }

  private repeat(ms: number, what: () => void): void {
    this.after(this.soon(ms), () => {
      if (this.isCalm) return;
      what();
      this.repeat(ms, what);
    });
  }

  private get leader(): WorldServer | undefined {
    const leaders = this.servers.filter(({ isLeader }) => isLeader);
    return leaders.sort((a, b) => b.program!.known.term - a.program!.known.term)[0];
  }

  send(packet: Packet): void {
    const { random, weather } = this;
    if (this.isCut(packet.from, packet.to)) return;
    if (!this.isCalm && random.chance(weather.lost)) return;
    for (let copies = !this.isCalm && random.chance(weather.doubled) ? 2 : 1; copies > 0; copies--) {
      let delay = random.between(0, weather.latencyMs);
      if (!this.isCalm && random.chance(weather.late)) delay += random.below(weather.lateMs);
      this.after(delay, () => {
        if (!this.isCut(packet.from, packet.to)) this.server(packet.to).receive(packet);
      });
    }
  }

  private fault(): void {
    const { random } = this;
    const crash = (victim: WorldServer): void => {
      victim.crash();
      this.after(random.below(4000), () => {
        if (victim.program === null) victim.start();
      });
    };
    const kind = random.below(4);
    if (kind < 2) crash(this.server(random.between(1, SERVERS)));
    else if (kind === 2) this.partition();
    else if (this.leader !== undefined && random.chance(0.3)) crash(this.leader);
    else if (this.leader !== undefined) this.cutOff(this.leader.id);
  }

  /** A leader that goes on alone gathers entries that are to be replaced. */
  private cutOff(id: number): void {
    this.isCut = (from, to) => (from === id) !== (to === id);
    this.after(this.random.below(6000), () => {
      this.isCut = () => false;
    });
  }

  private partition(): void {
    const { random } = this;
    const [kind, one, side] = [random.below(4), random.between(1, SERVERS), random.next()];
    const bit = (id: number): number => (side >> id) & 1;
    const cuts: ((from: number, to: number) => boolean)[] = [
      (from, to) => (from === one) !== (to === one),
      (from, to) => (bit(0) === 1 ? from === one : to === one),
      (from, to) => bit(from) !== bit(to),
      (from, to) => ((side >> (from * SERVERS + to)) & 3) === 3,
    ];
    this.isCut = cuts[kind]!;
    this.after(random.below(6000), () => {
      this.isCut = () => false;
    });
  }

  private administrate(): void {
    const { leader, random } = this;
    if (leader === undefined) return;
    if (!random.chance(0.25)) {
      this.changeMembers(leader);
      return;
    }
    const target = random.chance(0.3) ? 0 : random.between(1, SERVERS);
    if (leader.do(`transfer ${target}`, () => leader.program!.transfer(target)) === 0)
      this.outcome.transfers++;
  }

  private changeMembers(leader: WorldServer): void {
    const { random } = this;
    const program = leader.program!;
    const roles = new Map(program.members.ids.map((id, i) => [id, program.members.roles[i]!]));
    const id = random.between(1, SERVERS);
    const lower = random.chance(0.5) ? Role.standby : Role.spare;
    const role = roles.get(id);
    if (role === undefined) roles.set(id, random.chance(0.2) ? Role.voter : lower);
    else if (role !== Role.voter) {
      const status = program.progress.get(id)?.catchUp;
      if (status !== CatchUp.finished && random.chance(0.8)) {
        leader.do(`catch up ${id}`, () => program.catchUp(id));
        return;
      }
      roles.set(id, Role.voter);
    } else if (random.chance(0.5)) roles.set(id, lower);
    else roles.delete(id);
    const wasPending = program.log.membersAt(program.log.last)!.index > leader.appliedIndex;
    const code = leader.do('change', () => program.change(Object.fromEntries(roles)));
    need(
      code !== 0 || !wasPending,
      () => `server ${leader.id} takes a change while another is not committed`,
    );
    if (code === 0) this.outcome.changes++;
  }

  private submit(): void {
    const { random } = this;
    const chosen = random.chance(0.2) ? this.server(random.between(1, SERVERS)) : this.leader;
    if (chosen?.program === undefined || chosen.program === null) return;
    const wasLeader = chosen.isLeader;
    const code = this.command(chosen, random.chance(0.8) ? random.between(1, 3) : random.between(1, 40));
    need(wasLeader || code === 7, () => `server ${chosen.id}, no leader, answers a submission with ${code}`);
  }

  private command(server: WorldServer, count: number): number {
    const entries = Array.from({ length: count }, (): Entry => ({
      term: 0,
      kind: Kind.command,
      text: `c${this.commands++}`,
      members: null,
    }));
    return server.do(`submit ${count}`, () => server.program!.submit(entries));
  }
}
