import { proposalsOf } from '../core/entry-batch.ts';
import type { NodeId } from '../core/node-id.ts';
import {
  ConfChangeTransition,
  ConfChangeType,
  StateType,
  type ConfChange,
  type ConfChangeSingle,
  type ConfChangeV2,
  type ConfState,
} from '../core/types.ts';
import { Checker, InvariantViolation } from './checker.ts';
import { SimNetwork } from './network.ts';
import { SimNode, SOUND_WORLD, type SimWorld } from './node.ts';
import { optionsFor, type ActionWeights, type SimOptions } from './options.ts';
import { SeededRandom } from './random.ts';

/** Most nodes a run may ever have, members added on the way included. */
const MAX_NODES = 9;
/** Rounds (each: a tick for everyone, then everything is delivered) in which a healed cluster must commit. */
const CONVERGENCE_ROUNDS = 400;
/** Steps spent at most in one round of the convergence phase. */
const CONVERGENCE_STEPS = 20_000;

export type Seam = Pick<SimWorld, 'createNode' | 'persistedHardState' | 'acknowledgeEarly'>;

export interface SimResult {
  readonly seed: number;
  readonly steps: number;
  readonly committed: number;
  readonly elections: number;
  /** Hash over every step taken and what it changed: equal for equal seeds. */
  readonly traceHash: number;
}

type Action = keyof ActionWeights;

/** One simulated cluster: a seeded scheduler that takes one step at a time and checks the cluster after each. */
export class SimCluster {
  readonly options: SimOptions;
  readonly checker = new Checker();
  readonly network: SimNetwork;
  readonly nodes: SimNode[] = [];
  private readonly random: SeededRandom;
  private readonly world: SimWorld;
  private readonly actions: Action[];
  private readonly thresholds: number[];
  private readonly trace: ((line: string) => void) | null;
  private proposals = 0;
  private reads = 0;
  private traceHash = 0x811c_9dc5;
  private steps = 0;

  constructor(
    seed: number,
    dialect: 'apply' | 'append' | 'both',
    trace: ((line: string) => void) | null,
    seam: Seam = SOUND_WORLD,
  ) {
    this.random = new SeededRandom(seed);
    this.options = optionsFor(this.random, dialect);
    this.network = new SimNetwork(this.random);
    this.network.lossProbability = this.options.lossProbability;
    this.network.duplicateProbability = this.options.duplicateProbability;
    this.network.reorderProbability = this.options.reorderProbability;
    this.trace = trace;
    this.world = {
      ...seam,
      options: this.options,
      random: this.random,
      network: this.network,
      checker: this.checker,
      logs: () => this.nodes,
    };
    this.actions = Object.keys(this.options.weights) as Action[];
    let sum = 0;
    this.thresholds = this.actions.map((action) => (sum += this.options.weights[action]));
    const voters = Array.from({ length: this.options.nodes }, (_, i) => i + 1);
    const initial: ConfState = {
      voters,
      learners: [],
      votersOutgoing: [],
      learnersNext: [],
      autoLeave: false,
    };
    this.checker.bootstrapped(1, 1);
    for (const id of voters) this.nodes.push(new SimNode(id, this.world, initial));
  }

  run(steps: number): SimResult {
    for (let i = 0; i < steps; i++) this.step();
    this.converge();
    return this.result(0);
  }

  result(seed: number): SimResult {
    return {
      seed,
      steps: this.steps,
      committed: this.checker.committed,
      elections: this.checker.elections,
      traceHash: this.traceHash,
    };
  }

  private note(text: string): void {
    for (let i = 0; i < text.length; i++)
      this.traceHash = Math.imul(this.traceHash ^ text.charCodeAt(i), 0x0100_0193) >>> 0;
    this.trace?.(`${this.steps} ${text}`);
  }

  private step(): void {
    this.steps++;
    const draw = (this.random.next() / 0x1_0000_0000) * this.thresholds[this.thresholds.length - 1]!;
    let at = 0;
    while (draw >= this.thresholds[at]!) at++;
    this.act(this.actions[at]!);
  }

  private act(action: Action): void {
    const node = this.nodes[this.random.below(this.nodes.length)]!;
    switch (action) {
      case 'deliver':
        this.deliver();
        return;
      case 'ready':
        this.anyNode(node, (candidate) => candidate.processReady(), 'ready');
        return;
      case 'append':
        this.anyNode(node, (candidate) => candidate.running && candidate.processAppend(), 'append');
        return;
      case 'apply':
        this.anyNode(node, (candidate) => candidate.running && candidate.processApply(), 'apply');
        return;
      case 'tick':
        this.tick(node);
        return;
      case 'propose':
        this.propose(node);
        return;
      case 'crash':
        if (node.running) {
          this.note(`crash ${node.id}`);
          node.crash();
        }
        return;
      case 'restart':
        if (!node.running) {
          this.note(`restart ${node.id}`);
          node.start();
        }
        return;
      case 'partition':
        this.partition();
        return;
      case 'heal':
        if (this.network.partitioned) {
          this.note('heal');
          this.network.heal();
        }
        return;
      case 'member':
        this.changeMember(node);
        return;
      case 'joint':
        this.changeJointly(node);
        return;
      case 'transfer': {
        const leader = this.leader();
        if (leader !== null) {
          this.note(`transfer ${leader.id}>${node.id}`);
          leader.drive((raft) => raft.transferLeader(node.id));
        }
        return;
      }
      case 'readIndex':
        this.readIndex(node);
        return;
      case 'compact':
        if (node.running) {
          const trailing = this.random.below(10);
          this.note(`compact ${node.id} ${trailing}`);
          node.compact(trailing);
        }
        return;
      case 'forgetLeader':
        this.note(`forget ${node.id}`);
        node.drive((raft) => raft.forgetLeader());
        return;
      case 'unreachable': {
        const about = this.random.pick(this.nodes).id;
        this.note(`unreachable ${node.id} ${about}`);
        if (this.random.chance(0.5)) node.drive((raft) => raft.reportUnreachable(about));
        else node.drive((raft) => raft.reportSnapshot(about, this.random.chance(0.5)));
        return;
      }
    }
  }

