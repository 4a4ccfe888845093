/** Carries out one scenario on host programs, one process a node. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { peerUrl } from '../../scripts/tools/cluster-config.ts';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import type { Runtime } from '../scenario/figures.ts';
import { HostError, HostProgram } from './host-program.ts';
import type { Command } from './languages.ts';
import type { Config, NodeName, Scenario, Step } from './scenario.ts';

const WAIT_TIMEOUT_MS = 60_000;
const POLL_MS = 30;
/** A write that meets these is sent again: the leadership moved, which a busy machine does by itself. */
const TRANSIENT = ['REJECTED', 'NO_LEADER', 'UNKNOWN_OUTCOME', 'BUSY', 'TIMEOUT', 'IN_USE', 'ADDRESS'];

/** What runs as one node. */
export interface NodeKind {
  readonly command: Command;
  readonly runtime: Runtime;
}

interface Node {
  readonly id: number;
  readonly kind: NodeKind;
  readonly directory: string;
  config: Config;
  host: HostProgram | null;
}

export class ScenarioCluster {
  private readonly directory = mkdtempSync(join(tmpdir(), 'polyraft-bindings-'));
  private readonly nodes: Node[];
  private killed: Node | null = null;
  private restarted: Node | null = null;

  private constructor(kinds: readonly NodeKind[], ports: readonly number[], config: Config) {
    const peers = ports.map((port, i) => ({ id: i + 1, url: peerUrl(port) }));
    this.nodes = kinds.map((kind, i) => {
      const directory = join(this.directory, `node${i + 1}`);
      mkdirSync(directory);
      const own = { id: i + 1, cluster_id: 7, waldir: 'wal', snapdir: 'snap', peers };
      return { id: i + 1, kind, directory, config: { ...config, ...own }, host: null };
    });
  }

  /** Runs the scenario to its end, and leaves nothing behind. `kindOf` tells what runs as node 1, 2, ... */
  static async run(scenario: Scenario, config: Config, kindOf: (id: number) => NodeKind): Promise<void> {
    const kinds = Array.from({ length: scenario.nodes }, (_, i) => kindOf(i + 1));
    const cluster = new ScenarioCluster(kinds, await freePorts(scenario.nodes), config);
    try {
      for (const [i, step] of scenario.steps.entries()) {
        try {
          await cluster.carryOut(step);
        } catch (error) {
          throw new Error(`step ${i + 1}, ${JSON.stringify(step)}: ${String(error)}\n${cluster.errors()}`, {
            cause: error,
          });
        }
      }
    } finally {
      await cluster.end();
    }
  }

  private errors(): string {
    return this.nodes
      .map((node) => `node ${node.id}:\n${node.host?.process.errors.slice(-15).join('\n') ?? 'not running'}`)
      .join('\n');
  }

