/**
 * The benchmark: npm run bench -- [--quick] [--json FILE] [--case ID] [--runtime embedded|process] [--no-peers]
 * [--no-scenarios]
 * [--count N --bytes B --window W --nodes 1|3]
 *
 * The last four measure one case of one's own instead of those of cases.ts.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { secondsPerWeight, weightOf, type Budget } from './budget.ts';
import { configFor, sessions, type Session } from './cases.ts';
import { describeMachine, type Machine } from './machine.ts';
import { measureLimits } from './limits.ts';
import { measureSession, type Failure, type Measurement } from './measure.ts';
import { limitTable, resultTable, scenarioTable, targetLines } from './report.ts';
import { measureScenarios, type ScenarioSize } from './scenarios.ts';
import type { Subject } from './subject.ts';
import { limitsProgram, peers, versions, type Peers } from './subjects/peers.ts';
import { hostProgram, polyraft, program, runtimes, type Runtime } from './subjects/polyraft.ts';
import { targets } from './targets.ts';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    case: { type: 'string' },
    runtime: { type: 'string' },
    'no-peers': { type: 'boolean', default: false },
    'no-scenarios': { type: 'boolean', default: false },
    count: { type: 'string' },
    bytes: { type: 'string' },
    window: { type: 'string' },
    nodes: { type: 'string' },
  },
});

/** Rounds in which each subject has one run, medians are told; the time is for all sessions. */
const BUDGET: Budget = options.quick
  ? { rounds: 3, seconds: 110, secondsPerRunMax: 0.3 }
  : { rounds: 5, seconds: 900, secondsPerRunMax: 0.5 };
const MIB = 1024 * 1024;
const SCENARIOS: ScenarioSize = options.quick
  ? { rounds: 1, snapshotBytes: 32 * MIB, walBytes: 128 * MIB, entriesBehind: 50_000, readsPerRound: 5_000 }
  : {
      rounds: 5,
      snapshotBytes: 256 * MIB,
      walBytes: 1024 * MIB,
      entriesBehind: 500_000,
      readsPerRound: 20_000,
    };
const LIMIT_SECONDS = options.quick ? 0.3 : 2;
const SYNCS = 1_000;

function isOwnCase(): boolean {
  const { count, bytes, window, nodes } = options;
  return count !== undefined || bytes !== undefined || window !== undefined || nodes !== undefined;
}

function wantedSessions(): Session[] {
  if (isOwnCase()) {
    const bytes = Number(options.bytes ?? 512);
    const window = Number(options.window ?? 1);
    const one = { id: 'own', bytes, window, proposers: 1, weight: 4 };
    return [{ nodes: Number(options.nodes ?? 1), bytes, config: configFor(bytes), cases: [one] }];
  }
  const all = sessions(options.quick);
  if (options.case === undefined) return all;
  const found = all
    .map((session) => ({ ...session, cases: session.cases.filter(({ id }) => id === options.case) }))
    .filter(({ cases }) => cases.length > 0);
  if (found.length === 0) {
    const ids = all.flatMap(({ cases }) => cases.map(({ id }) => id));
    throw new Error(`--case: one of ${ids.join(', ')}`);
  }
  return found;
}

function wantedRuntimes(): Runtime[] {
  const chosen = runtimes().filter((runtime) => options.runtime === undefined || options.runtime === runtime);
  if (chosen.length === 0) throw new Error(`--runtime: one of ${runtimes().join(', ')}`);
  return chosen;
}

/** The runtimes of this build that are wanted, and the peers that could be built. */
function wantedSubjects(): Peers {
  const { subjects, absent } = options['no-peers'] ? { subjects: [], absent: [] } : peers();
  return { subjects: [...wantedRuntimes().map(polyraft), ...subjects], absent };
}

const began = performance.now();

/** A line with the time since the beginning. */
function tell(text: string): void {
  const seconds = Math.round((performance.now() - began) / 1000);
  console.log(`${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}  ${text}`);
}

function tellMachine(machine: Machine): void {
  console.log(
    `${machine.processors} processors (${machine.model}), Linux ${machine.kernel}, Node ${machine.node}, ` +
      `512 B + fdatasync p50 ${machine.syncP50Us.toFixed(0)} us, p99 ${machine.syncP99Us.toFixed(0)} us`,
  );
}

async function measureAll(
  subjects: readonly Subject[],
  wanted: readonly Session[],
  directory: string,
): Promise<{ readonly measurements: readonly Measurement[]; readonly failures: readonly Failure[] }> {
  const measurements: Measurement[] = [];
  const failures: Failure[] = [];
  const casesAll = wanted.reduce((sum, { cases }) => sum + cases.length, 0);
  const until = performance.now() + BUDGET.seconds * 1000;
  let casesDone = 0;
  for (const [i, session] of wanted.entries()) {
    const left = wanted.slice(i);
    const secondsLeft = (until - performance.now()) / 1000;
    const seconds = secondsPerWeight(BUDGET, left, subjects.length, secondsLeft);
    tell(
      `${session.nodes} nodes, ${session.bytes} B: ${weightOf(left)} parts left of ${seconds.toFixed(2)} s a run`,
    );
    const result = await measureSession(
      subjects,
      session,
      BUDGET.rounds,
      seconds,
      directory,
      (one, found) => {
        casesDone++;
        const rates = found.measurements.map(
          ({ subject, commitsPerSecond }) => `${subject} ${commitsPerSecond.toFixed(0)}`,
        );
        tell(`[${casesDone}/${casesAll}] ${one.id}, commits/s: ${rates.join(', ')}`);
        for (const { subject, why } of found.failures) tell(`  ${subject} failed: ${why.split('\n')[0]!}`);
      },
    );
    measurements.push(...result.measurements);
    failures.push(...result.failures);
  }
  return { measurements, failures };
}

async function main(): Promise<void> {
  const wanted = wantedSessions();
  const { subjects, absent } = wantedSubjects();
  const directory = mkdtempSync(join(tmpdir(), 'polyraft-bench-'));
  try {
    const machine = await describeMachine(hostProgram, directory, SYNCS);
    tellMachine(machine);
    const limits = await measureLimits(limitsProgram, directory, LIMIT_SECONDS);
    const measured = await measureAll(subjects, wanted, directory);
    const { measurements } = measured;
    const hasScenarios = !options['no-scenarios'] && options.case === undefined && !isOwnCase();
    const scenarios = hasScenarios
      ? await measureScenarios(wantedRuntimes().map(program), directory, SCENARIOS, (name) => {
          tell(name);
        })
      : { figures: [], failures: [] };
    const failures = [...measured.failures, ...scenarios.failures];
    const reached = targets(machine, measurements, scenarios.figures);
    console.log(`\n${limitTable(limits)}\n`);
    console.log(`${resultTable({ limits, measurements, failures, absent })}\n`);
    if (scenarios.figures.length > 0) console.log(`${scenarioTable(scenarios.figures)}\n`);
    console.log(targetLines(reached));
    if (options.json !== undefined) {
      const report = {
        machine,
        limits,
        versions: versions(),
        measurements,
        scenarios: scenarios.figures,
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
