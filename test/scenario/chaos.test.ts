/** Everything at once, in an order that a seed decides: POLYRAFT_CHAOS_SEED replays the order (not the moments). */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { childrenOf, withChildren } from '../../scripts/tools/process-facts.ts';
import { signalAll } from '../../scripts/tools/signal-all.ts';
import { Cluster, type Node } from './cluster.ts';
import { figure, runtimes } from './figures.ts';
import { randomOf } from './random.ts';
import { HostError } from './line-host.ts';

const STEPS = figure(12, 300);
const CONFIG = {
  snap_count: 200,
  snapshot_entries: 100,
  max_snap_files: 2,
  max_wal_files: 2,
  purge_file_interval: 1,
};
const LOAD = { threads: 3, window: 8, bytes: 200, pauseUs: 1000 };

class Chaos {
  private readonly cluster: Cluster;
  private readonly random: (bound: number) => number;

  constructor(cluster: Cluster, random: (bound: number) => number) {
    this.cluster = cluster;
    this.random = random;
  }

  async step(): Promise<string> {
    const node = this.cluster.nodes[this.random(this.cluster.nodes.length)]!;
    const other = this.cluster.nodes[node.id % this.cluster.nodes.length]!;
    switch (this.random(8)) {
      case 0:
        await this.restart([node]);
        return `kill ${node.id}`;
      case 1:
        await this.restart([await this.cluster.leader()]);
        return 'kill the leader';
      case 2:
        await this.restart([node, other]);
        return `kill ${node.id} and ${other.id}`;
      case 3:
        await this.restart(this.cluster.nodes);
        return 'kill all';
      case 4:
        signalAll(childrenOf(node.host!.process.pid), 'SIGKILL');
        return `kill the engine of ${node.id}`;
      case 5:
        return this.pause(node);
      case 6:
        await node.host!.command(`block apply ${500 + this.random(2000)}`);
        return `block ${node.id}`;
      default:
        return this.snapshot(node);
    }
  }

  private async restart(nodes: readonly Node[]): Promise<void> {
    await Promise.all(nodes.map((node) => this.cluster.killNode(node)));
    await delay(this.random(300));
    await Promise.all(nodes.map((node) => this.cluster.startNode(node)));
    for (const node of nodes) await this.cluster.load(node, LOAD);
  }

  /** A virtual machine that is moved, a disk that hangs: time passes, and the process does not notice. */
  private async pause(node: Node): Promise<string> {
    const { pid } = node.host!.process;
    const pids = withChildren(pid);
    const milliseconds = 200 + this.random(4000);
    signalAll(pids, 'SIGSTOP');
    await delay(milliseconds);
    signalAll(pids, 'SIGCONT');
    return `pause ${node.id} for ${milliseconds} ms`;
  }

  private async snapshot(node: Node): Promise<string> {
    try {
      await node.host!.command('snapshot');
      return `snapshot of ${node.id}`;
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      return `no snapshot of ${node.id}: ${error.message}`;
    }
  }
}

describe.each(runtimes())('%s runtime', (runtime) => {
  let cluster: Cluster | null = null;
  afterEach(async () => {
    await cluster?.end();
    cluster = null;
  });

  test(
    `${STEPS} faults in random order lose nothing`,
    async () => {
      const seed = Number(process.env.POLYRAFT_CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 32));
      const told = [`${runtime}, seed ${seed}`];
      try {
        cluster = await Cluster.start({ runtime, nodes: 3, config: CONFIG });
        const chaos = new Chaos(cluster, randomOf(seed));
        await cluster.leader();
        await cluster.loadAll(LOAD);
        for (let step = 0; step < STEPS; step++) {
          told.push(await chaos.step());
          await delay(Math.random() * 1000);
        }
        // Faults are off: the cluster must work again, and for every node.
        await cluster.leader();
        await delay(2000);
        for (const host of cluster.running) await host.quiet();
        const { acknowledged, digest } = await cluster.expectNothingLost();
        expect(acknowledged).toBeGreaterThan(0);
        told.push(`${acknowledged} acknowledged, ${digest.count} applied`);
      } catch (error) {
        throw new Error(`after: ${told.slice(-30).join('; ')}`, { cause: error });
      }
      console.log(`${told[0]!}: ${told.at(-1)!}`);
    },
    120_000 + STEPS * 15_000,
  );
});