  private async end(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.host?.kill('SIGKILL')));
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 10 });
  }

  private async carryOut(step: Step): Promise<void> {
    const nodes = await this.select(step.node);
    if (step.do === 'same') {
      await this.compare(nodes);
      return;
    }
    await Promise.all(
      nodes.map(async (node) => {
        if (step.expect_error === undefined) {
          await this.carryOutOn(node, step);
          return;
        }
        const { codes, text = '' } = step.expect_error;
        const error: unknown = await this.carryOutOn(node, step).then(
          () => null,
          (reason: unknown) => reason,
        );
        if (error === null) throw new Error(`succeeded, where one of ${codes.join(', ')} was to come`);
        if (!(error instanceof HostError) || !codes.includes(error.code) || !error.text.includes(text))
          throw error;
        if (error.text === '') throw new Error(`${error.code} without a text`);
      }),
    );
  }

  private async select(name: NodeName): Promise<Node[]> {
    const running = this.nodes.filter((node) => node.host !== null);
    switch (name) {
      case 'all':
        return this.nodes;
      case 'running':
        return running;
      case 'leader':
        return [await this.leader()];
      case 'follower': {
        const leader = await this.leader();
        return [running.find((node) => node !== leader)!];
      }
      case 'killed':
        return [this.killed!];
      case 'restarted':
        return [this.restarted!];
      default:
        return [this.nodes[name - 1]!];
    }
  }

  /** The node that says it leads, and that another one follows where there are several. */
  private async leader(): Promise<Node> {
    let found: Node | undefined;
    await this.until('a leader', async () => {
      const running = this.nodes.filter((node) => node.host !== null);
      const states = await Promise.all(
        running.map(async (node) => {
          const status = JSON.parse(await node.host!.ask('status')) as {
            role: string;
            leader: string | number;
          };
          return { node, isLeader: status.role === 'leader', leader: Number(status.leader) };
        }),
      );
      const leaders = states.filter((state) => state.isLeader);
      if (leaders.length !== 1) return false;
      found = leaders[0]!.node;
      return states.every((state) => state.leader === found!.id);
    });
    return found!;
  }

  private async until(what: string, isDone: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + WAIT_TIMEOUT_MS;
    while (!(await isDone())) {
      if (performance.now() > end) throw new Error(`${what}: not within ${WAIT_TIMEOUT_MS} ms`);
      await delay(POLL_MS);
    }
  }

  private launch(node: Node): HostProgram {
    const { command, runtime } = node.kind;
    const name = `${command.language} host ${node.id} (${runtime})`;
    node.host ??= new HostProgram(name, command, node.directory, { POLYRAFT_RUNTIME: runtime });
    return node.host;
  }

  private async carryOutOn(node: Node, step: Exclude<Step, { do: 'same' }>): Promise<void> {
    if (step.do === 'start') {
      const config = { ...node.config, ...step.config };
      await this.launch(node).ask('start', JSON.stringify(config));
      node.config = config;
      return;
    }
    if (step.do === 'restart') {
      const host = this.launch(node);
      // A child that served a killed process holds its directories until it has noticed.
      await repeated(true, () => host.ask('start', JSON.stringify(node.config)));
      this.restarted = node;
      return;
    }
    const host = node.host;
    if (host === null) throw new Error(`node ${node.id} does not run`);
    const isRepeated = step.expect_error === undefined;
    switch (step.do) {
      case 'kill':
        this.killed = node;
        node.host = null;
        await host.kill('SIGKILL');
        break;
      case 'propose':
      case 'propose_async':
        await repeated(isRepeated, () => host.ask(step.do, step.key, step.value, step.timeout_ms));
        break;
      case 'propose_many':
        await Promise.all(
          Array.from({ length: step.count }, (_, i) => {
            const value = String(i).padEnd(step.bytes, 'x');
            return repeated(isRepeated, () =>
              host.ask('propose_async', `${step.key}-${i}`, value, step.timeout_ms),
            );
          }),
        );
        break;
      case 'read_barrier':
      case 'read_barrier_async':
      case 'snapshot':
        await repeated(isRepeated, () => host.ask(step.do, step.timeout_ms));
        break;
      case 'read':
      case 'read_async': {
        const barrier = step.do === 'read' ? 'read_barrier' : 'read_barrier_async';
        await repeated(isRepeated, () => host.ask(barrier, step.timeout_ms));
        const value = await host.ask('get', step.key);
        if (value !== (step.expect ?? ''))
          throw new Error(`node ${node.id} has ${value}, not ${step.expect}`);
        break;
      }
      case 'restored':
        await this.until(`${step.at_least} restores`, async () => {
          return Number((await host.ask('counts')).split(' ')[1]) >= step.at_least;
        });
        break;
      case 'event':
        await this.until(step.event, async () => (await host.ask('events')).split(' ').includes(step.event));
        break;
      default:
        await host.ask(step.do);
    }
  }

  private async compare(nodes: readonly Node[]): Promise<void> {
    const dumps = await Promise.all(
      nodes.map(async ({ host }) => {
        await repeated(true, () => host!.ask('read_barrier', WAIT_TIMEOUT_MS));
        return host!.ask('dump');
      }),
    );
    dumps.forEach((dump, i) => {
      if (dump !== dumps[0])
        throw new Error(`node ${nodes[i]!.id} has ${dump}\nnode ${nodes[0]!.id} has ${dumps[0]}`);
    });
    if (dumps[0] === '') throw new Error('all maps are empty: nothing is compared');
  }
}

async function repeated<T>(isRepeated: boolean, work: () => Promise<T>): Promise<T> {
  const end = performance.now() + WAIT_TIMEOUT_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const isTransient = error instanceof HostError && TRANSIENT.includes(error.code);
      if (!isRepeated || !isTransient || performance.now() > end) throw error;
      await delay(POLL_MS);
    }
  }
}
