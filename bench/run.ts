/**
 * The benchmark: npm run bench -- [--quick] [--json FILE] [--case ID] [--runtime embedded|process]
 * [--count N --bytes B --window W --nodes 1|3]
 *
 * The last four measure one case of one's own instead of those of cases.ts.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { textTable } from '../scripts/tools/text-table.ts';
import { cases, type Case } from './cases.ts';
import { describeMachine, type Machine } from './machine.ts';
import { measure, type Measurement } from './measure.ts';
import { hostProgram, polyraft, runtimes } from './subjects/polyraft.ts';
import { targets, type Target } from './targets.ts';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    case: { type: 'string' },
    runtime: { type: 'string' },
    count: { type: 'string' },
    bytes: { type: 'string' },
    window: { type: 'string' },
    nodes: { type: 'string' },
  },
});

const RUNS = options.quick ? 3 : 5;
const SIZE = options.quick ? 0.1 : 1;
const SYNCS = 1_000;

function wantedCases(): Case[] {
  const { count, bytes, window, nodes } = options;
  if (count !== undefined || bytes !== undefined || window !== undefined || nodes !== undefined) {
    const workload = {
      count: Number(count ?? 10_000),
      bytes: Number(bytes ?? 512),
      window: Number(window ?? 1),
    };
    return [{ id: 'own', nodes: Number(nodes ?? 1), workload }];
  }
  const all = cases(SIZE);
  const found = options.case === undefined ? all : all.filter((one) => one.id === options.case);
  if (found.length === 0) throw new Error(`--case: one of ${all.map((one) => one.id).join(', ')}`);
  return found;
}

function table(measurements: readonly Measurement[]): string {
  const heading = [
    'subject',
    'case',
    'bytes',
    'window',
    'commits/s',
    'p50 us',
    'p99 us',
    'cpu s/10k',
    'peak MiB',
  ];
  const rows = measurements.map((measurement) => [
    measurement.subject,
    measurement.case,
    String(measurement.workload.bytes),
    String(measurement.workload.window),
    measurement.commitsPerSecond.toFixed(0),
    measurement.p50Us.toFixed(0),
    measurement.p99Us.toFixed(0),
    measurement.processorSecondsPer10k.toFixed(2),
    measurement.peakMemoryMib.toFixed(0),
  ]);
  return textTable([heading, ...rows]);
}

function tellTargets(reached: readonly Target[]): void {
  for (const { id, ratio, goal, reached: isReached } of reached) {
    console.log(`${isReached ? 'reached' : 'MISSED '}  ${id}: ${ratio} of ${goal}`);
  }
}

async function main(): Promise<void> {
  const wanted = wantedCases();
  const chosen = runtimes().filter((runtime) => options.runtime === undefined || options.runtime === runtime);
  if (chosen.length === 0) throw new Error(`--runtime: one of ${runtimes().join(', ')}`);
  const directory = mkdtempSync(join(tmpdir(), 'polyraft-bench-'));
  try {
    const machine: Machine = await describeMachine(hostProgram, directory, SYNCS);
    console.log(
      `${machine.processors} processors (${machine.model}), Linux ${machine.kernel}, Node ${machine.node}, ` +
        `512 B + fdatasync p50 ${machine.syncP50Us.toFixed(0)} us, p99 ${machine.syncP99Us.toFixed(0)} us`,
    );
    const measurements: Measurement[] = [];
    for (const one of wanted) {
      for (const runtime of chosen) {
        const measurement = await measure(polyraft(runtime), one, RUNS, directory);
        measurements.push(measurement);
        console.log(
          `  ${measurement.subject}, ${one.id}: ${measurement.commitsPerSecond.toFixed(0)} commits/s`,
        );
      }
    }
    const reached = targets(machine, measurements);
    console.log(`\n${table(measurements)}\n`);
    tellTargets(reached);
    if (options.json !== undefined) {
      const report = { machine, measurements, targets: reached };
      writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
