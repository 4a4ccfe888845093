/** Servers on real files and sockets in this process, each with an admin endpoint. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { proposalsOf } from '../../src-ts/core/entry-batch.ts';
import { parseConfig } from '../../src-ts/facade/config/parse-config.ts';
import { NodeEnvironment } from '../../src-ts/facade/node-environment.ts';
import type { RaftServer } from '../../src-ts/server/api.ts';
import { startServer } from '../../src-ts/server/start-server.ts';
import { FakeHost } from '../server/fake-host.ts';

export const TOKEN = 'correct-horse-battery-staple';

export async function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
  limitMs = 30_000,
): Promise<NonNullable<T>> {
  const end = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`${what} did not come within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export class RealCluster {
  readonly directory = mkdtempSync(join(tmpdir(), 'polyraft-admin-'));
  readonly servers = new Map<number, RaftServer>();
  readonly hosts = new Map<number, FakeHost>();
  readonly lines: string[] = [];
  readonly debugLines: string[] = [];
  private readonly environment = new NodeEnvironment(null, 'node', '0.0.0-test');
  private readonly changes: Readonly<Record<string, unknown>>;
  private raftPorts: number[] = [];
  private adminPorts: number[] = [];
  private sequence = 0;

  private constructor(changes: Readonly<Record<string, unknown>>) {
    this.changes = changes;
  }

  /** `spare` more have ports, and may join. */
  static async of(
    count: number,
    changes: Readonly<Record<string, unknown>> = {},
    spare = 0,
  ): Promise<RealCluster> {
    const cluster = new RealCluster(changes);
    const ports = await freePorts(2 * (count + spare));
    cluster.raftPorts = ports.slice(0, count + spare);
    cluster.adminPorts = ports.slice(count + spare);
    writeFileSync(cluster.tokenFile, `${TOKEN}\n`, { mode: 0o600 });
    for (let id = 1; id <= count; id++) await cluster.start(id, count);
    return cluster;
  }

  get tokenFile(): string {
    return join(this.directory, 'token');
  }

  raftUrl(id: number): string {
    const scheme = 'peer_tls' in this.changes ? 'https' : 'http';
    return `${scheme}://127.0.0.1:${this.raftPorts[id - 1]}`;
  }

  raftPort(id: number): number {
    return this.raftPorts[id - 1]!;
  }

  adminPort(id: number): number {
    return this.adminPorts[id - 1]!;
  }

  url(id: number, path = ''): string {
    const scheme = 'admin_tls' in this.changes ? 'https' : 'http';
    return `${scheme}://127.0.0.1:${this.adminPorts[id - 1]}${path}`;
  }

  configText(id: number, count: number, join_ = false): string {
    return JSON.stringify({
      id,
      cluster_id: 9,
      waldir: join(this.directory, `wal${id}`),
      snapdir: join(this.directory, `snap${id}`),
      tickms: 50,
      boostrap_timeout: 5,
      join: join_,
      peers: Array.from({ length: join_ ? id : count }, (_, i) => ({ id: i + 1, url: this.raftUrl(i + 1) })),
      admin_url: this.url(id),
      admin_token_file: this.tokenFile,
      ...this.changes,
    });
  }

  async start(id: number, count = this.servers.size, join_ = false): Promise<void> {
    const host = this.hosts.get(id) ?? new FakeHost();
    const line = (text: string): void => void this.lines.push(`${id} ${text}`);
    const debug = (text: string): void => void this.debugLines.push(text);
    const logger = { debug, info: line, warning: line, error: line };
    const { config } = parseConfig(this.configText(id, count, join_));
    const server = await startServer(config, this.environment.for(logger), host, {
      appliedIndex: host.appliedTo,
    });
    host.server = server;
    this.hosts.set(id, host);
    this.servers.set(id, server);
  }

  async stop(id: number): Promise<void> {
    const server = this.servers.get(id);
    this.servers.delete(id);
    await server?.stop(false);
  }

  leader(): Promise<number> {
    return eventually('a leader that all agree on', () => {
      const known = new Set([...this.servers.values()].map((server) => server.figures().leader));
      const [leader] = known;
      return known.size === 1 && leader !== 0n ? Number(leader) : null;
    });
  }

  async commit(count: number, bytes = 100): Promise<void> {
    const leader = this.servers.get(await this.leader())!;
    const before = leader.figures().commitIndex;
    for (let done = 0; done < count; done += 100) {
      const size = Math.min(100, count - done);
      const payloads = Array.from({ length: size }, () =>
        Buffer.from(`${this.sequence++} `.padEnd(bytes, 'x')),
      );
      leader.propose(proposalsOf(payloads), new Float64Array(size).fill(-1));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually('the commits', () => leader.figures().commitIndex >= before + count);
  }

  async close(): Promise<void> {
    await Promise.all([...this.servers.values()].map((server) => server.stop(false)));
    rmSync(this.directory, { recursive: true, force: true });
  }
}
