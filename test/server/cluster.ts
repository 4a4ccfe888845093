/** Servers in one process over a network, disks and a clock in memory. */
import { proposalsOf } from '../../src-ts/core/entry-batch.ts';
import type { NodeId } from '../../src-ts/core/node-id.ts';
import { StateType } from '../../src-ts/core/types.ts';
import type { RaftServer, ServerConfig, ServerEnvironment } from '../../src-ts/server/api.ts';
import type { Server } from '../../src-ts/server/raft-server.ts';
import { startServer } from '../../src-ts/server/start-server.ts';
import { MemoryDisk } from '../../src-ts/storage/memory-disk.ts';
import { MemoryNetwork } from '../../src-ts/transport/memory-network.ts';
import { FakeHost } from './fake-host.ts';
import { seeded, VirtualClock } from './virtual-clock.ts';

export interface Member {
  readonly id: NodeId;
  readonly disk: MemoryDisk;
  readonly host: FakeHost;
  server: RaftServer | null;
  config: ServerConfig;
}

export const urlOf = (id: NodeId): string => `http://127.0.0.1:${20000 + id}`;

const DEFAULTS: Omit<ServerConfig, 'id' | 'peers' | 'join'> = {
  clusterId: 7n,
  walDirectory: '/data/wal',
  snapDirectory: '/data/snap',
  tickMs: 10,
  electionTick: 10,
  heartbeatTick: 1,
  bootstrapTimeoutMs: 1000,
  snapCount: 0,
  snapshotEntries: 20,
  manualSnap: false,
  maxSizePerMsg: 64 * 1024,
  maxInflightMsgs: 16,
  maxProposalBytes: 1024 * 1024,
  maxSnapFiles: 0,
  maxWalFiles: 0,
  purgeFileIntervalMs: 1000,
  preVote: true,
  checkQuorum: true,
};

export class Cluster {
  readonly clock = new VirtualClock();
  readonly random: (bound: number) => number;
  readonly network: MemoryNetwork;
  readonly members = new Map<NodeId, Member>();
  readonly log: string[] = [];
  private nextSequence = 1;
  /** By sequence: what was proposed, and where. */
  readonly proposed = new Map<number, { readonly id: NodeId; readonly text: string }>();

  constructor(seed = 1) {
    this.random = seeded(seed);
    this.network = new MemoryNetwork({ clock: this.clock, random: this.random, encode: true });
  }

  static async of(count: number, overrides: Partial<ServerConfig> = {}, seed = 1): Promise<Cluster> {
    const cluster = new Cluster(seed);
    const ids = Array.from({ length: count }, (_, i) => i + 1);
    for (const id of ids) cluster.define(id, ids, overrides);
    for (const id of ids) await cluster.start(id);
    return cluster;
  }

  define(id: NodeId, peers: readonly NodeId[], overrides: Partial<ServerConfig> = {}): Member {
    const config: ServerConfig = {
      ...DEFAULTS,
      id,
      peers: peers.map((peer) => ({ id: peer, url: urlOf(peer) })),
      join: false,
      ...overrides,
    };
    const member: Member = { id, disk: new MemoryDisk(), host: new FakeHost(), server: null, config };
    this.members.set(id, member);
    return member;
  }

  private environment(member: Member): ServerEnvironment {
    const line = (level: string) => (text: string) => {
      this.log.push(`${this.clock.now()} ${member.id} ${level} ${text}`);
    };
    const logger = {
      debug: line('debug'),
      info: line('info'),
      warning: line('warning'),
      error: line('error'),
    };
    return {
      disk: member.disk,
      binding: null,
      clock: this.clock,
      random: this.random,
      logger,
      runtime: 'test',
      version: '0.0.0',
      createTransport: (config, peers, events) =>
        this.network.createTransport({
          clusterId: config.clusterId,
          id: config.id,
          localUrl: urlOf(config.id),
          peers,
          events,
          logger,
        }),
    };
  }

  member(id: NodeId): Member {
    return this.members.get(id)!;
  }

  host(id: NodeId): FakeHost {
    return this.member(id).host;
  }

  server(id: NodeId): Server {
    return this.member(id).server as Server;
  }

