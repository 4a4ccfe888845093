/** Three kv_servers with admin endpoints under load, and the states that the page has to show. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../../../scripts/tools/free-ports.ts';
import { LineProcess, run } from '../../../scripts/tools/line-process.ts';
import { withChildren } from '../../../scripts/tools/process-facts.ts';
import { signalAll } from '../../../scripts/tools/signal-all.ts';
import type { ClusterView } from '../../../src-ts/admin/cluster-view.ts';
import type { Runtime } from '../../scenario/figures.ts';
import { KvCluster, type KvNode } from '../../scenario/kv-cluster.ts';
import { eventually, TOKEN } from '../real-cluster.ts';

/** Enough that no test sees its end. */
const ENDLESS = '1000000000';
const VALUES = ['--value-bytes', '100'];
/** One entry a message: catching up is hardly faster than the load, so it can be looked at on any machine. */
const SLOW_CATCH_UP = { max_size_per_msg: 1, max_inflight_msgs: 4 } as const;

const HAMPERED_MS = 100;

export class PageCluster {
  readonly kv: KvCluster;
  private readonly adminPorts: readonly number[];
  private load: LineProcess | null = null;
  private told = 0;
  private window = 0;

  private constructor(kv: KvCluster, adminPorts: readonly number[]) {
    this.kv = kv;
    this.adminPorts = adminPorts;
  }

  static async start(runtime: Runtime, changes: Readonly<Record<string, number>> = {}): Promise<PageCluster> {
    // One more may join.
    const ports = await freePorts(4);
    const kv: KvCluster = new KvCluster(runtime, (id) => ({
      cluster_id: 4711,
      // The one that was away is sent entries, no snapshot.
      snap_count: 100_000_000,
      admin_url: `http://127.0.0.1:${ports[id - 1]!}`,
      admin_token_file: join(kv.directory, 'token'),
      ...SLOW_CATCH_UP,
      ...changes,
    }));
    const cluster = new PageCluster(kv, ports);
    writeFileSync(cluster.tokenFile, `${TOKEN}\n`, { mode: 0o600 });
    await kv.start(3);
    return cluster;
  }

  get tokenFile(): string {
    return join(this.kv.directory, 'token');
  }

  url(id: number, path = '/'): string {
    return `http://127.0.0.1:${this.adminPorts[id - 1]!}${path}`;
  }

  node(id: number): KvNode {
    return this.kv.nodes.find((node) => node.id === id)!;
  }

  async view(id: number): Promise<ClusterView> {
    const response = await fetch(this.url(id, '/cluster'));
    return (await response.json()) as ClusterView;
  }

  /** Writes that go on until they are stopped, so many at a time. */
  startLoad(window: number): void {
    this.window = window;
    const parameters = ['--progress', '--window', String(window), ...VALUES, '--patience', '60000'];
    this.load = new LineProcess('the load', KvCluster.program('kv_client'), [
      ...parameters,
      this.kv.endpoints(),
      'load',
      ENDLESS,
    ]);
    this.load.on('line', (line) => {
      const done = /^progress (\d+) /.exec(line)?.[1];
      if (done !== undefined) this.told = Number(done);
    });
  }

  /** Keys from 0 on whose writes have been acknowledged for certain: the window's last may be answered out of order. */
  get acknowledged(): number {
    return Math.max(0, this.told - this.window);
  }

  /** Reads these keys back from one server. */
  verify(node: KvNode, keys: number): ReturnType<typeof run> {
    const parameters = ['--stay', ...VALUES, '--patience', '20000', this.kv.endpoints([node]), 'verify'];
    return run(KvCluster.program('kv_client'), [...parameters, String(keys)]);
  }

  async stopLoad(): Promise<void> {
    await this.load?.kill('SIGKILL');
    this.load = null;
  }

  /** A node that has a third of the time only, until `work` is done: so it catches up slowly on any machine. */
  async whileHampered(id: number, work: Promise<void>): Promise<void> {
    const pids = withChildren(this.node(id).process.pid);
    let isOver = false;
    const over = work.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      signalAll(pids, 'SIGSTOP');
      await delay(HAMPERED_MS);
      signalAll(pids, 'SIGCONT');
      await delay(HAMPERED_MS / 2);
    }
    await over;
  }

  leader(): Promise<number> {
    return eventually('a leader that tells all roles', async () => {
      const { leader, nodes } = await this.view(1);
      return leader !== null && nodes.every((node) => node.role !== null) ? Number(leader) : null;
    });
  }

  async end(): Promise<void> {
    await this.stopLoad();
    await this.kv.end();
  }
}
