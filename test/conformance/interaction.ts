/** Executes etcd's interaction scenarios on our core: nodes, the messages between them, and their local work. */
import { proposalsOf } from '../../src-ts/core/entry-batch.ts';
import { LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD, type NodeId } from '../../src-ts/core/node-id.ts';
import {
  ConfChangeTransition,
  makeMessage,
  MessageType,
  type ConfChange,
  type ConfChangeV2,
  type Message,
} from '../../src-ts/core/types.ts';
import { readAddNodes } from './add-nodes.ts';
import type { Command } from './data-driven.ts';
import {
  describeEntries,
  describeMessage,
  describeProgress,
  describeReady,
  messageTypeOf,
  parseChanges,
  stateName,
} from './describe.ts';
import { Output } from './output.ts';
import { refusalOf, setRandomizedElectionTimeout, TestNode } from './test-node.ts';

/** Rounds after which `stabilize` is taken to never end. */
const MAX_ROUNDS = 1_000;

const TRANSITIONS: Readonly<Record<string, ConfChangeTransition>> = {
  auto: ConfChangeTransition.Auto,
  implicit: ConfChangeTransition.JointImplicit,
  explicit: ConfChangeTransition.JointExplicit,
};

function isLocal(message: Message): boolean {
  return (
    [message.from, message.to].some((id) => id === LOCAL_APPEND_THREAD || id === LOCAL_APPLY_THREAD) ||
    message.from === message.to
  );
}

function argument(command: Command, key: string): string {
  const value = command.args.find((arg) => arg.key === key)?.values[0];
  if (value === undefined) throw new Error(`${command.name} needs the argument ${key}`);
  return value;
}

/** Positional arguments as node ids. */
function idsOf(command: Command): NodeId[] {
  return command.args.filter((arg) => arg.values.length === 0).map((arg) => Number(arg.key));
}

export class InteractionEnvironment {
  private readonly nodes: TestNode[] = [];
  private readonly output = new Output();
  private messages: Message[] = [];

  /** Output of one command as the test data have it. */
  execute(command: Command): string {
    this.output.take();
    const refusal = this.run(command);
    if (refusal !== null) {
      if (this.output.quiet) return refusal;
      this.output.write(refusal);
    }
    return this.output.take();
  }

  /** Returns the text of a refusal, null when there was none. */
  private run(command: Command): string | null {
    switch (command.name) {
      case 'add-nodes':
        this.addNodes(command);
        return null;
      case 'campaign':
        return refusalOf(() => this.first(command).raft.campaign());
      case 'compact':
        this.first(command).storage.compact(Number(command.args[1]!.key));
        this.printLog(this.first(command));
        return null;
      case 'deliver-msgs':
        this.deliverMessages(command);
        return null;
      case 'forget-leader':
        refusalOf(() => this.first(command).raft.forgetLeader());
        return null;
      case 'log-level':
        this.output.setLevel(command.args[0]!.key);
        return null;
      case 'process-ready':
        this.forEach(command, 'handling Ready', (node) => this.processReady(node));
        return null;
      case 'process-append-thread':
        this.forEach(command, 'processing append thread', (node) => this.processAppend(node));
        return null;
      case 'process-apply-thread':
        this.forEach(command, 'processing apply thread', (node) => this.processApply(node));
        return null;
      case 'propose':
        return refusalOf(() =>
          this.first(command).raft.propose(proposalsOf([Buffer.from(command.args[1]!.key)])),
        );
      case 'propose-conf-change':
        return this.proposeConfChange(command);
      case 'raft-log':
        this.printLog(this.first(command));
        return null;
      case 'raft-state':
        this.printStates();
        return null;
      case 'report-unreachable':
        this.first(command).raft.reportUnreachable(idsOf(command)[1]!);
        return null;
      case 'send-snapshot':
        this.sendSnapshot(command);
        return null;
      case 'set-randomized-election-timeout':
        setRandomizedElectionTimeout(this.first(command).raft, Number(argument(command, 'timeout')));
        return null;
      case 'stabilize':
        this.stabilizeCommand(command);
        return null;
      case 'status':
        for (const progress of this.first(command).raft.status().progress)
          this.output.write(describeProgress(progress));
        return null;
      case 'tick-election':
        this.tick(this.first(command), this.first(command).config.electionTick);
        return null;
      case 'tick-heartbeat':
        this.tick(this.first(command), this.first(command).config.heartbeatTick);
        return null;
      case 'transfer-leadership':
        this.node(Number(argument(command, 'from'))).raft.transferLeader(Number(argument(command, 'to')));
        return null;
      default:
        throw new Error(`line ${command.line}: unknown command ${command.name}`);
    }
  }

