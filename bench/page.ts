/** docs/performance.md: its prose is written by hand, its figures stand between marks and are filled from a run. */
import type { BenchResult, DriftResult } from './result.ts';
import {
  driftTable,
  gapLines,
  limitTable,
  machineLine,
  profileTable,
  resultTable,
  rounded,
  scenarioTable,
} from './report.ts';

function marks(name: string): readonly [string, string] {
  return [`<!-- figures: ${name} -->`, '<!-- end of figures -->'];
}

/** Puts each text between its marks; every block must be there, and every mark must have its text. */
export function fillPage(page: string, blocks: Readonly<Record<string, string>>): string {
  let filled = page;
  for (const [name, text] of Object.entries(blocks)) {
    const [begin, end] = marks(name);
    const from = filled.indexOf(begin);
    const to = from < 0 ? -1 : filled.indexOf(end, from);
    if (to < 0) throw new Error(`docs/performance.md: no '${begin}' with '${end}' below it`);
    filled = `${filled.slice(0, from + begin.length)}\n\n${text.trim()}\n\n${filled.slice(to)}`;
  }
  for (const [, name] of filled.matchAll(/<!-- figures: (.+?) -->/g))
    if (blocks[name!] === undefined) throw new Error(`docs/performance.md: nothing fills '${name}'`);
  return filled;
}

function fenced(text: string): string {
  return `\`\`\`\n${text}\n\`\`\``;
}

function markdownTable(rows: readonly (readonly string[])[]): string {
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const [heading, ...rest] = rows;
  return [line(heading!), line(heading!.map(() => '---')), ...rest.map(line)].join('\n');
}

function targetsBlock({ targets, unmeasured }: BenchResult): string {
  const numberOf = (number: number): string => (number === 0 ? '' : String(number));
  return markdownTable([
    ['', 'target', 'ratio', 'min', 'max', 'goal', ''],
    ...targets.map(({ number, what, ratio, min, max, goal, reached }) => [
      numberOf(number),
      what,
      String(ratio),
      String(min),
      String(max),
      String(Math.round(goal * 1000) / 1000),
      reached ? 'reached' : '**missed**',
    ]),
    ...unmeasured.map(({ number, what }) => [
      numberOf(number),
      what,
      '',
      '',
      '',
      '',
      'no figure in this run',
    ]),
  ]);
}

function runBlock({ day, seconds, isQuick, machine, versions }: BenchResult): string {
  const minutes = `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return [
    `${day}, ${isQuick ? 'quick form' : 'full form'}, ${minutes}: ${machineLine(machine)}.`,
    '',
    ...Object.entries(versions).map(([name, version]) => `- ${name}: ${version ?? 'not there'}`),
  ].join('\n');
}

function profileBlock({ profile }: BenchResult): string {
  if (profile === null) return 'No profile in this run.';
  const { entries, bytes, window, commitsPerSecond } = profile;
  return [
    `Three nodes with the process runtime, ${entries} entries of ${bytes} B, window ${window}, ` +
      `${rounded(commitsPerSecond)} commits/s while the profiler watched:`,
    '',
    fenced(profileTable(profile)),
  ].join('\n');
}

function workBlock({ profile }: BenchResult): string {
  if (profile === null) return 'Not counted in this run.';
  const of = (role: string) => profile.nodes.find((node) => node.role === role);
  const [leader, follower] = [of('leader'), of('follower')];
  const both = (value: (node: Exclude<typeof leader, undefined>) => number): string[] =>
    [leader, follower].map((node) => (node === undefined ? '' : rounded(value(node))));
  return markdownTable([
    ['for a thousand entries, host and engine', 'leader', 'follower'],
    ['processor time, ms', ...both((node) => node.processorMsPerThousand)],
    ['wake-ups of sleeping threads', ...both((node) => node.wakeUpsPerThousand)],
    ['system calls that write', ...both((node) => node.writeCallsPerThousand)],
    ['system calls that read', ...both((node) => node.readCallsPerThousand)],
    ['syncs of the log', rounded(profile.syncsPerThousand), ''],
    ['bytes written to the log for an entry', rounded(profile.logBytesPerEntry), ''],
  ]);
}

function driftBlock(drift: DriftResult | null): string {
  if (drift === null) return 'Not measured yet: `npm run bench -- --drift`.';
  const gaps = drift.failures.map(({ subject, why }) => `${subject}: ${why.split('\n')[0]!}`);
  return [`${drift.day}: ${machineLine(drift.machine)}.`, '', fenced(driftTable(drift.drifts)), ...gaps].join(
    '\n',
  );
}

export function pageBlocks(result: BenchResult, drift: DriftResult | null): Record<string, string> {
  const gaps = gapLines(result);
  return {
    run: runBlock(result),
    targets: targetsBlock(result),
    phases: profileBlock(result),
    work: workBlock(result),
    scenarios: result.scenarios.length === 0 ? 'None in this run.' : fenced(scenarioTable(result.scenarios)),
    drift: driftBlock(drift),
    'raft-step': result.raftStep === null ? 'Not measured in this run.' : fenced(result.raftStep.join('\n')),
    limits: result.limits.length === 0 ? 'Not measured in this run.' : fenced(limitTable(result.limits)),
    cases: fenced(resultTable({ ...result, failures: [], absent: [] })),
    gaps: gaps.length === 0 ? 'Nothing was left out.' : fenced(gaps.join('\n')),
  };
}