  async start(id: NodeId, appliedIndex = this.host(id).appliedTo): Promise<void> {
    const member = this.member(id);
    const starting = startServer(member.config, this.environment(member), member.host, { appliedIndex });
    let failure: unknown = null;
    let done = false;
    starting.then(
      (server) => {
        member.server = server;
        member.host.server = server;
        done = true;
      },
      (error: unknown) => {
        failure = error;
        done = true;
      },
    );
    for (let i = 0; i < 2000 && !done; i++) await this.step();
    if (failure !== null) throw failure;
    if (!done) throw new Error(`server ${id} does not start`);
  }

  /** kill -9 of the process (`power`: of the machine). The host keeps its state only if it says so. */
  async kill(
    id: NodeId,
    how: { readonly power?: boolean; readonly keepsState?: boolean } = {},
  ): Promise<void> {
    const member = this.member(id);
    if (how.power === true) member.disk.crash(this.random);
    else member.disk.kill();
    const { server } = member;
    member.server = null;
    member.host.server = null;
    // The old engine is gone: what it still says reaches nobody (its disk is dead, its address is free).
    if (server !== null) {
      const silenced = server as Server;
      Object.assign(silenced, { port: new FakeHost() });
      await silenced.stop(false).catch(() => undefined);
    }
    if (how.keepsState === true) member.host.engineDied();
    else member.host.forget();
  }

  /** One millisecond, with everything that it brings. */
  async step(): Promise<void> {
    this.clock.advance(1);
    await new Promise<void>((resolve) => setImmediate(resolve));
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  async run(ms: number): Promise<void> {
    for (let i = 0; i < ms; i++) await this.step();
  }

  async until(condition: () => boolean, what: string, limitMs = 5000): Promise<void> {
    for (let i = 0; i < limitMs; i++) {
      if (condition()) return;
      await this.step();
    }
    if (condition()) return;
    const states = [...this.members.values()].map(
      (member) => member.server?.statusJson() ?? `${member.id} down`,
    );
    throw new Error(
      `${what} did not come within ${limitMs} ms\n${states.join('\n')}\n${this.log.slice(-40).join('\n')}`,
    );
  }

  get running(): Member[] {
    return [...this.members.values()].filter((member) => member.server !== null);
  }

  /** The leader of the highest term; 0 when nobody leads. */
  leader(): NodeId {
    let leader: NodeId = 0;
    let term = 0;
    for (const member of this.running) {
      const server = this.server(member.id);
      if (server.phase !== 'running' || server.node.state !== StateType.Leader || server.node.term <= term)
        continue;
      leader = member.id;
      term = server.node.term;
    }
    return leader;
  }

  async elected(limitMs = 5000): Promise<NodeId> {
    await this.until(
      () => {
        const leader = this.leader();
        return leader !== 0 && this.running.every((member) => this.server(member.id).node.lead === leader);
      },
      'an election',
      limitMs,
    );
    return this.leader();
  }

  /** Proposes texts at a server; returns their sequences. */
  propose(id: NodeId, texts: readonly string[]): number[] {
    const encoder = new TextEncoder();
    const sequences = texts.map((text) => {
      const sequence = this.nextSequence++;
      this.proposed.set(sequence, { id, text });
      return sequence;
    });
    this.server(id).propose(
      proposalsOf(texts.map((text) => encoder.encode(text))),
      Float64Array.from(sequences),
    );
    return sequences;
  }

  texts(id: NodeId): string[] {
    return this.host(id).applied.map(({ text }) => text);
  }

  decided(sequences: readonly number[]): boolean {
    return sequences.every((sequence) => this.outcome(sequence) !== undefined);
  }

  outcome(sequence: number): number | undefined {
    const { id } = this.proposed.get(sequence)!;
    return this.host(id).results.get(sequence)?.[0]?.code;
  }

  async converged(
    ids: readonly NodeId[] = this.running.map(({ id }) => id),
    limitMs = 10_000,
  ): Promise<void> {
    await this.until(
      () => {
        const commit = Math.max(...ids.map((id) => this.server(id).node.committed));
        return ids.every((id) => this.host(id).appliedTo === commit);
      },
      'the same state everywhere',
      limitMs,
    );
  }

  async stop(): Promise<void> {
    for (const member of this.running) {
      const stopping = member.server!.stop(false);
      member.server = null;
      await stopping;
    }
  }
}