  private node(id: NodeId): TestNode {
    const node = this.nodes[id - 1];
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  private first(command: Command): TestNode {
    return this.node(Number(command.args[0]!.key));
  }

  private forEach(command: Command, title: string, action: (node: TestNode) => void): void {
    const ids = idsOf(command);
    for (const id of ids) {
      if (ids.length === 1) action(this.node(id));
      else this.titled(id, title, () => action(this.node(id)));
    }
  }

  private titled(id: NodeId, title: string, action: () => void): void {
    this.output.write(`> ${id} ${title}\n`);
    this.output.indented(action);
  }

  private addNodes(command: Command): void {
    const { count, options, initial } = readAddNodes(command, this.output);
    for (let i = 0; i < count; i++)
      this.nodes.push(new TestNode({ ...options, id: this.nodes.length + 1 }, initial));
  }

  private tick(node: TestNode, ticks: number): void {
    for (let i = 0; i < ticks; i++) node.raft.tick();
  }

  private printLog({ storage }: TestNode): void {
    const first = storage.firstIndex();
    const last = storage.lastIndex();
    if (last < first) {
      this.output.write(`log is empty: first index=${first}, last index=${last}`);
      return;
    }
    for (const line of describeEntries(storage.entries(first, last + 1, Number.POSITIVE_INFINITY))) {
      this.output.write(`${line}\n`);
    }
  }

  private printStates(): void {
    for (const { raft } of this.nodes) {
      const { id, hardState, softState, confState } = raft.status();
      const voter = confState.voters.includes(id) || confState.votersOutgoing.includes(id);
      this.output.write(
        `${id}: ${stateName(softState.raftState)} ${voter ? '(Voter)' : '(Non-Voter)'} ` +
          `Term:${hardState.term} Lead:${softState.lead}\n`,
      );
    }
  }

  private proposeConfChange(command: Command): string | null {
    const options = new Map(command.args.slice(1).map(({ key, values }) => [key, values[0]]));
    const transition = TRANSITIONS[options.get('transition') ?? 'auto'];
    if (transition === undefined) throw new Error(`line ${command.line}: unknown transition`);
    const changes = parseChanges(command.input);
    let change: ConfChange | ConfChangeV2 = { transition, changes, context: null };
    if (options.get('v1') === 'true') {
      if (changes.length !== 1) throw new Error(`line ${command.line}: v1 takes one change`);
      change = { id: 0, type: changes[0]!.type, nodeId: changes[0]!.nodeId, context: null };
    }
    return refusalOf(() => this.first(command).raft.proposeConfChange(change));
  }

  private sendSnapshot(command: Command): void {
    const [from, to] = idsOf(command);
    const source = this.node(from!);
    const message = makeMessage({
      type: MessageType.Snap,
      term: source.raft.term,
      from: from!,
      to: to!,
      snapshot: source.newestState(),
    });
    this.messages.push(message);
    this.output.write(describeMessage(message));
  }

  private deliverMessages(command: Command): void {
    let type: MessageType | null = null;
    const drop: NodeId[] = [];
    for (const { key, values } of command.args) {
      if (key === 'type') type = messageTypeOf(values[0]!);
      else if (key === 'drop') drop.push(...values.map(Number));
    }
    let delivered = 0;
    for (const id of idsOf(command)) delivered += this.deliver(id, type, false);
    for (const id of drop) delivered += this.deliver(id, type, true);
    if (delivered === 0) this.output.write('no messages\n');
  }

  /** Local messages are never dropped. */
  private deliver(to: NodeId, type: MessageType | null, drop: boolean): number {
    const chosen = (message: Message): boolean =>
      message.to === to && !(drop && isLocal(message)) && (type === null || message.type === type);
    const taken = this.messages.filter(chosen);
    this.messages = this.messages.filter((message) => !chosen(message));
    for (const message of taken) {
      this.output.write(`${drop ? 'dropped: ' : ''}${describeMessage(message)}\n`);
      if (drop) continue;
      const refusal = refusalOf(() => this.node(to).raft.step(message));
      if (refusal !== null) this.output.write(`${refusal}\n`);
    }
    return taken.length;
  }

  private processReady(node: TestNode): void {
    const ready = node.raft.ready();
    this.output.write(describeReady(ready));
    const asynchronous = node.config.asyncStorageWrites === true;
    if (!asynchronous) {
      node.persist(ready.hardState, ready.entries, ready.snapshot);
      node.apply(ready.committedEntries);
    }
    for (const message of ready.messages) {
      if (message.to === LOCAL_APPEND_THREAD) node.appendWork.push(message);
      else if (message.to === LOCAL_APPLY_THREAD) node.applyWork.push(message);
      else this.messages.push(message);
    }
    if (!asynchronous) node.raft.advance();
  }

  private processAppend(node: TestNode): void {
    this.processLocal(node.appendWork, 'append', ({ term, vote, commit, entries, snapshot }) => {
      node.persist({ term, vote, commit }, entries, snapshot);
    });
  }

  private processApply(node: TestNode): void {
    this.processLocal(node.applyWork, 'apply', (message) => node.apply(message.entries));
  }

  private processLocal(work: Message[], name: string, action: (message: Message) => void): void {
    const message = work.shift();
    if (message === undefined) {
      this.output.write(`no ${name} work to perform`);
      return;
    }
    this.output.write(`Processing:\n${describeMessage({ ...message, responses: [] })}\n`);
    action(message);
    this.output.write('Responses:\n');
    for (const response of message.responses) this.output.write(`${describeMessage(response)}\n`);
    this.messages.push(...message.responses);
  }

  private stabilizeCommand(command: Command): void {
    const level = command.args.find((arg) => arg.key === 'log-level')?.values[0];
    const before = this.output.level;
    if (level !== undefined) this.output.setLevel(level);
    const ids = idsOf(command);
    this.stabilize(ids.length > 0 ? ids : this.nodes.map((_, i) => i + 1));
    this.output.level = before;
  }

  private stabilize(ids: readonly NodeId[]): void {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      if (!this.stabilizeOnce(ids)) return;
    }
    throw new Error(`not stable after ${MAX_ROUNDS} rounds`);
  }

  /** False when nothing was left to do. */
  private stabilizeOnce(ids: readonly NodeId[]): boolean {
    let worked = false;
    const forAll = (title: string, waits: (id: NodeId) => boolean, action: (id: NodeId) => void): void => {
      for (const id of ids) {
        if (!waits(id)) continue;
        worked = true;
        this.titled(id, title, () => action(id));
      }
    };
    forAll(
      'handling Ready',
      (id) => this.node(id).raft.hasReady(),
      (id) => this.processReady(this.node(id)),
    );
    forAll(
      'receiving messages',
      (id) => this.messages.some((message) => message.to === id),
      (id) => this.deliver(id, null, false),
    );
    forAll(
      'processing append thread',
      (id) => this.node(id).appendWork.length > 0,
      (id) => {
        while (this.node(id).appendWork.length > 0) this.processAppend(this.node(id));
      },
    );
    forAll(
      'processing apply thread',
      (id) => this.node(id).applyWork.length > 0,
      (id) => {
        while (this.node(id).applyWork.length > 0) this.processApply(this.node(id));
      },
    );
    return worked;
  }
}
