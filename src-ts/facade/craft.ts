/**
 * raft_step in terms of the core. Bundled as a file of its own, without any API of Node: it runs in a bare isolate. The
 * native half calls `create` once a raft and the function that it returns once a step; both read and write one buffer
 * of 64-bit floats (craft/layout.ts). A step's answer is undefined, or an error code and its text, or how many words the
 * buffer must have before `answer` can write.
 */
import { MessageType, makeMessage, StateType } from '../core/types.ts';
import { confStateOf, NO_MEMBERS, roleOf, votersChanged, type Members } from './craft/configurations.ts';
import { Code, Event, In, MessageCode, MESSAGE_WORDS, Out, Role } from './craft/layout.ts';
import { Machine, type Before } from './craft/machine.ts';
import { appendMessage, appendResult, putMessage, voteRequest, voteResult } from './craft/messages.ts';
import type { Settings } from './craft/settings.ts';
import { CHANGE, trailBatch } from './craft/term-trail.ts';
import type { EntryBatch } from '../core/entry-batch.ts';

const NO_ENTRIES: readonly EntryBatch[] = [];
const NOTHING = { runs: [], changes: [] };

/**
 * A word as V8 keeps whole numbers. Taken as it is read, each would be a floating-point object of its own, wherever it
 * is stored, and maps would have to call out of compiled code for its hash.
 */
function whole(word: number): number {
  const small = word | 0;
  return small === word ? small : word;
}

class Refusal extends Error {
  readonly code: number;

  constructor(code: number, text: string) {
    super(text);
    this.code = code;
  }
}

function refuse(code: number, text: string): never {
  throw new Refusal(code, text);
}

class Facade {
  private words: Float64Array;
  private readonly id: number;
  private readonly settings: Settings;
  private machine: Machine | null = null;
  private told: Members = NO_MEMBERS;
  private hasFailed = false;
  private readonly before: Before = { term: 0, vote: 0, state: 0, commit: 0, timeout: 0 };

  constructor(buffer: ArrayBuffer, id: number, seed: number) {
    this.words = new Float64Array(buffer);
    this.id = id;
    this.settings = {
      electionTimeoutMs: 1000,
      heartbeatTimeoutMs: 100,
      installSnapshotTimeoutMs: 30_000,
      preVote: false,
      maxCatchUpRounds: 10,
      maxCatchUpRoundMs: 5000,
      maxInflightEntries: 32,
      seed,
    };
  }

  /** The buffer has moved or grown. */
  attach(buffer: ArrayBuffer): void {
    this.words = new Float64Array(buffer);
  }

  /** Words that the answer of the last step needs. */
  private get wordsNeeded(): number {
    const { machine } = this;
    if (machine === null) return Out.lists;
    const members = machine.configurations.effective.ids.length;
    return Out.lists + machine.messages.length * MESSAGE_WORDS + members * 5;
  }

