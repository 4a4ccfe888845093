/** The benchmark: npm run bench; bench/arguments.ts has the options. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ArgumentError, readArguments, USAGE, type Arguments } from './arguments.ts';
import { LineProcess } from '../scripts/tools/line-process.ts';
import { caseOf, configFor, sessions, type Session } from './cases.ts';
import { withDeadline } from './deadline.ts';
import { measureDrift } from './drift.ts';
import { batchSizes, measureLimits, type Limit } from './limits.ts';
import { describeMachine } from './machine.ts';
import { NO_TIME, type Failure } from './measure.ts';
import { recordProfile, type Profile } from './profile/record.ts';
import { driftTable, limitTable, machineLine, profileTable, resultTable } from './report.ts';
import { scenarioTable, targetLines } from './report.ts';
import { readResult, RESULT_FORMAT, type BenchResult } from './result.ts';
import { measureScenarios, type ScenarioResult } from './scenarios/all.ts';
import { SCENARIO_NAMES } from './scenarios/names.ts';
import { measureSessions } from './sessions.ts';
import { settingsFor, type Settings } from './settings.ts';
import type { Subject } from './subject.ts';
import { libraft } from './subjects/libraft.ts';
import { builtRows, limitsProgram, peersOf, versionsOf, type Peers } from './subjects/peers.ts';
import { bundle, easyraft, hostProgram, polyraft, program, runtimes } from './subjects/polyraft.ts';
import type { Runtime } from './subjects/polyraft.ts';
import { targetsOf } from './targets.ts';
import { jsonText, writeDrift, writeReport } from './write-report.ts';

const root = resolve('.');
const began = performance.now();

function secondsGone(): number {
  return (performance.now() - began) / 1000;
}

/** A line with the time since the beginning. */
function tell(text: string): void {
  const seconds = Math.round(secondsGone());
  console.log(`${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}  ${text}`);
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

function wantedSessions({ ownCase, case: id, scenario, isQuick }: Arguments): Session[] {
  if (scenario !== null) return [];
  if (ownCase !== null) {
    const { bytes, window, nodes, proposers } = ownCase;
    const one = { ...caseOf(nodes, bytes, window, proposers), weight: 4 };
    return [{ nodes, bytes, config: configFor(bytes), cases: [one] }];
  }
  const all = sessions(isQuick && id === null);
  if (id === null) return all;
  const found = all
    .map((session) => ({ ...session, cases: session.cases.filter((one) => one.id === id) }))
    .filter(({ cases }) => cases.length > 0);
  if (found.length > 0) return found;
  const ids = all.flatMap(({ cases }) => cases.map((one) => one.id));
  throw new ArgumentError(`--case: '${id}' is none of\n  ${ids.join('\n  ')}`);
}

function wantedRuntimes({ runtime }: Arguments): Runtime[] {
  const built = runtimes();
  const chosen = built.filter((each) => runtime === null || each === runtime);
  if (chosen.length === 0) throw new ArgumentError(`--runtime: this build has ${built.join(' and ')} only`);
  return chosen;
}

/** The runtimes of this build that are wanted, the other interfaces, and the peers that could be built. */
function wantedSubjects({ hasPeers, runtime }: Arguments, wanted: readonly Runtime[]): Peers {
  const { subjects, absent } = hasPeers ? peersOf(builtRows()) : { subjects: [], absent: [] };
  const interfaces: Subject[] = runtime === null ? [easyraft(wanted[0]!), ...libraft()] : [];
  return { subjects: [...wanted.map(polyraft), ...interfaces, ...subjects], absent };
}

function versions(): Record<string, string | null> {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return { polyraft: version, ...versionsOf(builtRows()) };
}

async function limitsOf(
  directory: string,
  seconds: number,
  sizes: readonly number[],
  failures: Failure[],
): Promise<Limit[]> {
  try {
    return await measureLimits(limitsProgram, directory, seconds, sizes);
  } catch (error) {
    failures.push({ subject: 'the machine', case: 'limits', why: String(error) });
    return [];
  }
}

async function profileOf(directory: string, seconds: number, failures: Failure[]): Promise<Profile | null> {
  const engine = program('process');
  try {
    return await recordProfile(engine, bundle, directory, seconds);
  } catch (error) {
    failures.push({ subject: engine.name, case: 'profile', why: String(error) });
    return null;
  }
}

const RAFT_STEP = 'bench/craft/run.sh';
const RAFT_STEP_MS = 90_000;

/** What a step of the C-Raft interface costs, beside C-Raft's own cluster in memory. */
async function raftStepOf(isShort: boolean, failures: Failure[]): Promise<string[] | null> {
  try {
    const running = new LineProcess('raft_step', 'bash', [RAFT_STEP, ...(isShort ? ['--quick'] : [])]);
    const lines: string[] = [];
    running.on('line', (line) => lines.push(line));
    const { code } = await withDeadline(running.exited, RAFT_STEP_MS, RAFT_STEP, () => {
      // Its programs end with the pipe that nobody reads any more.
      void running.kill('SIGKILL');
    });
    if (code !== 0) throw new Error(running.errors.at(-1) ?? `status ${code}`);
    return lines;
  } catch (error) {
    failures.push({ subject: 'raft_step', case: 'raft_step', why: String(error) });
    return null;
  }
}

async function scenariosOf(
  wanted: Arguments,
  settings: Settings,
  programs: readonly Runtime[],
  directory: string,
): Promise<ScenarioResult> {
  if (!wanted.hasScenarios) return { figures: [], failures: [] };
  const names = wanted.scenario === null ? SCENARIO_NAMES : [wanted.scenario];
  return measureScenarios(names, programs.map(program), directory, settings.scenarios, tell);
}

async function measure(wanted: Arguments, directory: string): Promise<BenchResult> {
  const settings = settingsFor(wanted.isQuick, wanted.scale);
  const chosenRuntimes = wantedRuntimes(wanted);
  const chosen = wantedSessions(wanted);
  const { subjects, absent } = wantedSubjects(wanted, chosenRuntimes);
  const machine = await describeMachine(hostProgram, directory, settings.syncs);
  tell(machineLine(machine));
  const measured = await measureSessions(subjects, chosen, settings.budget, directory, tell);
  const scenarios = await scenariosOf(wanted, settings, chosenRuntimes, directory);
  const failures = [...measured.failures, ...scenarios.failures];
  const isWhole = wanted.hasScenarios && wanted.scenario === null;
  const profile = isWhole ? await profileOf(directory, settings.profileSeconds, failures) : null;
  if (isWhole) tell('what raft_step costs');
  const raftStep = isWhole ? await raftStepOf(wanted.isQuick || wanted.scale < 1, failures) : null;
  const sizes = batchSizes(measured.measurements);
  tell(`the machine's own limits, ${sizes.join(', ')} bytes`);
  const limits = await limitsOf(directory, settings.limitSeconds, sizes, failures);
  return {
    format: RESULT_FORMAT,
    day: today(),
    seconds: Math.round(secondsGone()),
    isQuick: wanted.isQuick,
    scale: wanted.scale,
    machine,
    limits,
    versions: versions(),
    measurements: measured.measurements,
    scenarios: scenarios.figures,
    profile,
    raftStep,
    failures,
    absent,
    ...targetsOf(machine, measured.measurements, scenarios.figures),
  };
}

function print(result: BenchResult): void {
  const { limits, measurements, scenarios, profile } = result;
  console.log(`\n${limitTable(limits)}\n`);
  if (measurements.length > 0) console.log(`${resultTable(result)}\n`);
  if (scenarios.length > 0) console.log(`${scenarioTable(scenarios)}\n`);
  if (profile !== null) console.log(`${profileTable(profile)}\n`);
  if (result.raftStep !== null) console.log(`${result.raftStep.join('\n')}\n`);
  console.log(targetLines(result));
}

/** Only what nobody shortened or chose parts of is the last run of docs/performance.md. */
function isForTheRecord({ isQuick, hasPeers, hasScenarios, scenario, runtime, scale }: Arguments): boolean {
  return !isQuick && hasPeers && hasScenarios && scenario === null && runtime === null && scale === 1;
}

function failIfOursFailed(failures: readonly Failure[]): void {
  const ours = failures.filter(({ subject, why }) => subject.startsWith('polyraft') && why !== NO_TIME);
  if (ours.length > 0) throw new Error(`polyraft itself failed in ${ours.length} of the measurements`);
}

async function drift(wanted: Arguments, directory: string): Promise<void> {
  const settings = settingsFor(false, wanted.scale);
  const machine = await describeMachine(hostProgram, directory, settings.syncs);
  tell(machineLine(machine));
  const programs = wantedRuntimes(wanted).map(program);
  const measured = await measureDrift(programs, directory, settings.driftSeconds, tell);
  const result = { format: RESULT_FORMAT, day: today(), machine, ...measured } as const;
  console.log(`\n${driftTable(measured.drifts)}`);
  if (wanted.json !== null) writeFileSync(wanted.json, jsonText(result));
  if (wanted.scale === 1 && wanted.runtime === null)
    for (const path of writeDrift(root, result)) tell(`wrote ${path}`);
  failIfOursFailed(measured.failures);
}

async function main(): Promise<void> {
  const wanted = readArguments(process.argv.slice(2), process.env);
  if (wanted.wantsHelp) {
    console.log(USAGE);
    return;
  }
  if (wanted.reportOnly !== null) {
    const result = readResult(wanted.reportOnly);
    print(result);
    for (const path of writeReport(root, result)) tell(`wrote ${path}`);
    return;
  }
  if (!existsSync(hostProgram)) throw new Error(`${hostProgram} is missing: npm run bench builds it`);
  const directory = mkdtempSync(join(tmpdir(), 'polyraft-bench-'));
  try {
    if (wanted.isDrift) {
      await drift(wanted, directory);
      return;
    }
    const result = await measure(wanted, directory);
    print(result);
    if (wanted.json !== null) writeFileSync(wanted.json, jsonText(result));
    if (isForTheRecord(wanted)) for (const path of writeReport(root, result)) tell(`wrote ${path}`);
    failIfOursFailed(result.failures);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  const text = error instanceof Error ? error.message : String(error);
  console.error(`bench: ${text}`);
  if (error instanceof ArgumentError) console.error(`\n${USAGE}`);
  process.exitCode = error instanceof ArgumentError ? 2 : 1;
});
