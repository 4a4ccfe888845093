// The engine's process and the host's: how each takes what happens to the other, and to both.
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { childrenOf } from '../../scripts/tools/process-facts.ts';
import { Cluster } from './cluster.ts';
import { EVENT_ENGINE_DIED, EVENT_ENGINE_RESTARTED, type Host } from './host.ts';
import { waitUntil } from './wait-until.ts';

let cluster: Cluster | null = null;
afterEach(async () => {
  await cluster?.end();
  cluster = null;
});

function engineOf(host: Host): number {
  const engines = childrenOf(host.process.pid);
  expect(engines, 'the host has one child: its engine').toHaveLength(1);
  return engines[0]!;
}

function isRunning(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

test('signals that a terminal or a service manager sends to the group do not end the engine', async () => {
  cluster = await Cluster.start({ runtime: 'process', nodes: 1 });
  const [host] = cluster.running;
  await cluster.leader();
  const engine = engineOf(host!);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGPIPE'] as const)
    process.kill(engine, signal);
  await delay(300);
  await cluster.load(cluster.nodes[0]!, { threads: 2, window: 4, bytes: 64, pauseUs: 1000 });
  await delay(300);
  expect((await host!.quiet()).acknowledged).toBeGreaterThan(0);
  expect(engineOf(host!)).toBe(engine);
  expect(host!.hasEvent(EVENT_ENGINE_DIED)).toBe(false);
}, 60_000);

test('an engine ends when its host is killed, and its directory and address are free again', async () => {
  cluster = await Cluster.start({ runtime: 'process', nodes: 1 });
  const node = cluster.nodes[0]!;
  await cluster.leader();
  for (let round = 0; round < 3; round++) {
    const engine = engineOf(node.host!);
    await cluster.load(node, { threads: 2, window: 8, bytes: 64, pauseUs: 0 });
    await delay(100);
    await cluster.killNode(node);
    await waitUntil('the engine ends', 5000, () => !isRunning(engine));
    await cluster.startNode(node);
    await cluster.leader();
  }
}, 60_000);

test('the host is told of an engine that crashed, and it is started again', async () => {
  cluster = await Cluster.start({ runtime: 'process', nodes: 1 });
  const [host] = cluster.running;
  await cluster.leader();
  const engine = engineOf(host!);
  // A signal that a program error raises, too.
  process.kill(engine, 'SIGSEGV');
  await waitUntil('the engine again', 20_000, () => host!.hasEvent(EVENT_ENGINE_RESTARTED));
  expect(host!.events.find((event) => event.code === EVENT_ENGINE_DIED)?.text).toContain('signal 11');
  expect(engineOf(host!)).not.toBe(engine);
  await cluster.leader();
}, 60_000);
