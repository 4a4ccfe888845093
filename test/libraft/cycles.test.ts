// Commands whose futures are disposed of, millions of them: neither the program nor its engine grows.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { figure } from '../scenario/figures.ts';
import { waitUntil } from '../scenario/wait-until.ts';
import { LibraftHost, MILLISECOND } from './cluster.ts';

const CYCLES = figure(60_000, 10_000_000);
const PIECES = 20;
/** Pieces at the beginning, in which buffers, heaps and the log between two snapshots reach their size. */
const WARM_UP = 10;
const WINDOW = 256;
const BYTES = 64;
const GROWTH_MIB_MAX = 32;

function residentMib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
}

function most(values: readonly number[]): number {
  return Math.max(...values);
}

test(
  `${CYCLES} cycles of apply and dispose leave nothing behind`,
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'polyraft-cycles-'));
    const [port] = await freePorts(1);
    const host = new LibraftHost('cycles', directory, {
      isCounter: true,
      members: { SnapshotThreshold: 4096, SnapshotInterval: 500 * MILLISECOND, TrailingLogs: 512 },
      options: ['--single', '--port', String(port!)],
    });
    try {
      expect(await host.started()).toMatch(/^ready /);
      await waitUntil('a leader', 60_000, async () => (await host.state()) === 'leader');
      const engine = await host.child();
      const hostMib: number[] = [];
      const engineMib: number[] = [];
      const began = performance.now();
      let applied = '';
      for (let piece = 0; piece < PIECES; piece++) {
        applied = await host.command(`cycles ${CYCLES / PIECES} ${WINDOW} ${BYTES}`, 20 * 60_000);
        hostMib.push(residentMib(host.process.pid));
        engineMib.push(residentMib(engine));
      }
      const seconds = (performance.now() - began) / 1000;
      expect(await host.child(), 'no other engine').toBe(engine);
      // Those that were forgotten while under way have been applied, too, once a later one is.
      expect(await host.codeOf('barrier')).toBe(0);
      expect(Number(applied)).toBeLessThanOrEqual(CYCLES);
      const facts = await host.stats();
      expect(facts['command_bytes_shared']).toBe(String(CYCLES * BYTES));
      expect(facts['commands_copied']).toBe('0');
      const told = (values: readonly number[]): string => values.map((value) => value.toFixed(1)).join(' ');
      console.log(
        `${CYCLES} cycles, ${Math.round(CYCLES / seconds)} a second; MiB of the program: ${told(hostMib)}; of the engine: ${told(engineMib)}`,
      );
      for (const values of [hostMib, engineMib]) {
        const before = most(values.slice(0, WARM_UP));
        expect(most(values.slice(WARM_UP)) - before, told(values)).toBeLessThan(GROWTH_MIB_MAX);
      }
    } finally {
      await host.kill();
      rmSync(directory, { recursive: true, force: true });
    }
  },
  figure(120_000, 3_600_000),
);