  step(): string | number | undefined {
    if (this.hasFailed) return `${Code.shutdown} the server has failed before`;
    if (this.words[In.event] === Event.settings) {
      this.takeSettings();
      return undefined;
    }
    const now = this.machine?.now ?? 0;
    try {
      this.take();
      const { wordsNeeded } = this;
      if (wordsNeeded > this.words.length) return wordsNeeded;
      this.answer();
      return undefined;
    } catch (error) {
      if (error instanceof Refusal) {
        // Whatever refuses does so before anything is changed but the time.
        this.machine?.setTime(now);
        return `${error.code} ${error.message}`;
      }
      this.hasFailed = true;
      return `${Code.shutdown} ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  private argument(i: number): number {
    return whole(this.words[In.arguments + i]!);
  }

  private take(): void {
    const { words } = this;
    const event = words[In.event]!;
    const now = whole(words[In.time]!);
    if (event === Event.start) {
      this.start(now);
      return;
    }
    const machine = this.machine ?? refuse(Code.invalid, 'RAFT_START must be the first event');
    if (now < machine.now) refuse(Code.invalid, `event.time is ${now}, before the last one, ${machine.now}`);
    machine.beginStep();
    machine.setTime(now);
    this.handle(machine, event);
    machine.drain();
  }

  private takeSettings(): void {
    const { settings } = this;
    settings.electionTimeoutMs = this.argument(0);
    settings.heartbeatTimeoutMs = this.argument(1);
    settings.installSnapshotTimeoutMs = this.argument(2);
    settings.preVote = this.argument(3) !== 0;
    settings.maxCatchUpRounds = this.argument(4);
    settings.maxCatchUpRoundMs = this.argument(5);
    settings.maxInflightEntries = this.argument(6);
    settings.seed = this.argument(7);
    this.machine?.adoptSettings();
  }

  /** Reads the runs and configurations behind the arguments. */
  private lists(): { runs: number[]; changes: Members[] } {
    const { words } = this;
    let at: number = In.lists;
    const runs: number[] = [];
    for (let i = words[In.runs]! * 2; i > 0; i--) runs.push(whole(words[at++]!));
    const changes: Members[] = [];
    for (let i = words[In.changes]!; i > 0; i--) {
      const index = whole(words[at++]!);
      const count = words[at++]!;
      const ids: number[] = [];
      const roles: number[] = [];
      for (let member = 0; member < count; member++) {
        ids.push(whole(words[at++]!));
        roles.push(whole(words[at++]!));
      }
      changes.push({ index, ids, roles });
    }
    return { runs, changes };
  }

  private start(now: number): void {
    if (this.machine !== null) refuse(Code.invalid, 'RAFT_START came a second time');
    this.checkSettings();
    const { runs, changes } = this.lists();
    const snapshotIndex = this.argument(2);
    let snapshot = null;
    if (snapshotIndex > 0) {
      const members = changes.shift()!;
      snapshot = { index: snapshotIndex, term: this.argument(3), members };
    }
    const [term, vote, startIndex] = [this.argument(0), this.argument(1), this.argument(4)];
    const stored = { term, vote, snapshot, startIndex, runs, changes };
    const machine = new Machine(this.id, stored, this.settings, now);
    this.machine = machine;
    this.before.term = term;
    this.before.vote = vote;
    const { voters } = confStateOf(machine.configurations.effective);
    // Nobody else has a vote: there is nothing to wait for.
    if (voters.length === 1 && voters[0] === this.id) machine.node.campaign();
    machine.drain();
  }

  private checkSettings(): void {
    const { electionTimeoutMs, heartbeatTimeoutMs, maxInflightEntries } = this.settings;
    if (heartbeatTimeoutMs < 1 || electionTimeoutMs <= heartbeatTimeoutMs)
      refuse(
        Code.invalid,
        `the election timeout, ${electionTimeoutMs} ms, must be above the heartbeat timeout, ${heartbeatTimeoutMs} ms`,
      );
    if (maxInflightEntries < 1) refuse(Code.invalid, 'there must be room for an entry in flight');
  }

  private handle(machine: Machine, event: number): void {
    switch (event) {
      case Event.receive:
        this.receive(machine);
        return;
      case Event.persistedEntries:
        if (!machine.persistedEntries(this.argument(0)))
          refuse(Code.invalid, `entry ${this.argument(0)} was never given to be stored`);
        return;
      case Event.persistedSnapshot:
        if (!machine.persistedSnapshot(this.argument(0)))
          refuse(Code.invalid, `the snapshot at ${this.argument(0)} was never given to be stored`);
        return;
      case Event.configuration:
        this.configurationApplied(machine);
        return;
      case Event.snapshot:
        this.snapshotTaken(machine);
        return;
      case Event.timeout:
        machine.timeout();
        return;
      case Event.submit:
        this.submit(machine);
        return;
      case Event.catchUp:
        this.catchUp(machine);
        return;
      case Event.transfer:
        this.transfer(machine);
        return;
      default:
        refuse(Code.invalid, `event.type ${event} is none`);
    }
  }

  private receive(machine: Machine): void {
    const { node } = machine;
    const from = this.argument(0);
    const type = this.argument(1);
    const term = this.argument(2);
    const [a, b, c, d] = [this.argument(3), this.argument(4), this.argument(5), this.argument(6)];
    switch (type) {
      case MessageCode.appendEntries: {
        const hasEntries = this.words[In.runs]! > 0;
        if (machine.isInstalling && hasEntries) return;
        const { runs, changes } = hasEntries ? this.lists() : NOTHING;
        const entries = hasEntries ? batchesOf(a + 1, runs, changes) : NO_ENTRIES;
        machine.receive(appendMessage(this.id, from, term, a, b, c, entries), changes);
        return;
      }
      case MessageCode.appendEntriesResult: {
        // Answers of servers that are members no more mean nothing.
        if (node.progressOf(from) === undefined) return;
        if (a > 0 || term !== node.term) machine.receive(appendResult(this.id, from, term, a, b));
        else machine.acknowledged(appendResult(this.id, from, term, 0, Math.min(b, node.lastIndex)));
        if (node.state === StateType.Leader) machine.catchUps.advance(node, machine.now, this.settings);
        return;
      }
      case MessageCode.requestVote:
        if (d === 0 && term < node.term) machine.refuseVote(from);
        else machine.receive(voteRequest(this.id, from, term, a, b, c !== 0, d !== 0));
        return;
      case MessageCode.requestVoteResult:
        if (node.progressOf(from) !== undefined)
          machine.receive(voteResult(node, from, term, a !== 0, b !== 0, c !== 0));
        return;
      case MessageCode.installSnapshot: {
        const members = this.lists().changes[0]!;
        if (machine.isInstalling) return;
        machine.incomingSnapshot = members;
        const metadata = { index: a, term: b, confState: confStateOf(members) };
        const snapshot = { data: new Uint8Array(0), metadata };
        machine.receive(makeMessage({ type: MessageType.Snap, to: this.id, from, term, snapshot }));
        return;
      }
      case MessageCode.timeoutNow:
        machine.receive(makeMessage({ type: MessageType.TimeoutNow, to: this.id, from, term }));
        return;
      default:
        refuse(Code.invalid, `message.type ${type} is none`);
    }
  }

  private configurationApplied(machine: Machine): void {
    const index = this.argument(0);
    if (index > machine.node.committed) refuse(Code.invalid, `entry ${index} is not committed`);
    machine.appliedConfiguration = Math.max(machine.appliedConfiguration, index);
  }

  private snapshotTaken(machine: Machine): void {
    const [index, term, trailing] = [this.argument(0), this.argument(1), this.argument(2)];
    const { trail, node } = machine;
    if (machine.isInstalling) refuse(Code.busy, 'a snapshot of the leader is to be stored first');
    if (index < trail.snapshot().metadata.index)
      refuse(Code.invalid, `the snapshot at ${index} is older than the last one`);
    if (index > node.committed) refuse(Code.invalid, `the snapshot at ${index} is beyond the commit index`);
    if (node.logTerm(index) !== term)
      refuse(Code.invalid, `the entry at ${index} has term ${node.logTerm(index)}, not ${term}`);
    if (trail.termOrZero(index) !== term)
      refuse(Code.invalid, `the snapshot at ${index} is beyond what is stored here`);
    const [members] = this.lists().changes;
    trail.setSnapshot({ index, term, confState: confStateOf(members!) });
    trail.compact(index - trailing);
  }

  private submit(machine: Machine): void {
    const { node } = machine;
    if (node.state !== StateType.Leader || node.leadTransferee !== 0)
      refuse(Code.notLeader, 'entries are submitted at a leader that is not handing over');
    if (node.progressOf(this.id) === undefined)
      refuse(Code.notLeader, 'this server has been taken out and leads only until that is known');
    const { runs, changes } = this.lists();
    const count = runs[1] ?? 0;
    const first = node.lastIndex + 1;
    const members = changes.map((change) => ({ ...change, index: first + change.index }));
    if (members.length > 0) this.checkChange(machine, members);
    machine.propose(count, members.length > 0 ? typesOf(first, count, members) : null, members);
  }

  private checkChange(machine: Machine, members: readonly Members[]): void {
    const { node, configurations, catchUps } = machine;
    const { effective } = configurations;
    if (members.length > 1 || catchUps.isRunning || effective.index > machine.appliedConfiguration)
      refuse(Code.cantChange, 'another configuration change or a catch-up is under way');
    if (node.logTerm(node.committed) !== node.term)
      refuse(Code.cantChange, 'a leader changes nothing before it has committed an entry of its term');
    if (votersChanged(effective, members[0]!) > 1)
      refuse(Code.invalid, 'a configuration may change the vote of one server at a time');
    if (confStateOf(members[0]!).voters.length === 0) refuse(Code.invalid, 'a configuration needs a voter');
  }

  private catchUp(machine: Machine): void {
    const { node, configurations, catchUps } = machine;
    const id = this.argument(0);
    if (node.state !== StateType.Leader) refuse(Code.notLeader, 'only a leader brings a server up to date');
    const role = roleOf(configurations.effective, id);
    if (role < 0 || role === Role.voter) refuse(Code.badId, 'the server is no member, or votes already');
    if (catchUps.isRunning) refuse(Code.cantChange, 'another catch-up is under way');
    catchUps.start(node, id, machine.now);
    catchUps.advance(node, machine.now, this.settings);
  }

  private transfer(machine: Machine): void {
    const { node, configurations } = machine;
    let id = this.argument(0);
    if (node.state !== StateType.Leader || node.leadTransferee !== 0)
      refuse(Code.notLeader, 'only a leader hands over, and once at a time');
    const { voters } = confStateOf(configurations.effective);
    if (id === 0) {
      const match = (voter: number): number => node.progressOf(voter)?.match ?? 0;
      const others = voters.filter((voter) => voter !== this.id).sort((a, b) => match(b) - match(a));
      if (others.length === 0) refuse(Code.notFound, 'there is no other voter');
      id = others[0]!;
    }
    if (id === this.id || !voters.includes(id)) refuse(Code.badId, 'the server is no other voter');
    node.transferLeader(id);
  }

  /** Writes the answer; the buffer has room for `wordsNeeded`. */
  answer(): void {
    const { words, machine } = this;
    if (machine === null) return;
    const { node } = machine;
    const { before } = this;
    words[Out.flags] = machine.flagsSince(before);
    words[Out.term] = before.term;
    words[Out.vote] = before.vote;
    words[Out.state] = before.state;
    words[Out.commit] = before.commit;
    words[Out.timeout] = before.timeout;
    words[Out.lastIndex] = node.lastIndex;
    words[Out.lead] = node.lead;
    words[Out.transferee] = node.leadTransferee;
    words[Out.entriesFirst] = machine.entriesFirst;
    words[Out.entriesCount] = machine.entriesCount;
    words[Out.barrierTerm] = before.term;
    words[Out.hasSnapshot] = machine.snapshot === null ? 0 : 1;
    let at: number = Out.lists;
    let count = 0;
    for (const message of machine.messages) {
      if (!putMessage(words, at, message, node)) continue;
      at += MESSAGE_WORDS;
      count++;
    }
    words[Out.messages] = count;
    at = this.putMembers(machine, at);
    this.putConfiguration(machine, at);
  }

  private putMembers(machine: Machine, at: number): number {
    const { words } = this;
    if (machine.node.state !== StateType.Leader) {
      words[Out.members] = 0;
      return at;
    }
    const { ids } = machine.configurations.effective;
    words[Out.members] = ids.length;
    for (const id of ids) {
      words[at++] = id;
      words[at++] = machine.node.progressOf(id)?.match ?? 0;
      words[at++] = machine.catchUps.statusOf(id);
    }
    return at;
  }

  private putConfiguration(machine: Machine, at: number): void {
    const { words } = this;
    const { effective } = machine.configurations;
    if (effective === this.told) {
      words[Out.configuration] = -1;
      return;
    }
    this.told = effective;
    words[Out.configuration] = effective.ids.length;
    effective.ids.forEach((id, i) => {
      words[at++] = id;
      words[at++] = effective.roles[i]!;
    });
  }
}

function typesOf(first: number, count: number, changes: readonly Members[]): Uint8Array | null {
  let types: Uint8Array | null = null;
  for (const { index } of changes) {
    if (index < first || index >= first + count) continue;
    types ??= new Uint8Array(count);
    types[index - first] = CHANGE;
  }
  return types;
}

function batchesOf(first: number, runs: readonly number[], changes: readonly Members[]): EntryBatch[] {
  const batches: EntryBatch[] = [];
  for (let i = 0; i < runs.length; i += 2) {
    const count = runs[i + 1]!;
    batches.push(trailBatch(first, runs[i]!, count, typesOf(first, count, changes)));
    first += count;
  }
  return batches;
}

/** What the native half holds of one raft. */
export interface Handle {
  step(): string | number | undefined;
  answer(): void;
  attach(buffer: ArrayBuffer): void;
}

export function create(buffer: ArrayBuffer, id: number, seed: number): Handle {
  const facade = new Facade(buffer, id, seed);
  return {
    step: () => facade.step(),
    answer: () => {
      facade.answer();
    },
    attach: (moved) => {
      facade.attach(moved);
    },
  };
}
