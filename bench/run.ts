/**
 * The benchmark: npm run bench -- [--quick] [--json FILE] [--case ID] [--runtime embedded|process] [--no-peers]
 * [--count N --bytes B --window W --nodes 1|3]
 *
 * The last four measure one case of one's own instead of those of cases.ts.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cases, type Case } from './cases.ts';
import { describeMachine, type Machine } from './machine.ts';
import { measureLimits } from './limits.ts';
import { measureCase, type Failure, type Measurement, type Plan } from './measure.ts';
import { limitTable, resultTable, targetLines } from './report.ts';
import type { Subject } from './subject.ts';
import { limitsProgram, peers, versions, type Peers } from './subjects/peers.ts';
import { hostProgram, polyraft, runtimes } from './subjects/polyraft.ts';
import { targets } from './targets.ts';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    case: { type: 'string' },
    runtime: { type: 'string' },
    'no-peers': { type: 'boolean', default: false },
    count: { type: 'string' },
    bytes: { type: 'string' },
    window: { type: 'string' },
    nodes: { type: 'string' },
  },
});

/** Rounds in which each subject has one run; medians are told. */
const PLAN: Plan = options.quick ? { rounds: 3, secondsPerRound: 0.8 } : { rounds: 5, secondsPerRound: 4 };
const LIMIT_SECONDS = options.quick ? 0.3 : 2;
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

/** The runtimes of this build that are wanted, and the peers that could be built. */
function wantedSubjects(): Peers {
  const chosen = runtimes().filter((runtime) => options.runtime === undefined || options.runtime === runtime);
  if (chosen.length === 0) throw new Error(`--runtime: one of ${runtimes().join(', ')}`);
  const { subjects, absent } = options['no-peers'] ? { subjects: [], absent: [] } : peers();
  return { subjects: [...chosen.map(polyraft), ...subjects], absent };
}

function tellMachine(machine: Machine): void {
  console.log(
    `${machine.processors} processors (${machine.model}), Linux ${machine.kernel}, Node ${machine.node}, ` +
      `512 B + fdatasync p50 ${machine.syncP50Us.toFixed(0)} us, p99 ${machine.syncP99Us.toFixed(0)} us`,
  );
}

async function measureAll(
  subjects: readonly Subject[],
  wanted: readonly Case[],
  directory: string,
): Promise<{ readonly measurements: readonly Measurement[]; readonly failures: readonly Failure[] }> {
  const measurements: Measurement[] = [];
  const failures: Failure[] = [];
  for (const one of wanted) {
    const result = await measureCase(subjects, one, PLAN, directory);
    measurements.push(...result.measurements);
    failures.push(...result.failures);
    for (const { subject, commitsPerSecond } of result.measurements)
      console.log(`  ${subject}, ${one.id}: ${commitsPerSecond.toFixed(0)} commits/s`);
    for (const { subject, why } of result.failures) console.log(`  ${subject}, ${one.id}: failed: ${why}`);
  }
  return { measurements, failures };
}

async function main(): Promise<void> {
  const wanted = wantedCases();
  const { subjects, absent } = wantedSubjects();
  const directory = mkdtempSync(join(tmpdir(), 'polyraft-bench-'));
  try {
    const machine = await describeMachine(hostProgram, directory, SYNCS);
    tellMachine(machine);
    const limits = await measureLimits(limitsProgram, directory, LIMIT_SECONDS);
    const { measurements, failures } = await measureAll(subjects, wanted, directory);
    const reached = targets(machine, measurements);
    console.log(`\n${limitTable(limits)}\n`);
    console.log(`${resultTable({ limits, measurements, failures, absent })}\n`);
    console.log(targetLines(reached));
    if (options.json !== undefined) {
      const report = {
        machine,
        limits,
        versions: versions(),
        measurements,
        failures,
        absent,
        targets: reached,
      };
      writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
    }
    const ours = failures.filter(({ subject }) => subject.startsWith('polyraft'));
    if (ours.length > 0) throw new Error(`polyraft itself failed in ${ours.length} of the measurements`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
