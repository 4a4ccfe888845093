/**
 * Reads are never stale. Each key has one writer, which counts up; so a read must answer at least what had been
 * acknowledged when it was sent, at most what had been sent when it was answered. Leaders are killed, and stopped for
 * longer than an election: one that goes on then does not know yet that it was replaced.
 */
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { LineProcess } from '../../scripts/tools/line-process.ts';
import { withChildren } from '../../scripts/tools/process-facts.ts';
import { signalAll } from '../../scripts/tools/signal-all.ts';
import { figure, runtimes } from './figures.ts';
import { KvCluster, type KvNode } from './kv-cluster.ts';
import { waitUntil } from './wait-until.ts';

const FAULTS = figure(4, 40);
const KEYS = 4;
/** Longer than an election takes, so that a stopped leader is replaced. */
const STOPPED_MS = 4_000;
const WRITE_TIMEOUT_MS = 300;
const READ_TIMEOUT_MS = 15_000;
const PAUSE_MS = 5;

/** Requests and answers by id; null is: no answer. */
class Requests {
  private readonly node: KvNode;
  private socket: Socket | null = null;
  private readonly waiting = new Map<string, (answer: string | null) => void>();

  constructor(node: KvNode) {
    this.node = node;
  }

  private open(): Socket {
    const socket = connect(this.node.clientPort, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.once('close', () => {
      if (this.socket === socket) this.forget();
    });
    const lines = createInterface({ input: socket });
    lines.on('error', () => undefined);
    lines.on('line', (line) => {
      const space = line.indexOf(' ');
      this.waiting.get(line.slice(0, space))?.(line.slice(space + 1));
    });
    return socket;
  }

  private forget(): void {
    this.socket = null;
    for (const answer of [...this.waiting.values()]) answer(null);
  }

  ask(client: number, sequence: number, request: string, timeoutMs: number): Promise<string | null> {
    this.socket ??= this.open();
    const id = `${client}.${sequence}`;
    const { socket } = this;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        finish(null);
      }, timeoutMs);
      const finish = (answer: string | null): void => {
        clearTimeout(timer);
        this.waiting.delete(id);
        resolve(answer);
      };
      this.waiting.set(id, finish);
      socket.write(`${id} ${request}\n`);
    });
  }

  end(): void {
    this.socket?.destroy();
    this.forget();
  }
}

class Register {
  readonly key: string;
  sent = 0;
  acknowledged = 0;

  constructor(key: string) {
    this.key = key;
  }
}

class History {
  readonly registers = Array.from({ length: KEYS }, (_, i) => new Register(`register-${i}`));
  readonly stale: string[] = [];
  reads = 0;
  writes = 0;
  isOver = false;

  /** The same write under the same id, to one server after the other, until it is acknowledged; then the next. */
  async write(register: Register, client: number, servers: readonly Requests[]): Promise<void> {
    for (let turn = client; !this.isOver; turn++) {
      if (register.sent === register.acknowledged) register.sent++;
      const value = register.sent;
      const server = servers[turn % servers.length]!;
      const answer = await server.ask(client, value, `SET ${register.key} ${value}`, WRITE_TIMEOUT_MS);
      if (answer === 'OK') {
        register.acknowledged = value;
        this.writes++;
      }
      await delay(PAUSE_MS);
    }
  }

  async read(node: KvNode, client: number, server: Requests): Promise<void> {
    for (let sequence = 1; !this.isOver; sequence++) {
      const register = this.registers[sequence % KEYS]!;
      const atLeast = register.acknowledged;
      const answer = await server.ask(client, sequence, `GET ${register.key}`, READ_TIMEOUT_MS);
      if (answer !== null) this.check(node, register, atLeast, answer);
      await delay(PAUSE_MS);
    }
  }

  private check(node: KvNode, register: Register, atLeast: number, answer: string): void {
    const value = answer.startsWith('OK ')
      ? Number(answer.slice(3))
      : answer.startsWith('ERR NOKEY')
        ? 0
        : -1;
    if (value < 0) return;
    this.reads++;
    if (value < atLeast || value > register.sent) {
      this.stale.push(`server ${node.id}: ${register.key} is ${value}, not ${atLeast} to ${register.sent}`);
    }
  }
}

describe.each(runtimes())('%s runtime', (runtime) => {
  let cluster: KvCluster | null = null;
  const connections: Requests[] = [];
  afterEach(async () => {
    for (const connection of connections.splice(0)) connection.end();
    await cluster?.end();
    cluster = null;
  });

  function connectTo(node: KvNode): Requests {
    const requests = new Requests(node);
    connections.push(requests);
    return requests;
  }

  async function leaderOf(nodes: readonly KvNode[], except: KvNode | null): Promise<KvNode> {
    const probes = nodes.map((node) => ({ node, requests: connectTo(node) }));
    let leader: KvNode | undefined;
    let sequence = 0;
    await waitUntil('a leader', 60_000, async () => {
      sequence++;
      const answers = await Promise.all(
        probes.map(async ({ node, requests }) => ({
          node,
          answer: await requests.ask(1, sequence, 'LEADER', 500),
        })),
      );
      leader = answers.find(
        ({ node, answer }) => node !== except && answer?.endsWith('role=leader') === true,
      )?.node;
      return leader !== undefined;
    });
    for (const { requests } of probes) requests.end();
    return leader!;
  }

  async function stopForAWhile(node: KvNode, nodes: readonly KvNode[]): Promise<void> {
    const pids = withChildren(node.process.pid);
    signalAll(pids, 'SIGSTOP');
    const next = leaderOf(nodes, node);
    await delay(STOPPED_MS);
    await next;
    signalAll(pids, 'SIGCONT');
  }

  async function killAndRestart(node: KvNode, directory: string): Promise<void> {
    await node.process.kill('SIGKILL');
    const config = join(directory, `config${node.id}.json`);
    const args = [config, String(node.clientPort)];
    node.process = new LineProcess(`kv_server ${node.id}`, KvCluster.program('kv_server'), args, {
      cwd: directory,
      environment: { POLYRAFT_RUNTIME: runtime },
    });
    await cluster!.waitFor(node, 'ready');
  }

  test(
    `no read is stale while leaders are stopped and killed ${FAULTS} times`,
    async () => {
      cluster = new KvCluster(runtime, { snap_count: 500, snapshot_entries: 200 });
      await cluster.start(3);
      const { nodes, directory } = cluster;
      const history = new History();
      const loops: Promise<void>[] = [];
      history.registers.forEach((register, i) => {
        loops.push(history.write(register, 100 + i, nodes.map(connectTo)));
      });
      for (const node of nodes) {
        for (let i = 0; i < 2; i++) loops.push(history.read(node, 200 + 10 * node.id + i, connectTo(node)));
      }
      for (let fault = 0; fault < FAULTS; fault++) {
        await delay(300 + Math.random() * 700);
        const leader = await leaderOf(nodes, null);
        if (fault % 2 === 0) await stopForAWhile(leader, nodes);
        else await killAndRestart(leader, directory);
      }
      await delay(1_000);
      history.isOver = true;
      await Promise.all(loops);
      expect(history.stale).toEqual([]);
      expect(history.reads).toBeGreaterThan(FAULTS * 50);
      expect(history.writes).toBeGreaterThan(FAULTS * 10);
      console.log(`${runtime}: ${history.writes} writes, ${history.reads} reads, none stale`);
    },
    120_000 + FAULTS * 30_000,
  );
});
