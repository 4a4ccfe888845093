/** Clients that write and read registers on all nodes until a history is long enough. */
import { setTimeout as delay } from 'node:timers/promises';
import type { LinkedCluster, Node } from './cluster.ts';
import { History, now } from './history.ts';

const CLIENTS = 6;
export const KEYS = 8;
const PUT_TIMEOUT_MS = 1_500;
const GET_TIMEOUT_MS = 5_000;
const PAUSE_MS_MAX = 20;
const POLL_MS = 10;
/** More than an election takes, so that a leader that is cut off is replaced. */
const ISOLATED_MS = 700;

export interface Workload {
  readonly cluster: LinkedCluster;
  readonly operations: number;
  /** Each history has registers of its own, so a put whose outcome is unknown disturbs no later one. */
  readonly firstKey: number;
  /** `local` reads what the node holds, without a barrier. */
  readonly read: 'get' | 'local';
}

export class Clients {
  readonly history = new History();
  private readonly workload: Workload;
  private lastValue = 0;
  private clients = 0;

  constructor(workload: Workload) {
    this.workload = workload;
  }

  get isOver(): boolean {
    return this.history.operations.length >= this.workload.operations;
  }

  /** Differs from history to history. */
  get offset(): number {
    return Math.floor(this.workload.firstKey / KEYS);
  }

  /** Until so much of the history is there. */
  async reaches(share: number): Promise<void> {
    while (this.history.operations.length < share * this.workload.operations) await delay(POLL_MS);
  }

  async run(): Promise<History> {
    await Promise.all(Array.from({ length: CLIENTS }, (_, i) => this.client(i)));
    return this.history;
  }

  private async client(number: number): Promise<void> {
    const { nodes } = this.workload.cluster;
    let id = this.clients++;
    for (let turn = number; !this.isOver; turn++) {
      const node = nodes[turn % nodes.length]!;
      const key = this.workload.firstKey + Math.floor(Math.random() * KEYS);
      const isKnown = Math.random() < 0.5 ? await this.put(id, node, key) : await this.get(id, node, key);
      // Its put may still be under way: a client does one thing at a time.
      if (!isKnown) id = this.clients++;
      await delay(Math.random() * PAUSE_MS_MAX);
    }
  }

  private async put(client: number, node: Node, key: number): Promise<boolean> {
    const value = ++this.lastValue;
    const call = now();
    const answer = await node.ask(`put ${key} ${value}`, PUT_TIMEOUT_MS);
    if (answer?.kind === 'no') {
      this.history.refused++;
      return true;
    }
    const isKnown = answer?.kind === 'ok';
    this.history.add({ client, kind: 'put', key, value, call, return: isKnown ? now() : null });
    return isKnown;
  }

  private async get(client: number, node: Node, key: number): Promise<boolean> {
    const call = now();
    const answer = await node.ask(`${this.workload.read} ${key}`, GET_TIMEOUT_MS);
    if (answer?.kind === 'ok')
      this.history.add({ client, kind: 'get', key, value: answer.value, call, return: now() });
    else this.history.refused++;
    return true;
  }
}

const FAULTS = ['kill', 'cut', 'silent'] as const;

/**
 * Breaks the cluster `faults` times, spread evenly over what the clients get done, so that a slow machine has no more of
 * them in a history than a quick one. Resolves when the clients are done and all is whole again.
 */
export async function disturb(cluster: LinkedCluster, clients: Clients, faults: number): Promise<string[]> {
  const told: string[] = [];
  for (let fault = 1; fault <= faults; fault++) {
    await clients.reaches(fault / (faults + 1));
    const leader = await cluster.leader();
    const node =
      Math.random() < 0.7 ? leader : cluster.nodes[Math.floor(Math.random() * cluster.nodes.length)]!;
    const kind = FAULTS[(fault - 1 + clients.offset) % FAULTS.length]!;
    told.push(`${kind} ${node.id}${node === leader ? ', the leader' : ''}`);
    if (kind === 'kill') {
      await node.kill();
      await delay(Math.random() * 300);
      await cluster.startNode(node);
    } else {
      cluster.isolate(node, kind);
      await delay(ISOLATED_MS + Math.random() * ISOLATED_MS);
      cluster.mend();
    }
  }
  return told;
}