  private anyNode(first: SimNode, work: (node: SimNode) => boolean, what: string): boolean {
    const start = this.nodes.indexOf(first);
    for (let i = 0; i < this.nodes.length; i++) {
      const node = this.nodes[(start + i) % this.nodes.length]!;
      if (work(node)) {
        this.note(
          `${what} ${node.id} ${node.raft?.term ?? 0} ${node.raft?.committed ?? 0} ${node.appliedIndex}`,
        );
        return true;
      }
    }
    return false;
  }

  private deliver(): boolean {
    const message = this.network.take();
    if (message === null) return false;
    const target = this.nodes[message.to - 1];
    if (target === undefined || !target.running) return true;
    this.note(`deliver ${message.type} ${message.from}>${message.to} ${message.term} ${message.index}`);
    target.drive((raft) => raft.step(message));
    return true;
  }

  private tick(node: SimNode): void {
    if (!node.running) return;
    this.note(`tick ${node.id}`);
    node.drive((raft) => raft.tick());
  }

  private leader(): SimNode | null {
    let best: SimNode | null = null;
    for (const node of this.nodes) {
      if (node.raft?.state === StateType.Leader && node.raft.term > (best?.raft?.term ?? 0)) best = node;
    }
    return best;
  }

  private propose(node: SimNode): boolean {
    const count = this.random.between(1, 4);
    const payloads: Uint8Array[] = [];
    for (let i = 0; i < count; i++) {
      const number = ++this.proposals;
      const payload = new Uint8Array(this.random.between(3, 40));
      payload[0] = number & 255;
      payload[1] = (number >>> 8) & 255;
      payload[2] = (number >>> 16) & 255;
      payloads.push(payload);
    }
    const target = this.random.chance(0.8) ? (this.leader() ?? node) : node;
    this.note(`propose ${target.id} ${count}`);
    return target.drive((raft) => raft.propose(proposalsOf(payloads)));
  }

  private partition(): void {
    const side = this.nodes.filter(() => this.random.chance(0.4)).map((node) => node.id);
    const others = this.nodes.map((node) => node.id).filter((id) => !side.includes(id));
    if (side.length === 0 || others.length === 0) return;
    const oneWay = this.random.chance(0.4);
    this.note(`partition ${side.join(' ')} ${oneWay}`);
    this.network.heal();
    this.network.partition(side, others, oneWay);
  }

  private anyId(): NodeId {
    const next = this.nodes.length + 1;
    if (next <= MAX_NODES && this.random.chance(0.3)) return next;
    return this.random.pick(this.nodes).id;
  }

  private ensureNode(id: NodeId): void {
    while (this.nodes.length < id) this.nodes.push(new SimNode(this.nodes.length + 1, this.world, null));
  }

  private randomChange(): ConfChangeSingle {
    const nodeId = this.anyId();
    const type = this.random.pick([
      ConfChangeType.AddNode,
      ConfChangeType.AddNode,
      ConfChangeType.RemoveNode,
      ConfChangeType.AddLearnerNode,
    ]);
    if (type !== ConfChangeType.RemoveNode) this.ensureNode(nodeId);
    return { type, nodeId };
  }

  private changeMember(node: SimNode): void {
    const target = this.leader() ?? node;
    const single = this.randomChange();
    if (single.type === ConfChangeType.RemoveNode && !this.mayRemove(target, [single])) return;
    const change: ConfChange = {
      id: ++this.proposals,
      type: single.type,
      nodeId: single.nodeId,
      context: null,
    };
    this.note(`member ${target.id} ${single.type} ${single.nodeId}`);
    target.drive((raft) => raft.proposeConfChange(change));
  }

