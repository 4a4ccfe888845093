/**
 * `polyraft bench`: a short load on a small cluster in this process, with real files and real sockets. It measures the
 * machine and the engine; bench/ measures the whole, with a host program and beside other systems.
 */
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { grouped } from '../admin/units.ts';
import { ErrorCode } from '../core/codes.generated.ts';
import { proposalsOf } from '../core/entry-batch.ts';
import { parseConfig } from '../facade/config/parse-config.ts';
import { NodeEnvironment } from '../facade/node-environment.ts';
import type { RaftServer } from '../server/api.ts';
import { startServer } from '../server/start-server.ts';
import { BenchHost } from './bench-host.ts';
import { ExitCode, type Output } from './output.ts';
import { measureSyncs, quantilesOf, type SyncLatency } from './sync-latency.ts';
import { counted, table, wrapped } from './table.ts';
import { withTemporaryDirectory } from './temporary.ts';

export interface BenchOptions {
  readonly nodes: number;
  /** Of each of the two parts. */
  readonly seconds: number;
  readonly bytes: number;
  /** Proposals in flight in the second part. */
  readonly window: number;
  readonly directory: string | undefined;
  readonly json: boolean;
}

const LEADER_MS = 30_000;
const SYNCS = 200;
const OUTCOME_MS = 30_000;

interface Node {
  readonly server: RaftServer;
  readonly host: BenchHost;
}

export function bench(options: BenchOptions, output: Output): Promise<ExitCode> {
  const place = resolve(options.directory ?? tmpdir());
  return withTemporaryDirectory(join(place, 'polyraft-bench-'), async (directory) => {
    const nodes: Node[] = [];
    try {
      output.progress?.('measuring the disk');
      const sync = await measureSyncs(directory, SYNCS);
      output.progress?.(`starting ${counted(options.nodes, 'node')}`);
      await startNodes(directory, options.nodes, nodes);
      const leader = await leaderOf(nodes);
      const alone = await loadFor(leader, options, 1, 'one in flight', output);
      const deep = await loadFor(leader, options, options.window, `${options.window} in flight`, output);
      report(options, sync, alone, deep, output);
      return ExitCode.Fine;
    } finally {
      output.progress?.('');
      await Promise.all(nodes.map(({ server }) => server.stop(false)));
    }
  });
}

function report(options: BenchOptions, sync: SyncLatency, alone: Load, deep: Load, output: Output): void {
  if (options.json) {
    const result = {
      nodes: options.nodes,
      proposal_bytes: options.bytes,
      disk_sync_ms: { p50: sync.p50Ms, p99: sync.p99Ms },
      one_in_flight: alone,
      window_in_flight: { window: options.window, ...deep },
    };
    output.line(JSON.stringify(result));
    return;
  }
  const summary =
    `${counted(options.nodes, 'node')} in this process, proposals of ${counted(options.bytes, 'byte')}; a sync of this ` +
    `disk takes ${sync.p50Ms.toFixed(2)} ms (median), ${sync.p99Ms.toFixed(2)} ms (1 in 100)`;
  for (const line of wrapped(summary, output.columns)) output.line(line);
  output.line('');
  const row = (name: string, load: Load): string[] => [
    name,
    grouped(load.commits_per_second),
    load.p50_ms.toFixed(2),
    load.p99_ms.toFixed(2),
  ];
  const head = ['load', 'commits/s', 'median ms', '1 in 100 ms'];
  const rows = [row('one in flight', alone), row(`${options.window} in flight`, deep)];
  for (const line of table(head, rows, output.columns)) output.line(line);
}

async function startNodes(directory: string, count: number, nodes: Node[]): Promise<void> {
  const environment = new NodeEnvironment(null, 'node', 'bench');
  const silent = (): void => undefined;
  const logger = { debug: silent, info: silent, warning: silent, error: silent };
  const ports = await freePorts(count);
  const peers = ports.map((port, i) => ({ id: i + 1, url: `http://127.0.0.1:${port}` }));
  for (const { id } of peers) {
    const { config } = parseConfig(
      JSON.stringify({
        id,
        waldir: join(directory, `wal${id}`),
        snapdir: join(directory, `snap${id}`),
        boostrap_timeout: 10,
        peers,
      }),
    );
    const host = new BenchHost();
    nodes.push({
      host,
      server: await startServer(config, environment.for(logger), host, { appliedIndex: 0 }),
    });
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((done, failed) => {
        server.once('error', failed);
        server.listen(0, '127.0.0.1', () => {
          done(server);
        });
      });
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

async function leaderOf(nodes: readonly Node[]): Promise<Node> {
  const end = performance.now() + LEADER_MS;
  for (;;) {
    const leader = nodes.find(({ server }) => server.figures().role === 'leader');
    if (leader !== undefined) return leader;
    if (performance.now() > end) throw new Error(`no leader was elected within ${LEADER_MS / 1000} s`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

interface Load {
  readonly commits_per_second: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
}

async function loadFor(
  { server, host }: Node,
  options: BenchOptions,
  window: number,
  name: string,
  output: Output,
): Promise<Load> {
  const payload = Buffer.alloc(options.bytes, 'x');
  const begunAt = new Map<number, number>();
  const times: number[] = [];
  const begun = performance.now();
  const end = begun + options.seconds * 1000;
  while (performance.now() < end || begunAt.size > 0) {
    const now = performance.now();
    const room = now < end ? window - begunAt.size : 0;
    if (room > 0) {
      const sequences = Float64Array.from({ length: room }, () => host.nextSequence());
      for (const sequence of sequences) begunAt.set(sequence, now);
      server.propose(proposalsOf(Array.from({ length: room }, () => payload)), sequences);
    }
    for (const { sequence, code } of await host.decided(OUTCOME_MS)) {
      if (code !== ErrorCode.OK)
        throw new Error(`a proposal ended with code ${code}: is the machine too busy?`);
      const at = begunAt.get(sequence);
      begunAt.delete(sequence);
      if (at !== undefined) times.push(performance.now() - at);
    }
    output.progress?.(`${name}, ${grouped(times.length)} commits`, (now - begun) / (options.seconds * 1000));
  }
  const { p50Ms, p99Ms } = quantilesOf(times);
  return {
    commits_per_second: Math.round((times.length * 1000) / (performance.now() - begun)),
    p50_ms: Math.round(p50Ms * 100) / 100,
    p99_ms: Math.round(p99Ms * 100) / 100,
  };
}