  private changeJointly(node: SimNode): void {
    const target = this.leader() ?? node;
    if (this.options.configurationEffective === 'append') return;
    const leave = (target.raft?.status().confState.votersOutgoing.length ?? 0) > 0 && this.random.chance(0.7);
    const changes = leave ? [] : Array.from({ length: this.random.between(1, 3) }, () => this.randomChange());
    if (!this.mayRemove(target, changes)) return;
    const transition = leave
      ? ConfChangeTransition.Auto
      : this.random.pick([
          ConfChangeTransition.Auto,
          ConfChangeTransition.JointImplicit,
          ConfChangeTransition.JointExplicit,
        ]);
    const change: ConfChangeV2 = { transition, changes, context: null };
    this.note(`joint ${target.id} ${transition} ${changes.map((c) => `${c.type}:${c.nodeId}`).join(' ')}`);
    target.drive((raft) => raft.proposeConfChange(change));
  }

  /** An operator does not remove the last voter (the core, as etcd's, refuses that by a panic). */
  private mayRemove(target: SimNode, changes: readonly ConfChangeSingle[]): boolean {
    const voters = target.raft?.status().confState.voters ?? [];
    const leaving = changes
      .filter((change) => change.type !== ConfChangeType.AddNode)
      .map((change) => change.nodeId);
    return voters.filter((id) => !leaving.includes(id)).length >= 2;
  }

  private readIndex(node: SimNode): void {
    if (!node.running) return;
    const number = ++this.reads;
    const context = Uint8Array.of(1, number & 255, (number >>> 8) & 255, (number >>> 16) & 255);
    const asked = this.checker.committed;
    this.note(`read ${node.id} ${asked}`);
    node.pendingReads.set(Buffer.from(context).toString('hex'), asked);
    node.drive((raft) => raft.readIndex(context));
  }

  /** Faults stop; a new entry must then commit and reach every member within a bounded number of ticks. */
  private converge(): void {
    this.note('converge');
    this.network.calm();
    for (const node of this.nodes) if (!node.running) node.start();
    const before = this.checker.committed;
    for (let round = 0; round < CONVERGENCE_ROUNDS; round++) {
      for (const node of this.nodes) this.tick(node);
      this.settle();
      const leader = this.leader();
      if (leader === null) continue;
      this.stopRemoved(leader);
      if (!leader.running) continue;
      if (round % 10 === 9) this.giveUpSnapshots(leader);
      if (this.converged(leader, before)) return;
      if (round % 5 === 0) {
        const joint = (leader.raft?.status().confState.votersOutgoing.length ?? 0) > 0;
        if (joint)
          leader.drive((raft) => raft.proposeConfChange({ transition: 0, changes: [], context: null }));
        this.propose(leader);
      }
      this.settle();
    }
    throw new InvariantViolation(
      `progress: no new entry committed everywhere in ${CONVERGENCE_ROUNDS} rounds without faults\n${this.describe()}`,
    );
  }

  private describe(): string {
    return this.nodes.map((node) => `  ${node.describe()}`).join('\n');
  }

  /** As operators do: a server that is no longer a member is shut down, one that is (again) is started. */
  private stopRemoved(leader: SimNode): void {
    // Both views: what is appended may be rolled back, what is applied may be old after a restart.
    const views = [leader.appliedConfState, leader.raft!.status().confState];
    for (const node of this.nodes) {
      const member = views.some(
        ({ voters, learners, votersOutgoing }) =>
          voters.includes(node.id) || learners.includes(node.id) || votersOutgoing.includes(node.id),
      );
      if (member && !node.running) node.start();
      else if (!member && node.running) {
        this.note(`stop ${node.id}`);
        node.crash();
      }
    }
  }

  /** As a transport does: a snapshot whose arrival is not known after a while counts as failed. */
  private giveUpSnapshots(leader: SimNode): void {
    // A member added after the newest snapshot needs a newer one: a snapshot without it is of no use to it.
    leader.compact(10);
    for (const progress of leader.raft!.status().progress) {
      if (progress.state === 'StateSnapshot') leader.drive((raft) => raft.reportSnapshot(progress.id, false));
    }
  }

  private converged(leader: SimNode, before: number): boolean {
    if (this.checker.committed <= before) return false;
    const { voters, learners } = leader.raft!.status().confState;
    return [...voters, ...learners].every((id) => {
      const node = this.nodes[id - 1];
      return node !== undefined && node.appliedIndex > before;
    });
  }

  private settle(): void {
    for (let i = 0; i < CONVERGENCE_STEPS; i++) {
      let worked = false;
      for (const node of this.nodes) {
        worked = node.processReady() || worked;
        worked = node.processAppend() || worked;
        worked = node.processApply() || worked;
      }
      while (this.network.size > 0) {
        this.deliver();
        worked = true;
      }
      if (!worked) return;
    }
    throw new InvariantViolation(`progress: messages do not settle within ${CONVERGENCE_STEPS} steps`);
  }
}

/** Runs one seed; the error of a failing one names the seed. */
export function runSeed(
  seed: number,
  steps: number,
  dialect: 'apply' | 'append' | 'both' = 'apply',
  trace: ((line: string) => void) | null = null,
  seam: Seam = SOUND_WORLD,
): SimResult {
  const cluster = new SimCluster(seed, dialect, trace, seam);
  try {
    return { ...cluster.run(steps), seed };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new InvariantViolation(
      `seed ${seed} (${steps} steps, step ${cluster.result(seed).steps}): ${text}`,
      { cause: error },
    );
  }
}
