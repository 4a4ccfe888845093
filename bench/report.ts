/** What the benchmark says at its end, as text. */
import { textTable } from '../scripts/tools/text-table.ts';
import type { Drift } from './drift.ts';
import { fractionOfLimit, type Limit } from './limits.ts';
import type { Machine } from './machine.ts';
import type { Measurement } from './measure.ts';
import { PHASES } from './profile/phases.ts';
import type { Profile } from './profile/record.ts';
import type { BenchResult } from './result.ts';
import type { ScenarioFigure } from './scenarios/scenario.ts';
import type { Target } from './targets.ts';

/** Digits as the size of the number deserves. */
export function rounded(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

export function machineLine(machine: Machine): string {
  return (
    `${machine.processors} processors (${machine.model}), ${machine.memoryMib} MiB, Linux ${machine.kernel}, ` +
    `Node ${machine.node}, 512 B + fdatasync p50 ${machine.syncP50Us.toFixed(0)} us, ` +
    `p99 ${machine.syncP99Us.toFixed(0)} us`
  );
}

const HEADING = [
  'case',
  'subject',
  'commits/s',
  'p50 us',
  'p90 us',
  'p99 us',
  'max us',
  'cpu s/million',
  'peak MiB',
  'of limit',
  'KiB/sync',
  'rounds',
  'elections',
  'loop p99 us',
];

function measuredRow(limits: readonly Limit[], measurement: Measurement): string[] {
  const fraction = fractionOfLimit(limits, measurement);
  const optional = (value: number | null, digits: number): string =>
    value === null ? '' : value.toFixed(digits);
  return [
    measurement.case,
    measurement.subject,
    measurement.commitsPerSecond.toFixed(0),
    measurement.p50Us.toFixed(0),
    measurement.p90Us.toFixed(0),
    measurement.p99Us.toFixed(0),
    measurement.maxUs.toFixed(0),
    measurement.processorSecondsPerMillion.toFixed(1),
    measurement.peakMemoryMib.toFixed(0),
    optional(fraction, 2),
    optional(measurement.syncedBytes === null ? null : measurement.syncedBytes / 1024, 1),
    String(measurement.rounds.length),
    String(measurement.elections),
    optional(measurement.loopDelayP99Us, 0),
  ];
}

/** What was wanted and is not in the tables, with the reason, in one line each. */
export function gapLines({ failures, absent }: Pick<BenchResult, 'failures' | 'absent'>): string[] {
  return [
    ...failures.map(({ case: name, subject, why }) => `${name}  ${subject}  ${why.split('\n')[0]!}`),
    ...absent.map(({ subject, why }) => `every case  ${subject}  left out: ${why}`),
  ];
}

/** A row for each measurement, and below them a line for each subject that has none, with the reason. */
export function resultTable(
  result: Pick<BenchResult, 'limits' | 'measurements' | 'failures' | 'absent'>,
): string {
  const { limits, measurements } = result;
  return [
    textTable([HEADING, ...measurements.map((measurement) => measuredRow(limits, measurement))]),
    ...gapLines(result),
  ].join('\n');
}

export function scenarioTable(figures: readonly ScenarioFigure[]): string {
  return textTable([
    ['scenario', 'subject', 'figure', 'unit', 'median', 'min', 'max', 'rounds'],
    ...figures.map(({ scenario, subject, figure, unit, median, rounds }) => [
      scenario,
      subject,
      figure,
      unit,
      rounded(median),
      rounded(Math.min(...rounds)),
      rounded(Math.max(...rounds)),
      String(rounds.length),
    ]),
  ]);
}

export function limitTable(limits: readonly Limit[]): string {
  return textTable([
    ['limit', 'bytes', 'per second', 'p50 us', 'p90 us', 'p99 us', 'max us'],
    ...limits.map(({ limit, method, bytes, perSecond, p50Us, p90Us, p99Us, maxUs }) => [
      method === undefined ? limit : `${limit} (${method})`,
      String(bytes ?? ''),
      perSecond.toFixed(0),
      p50Us.toFixed(1),
      p90Us.toFixed(1),
      p99Us.toFixed(1),
      maxUs.toFixed(1),
    ]),
  ]);
}

export function profileTable({ nodes }: Profile): string {
  return textTable([
    ['phase, of the engine thread', ...nodes.map(({ role }) => role)],
    ...PHASES.map((phase) => [phase, ...nodes.map(({ phases }) => `${(phases[phase] * 100).toFixed(1)} %`)]),
  ]);
}

export function driftTable(drifts: readonly Drift[]): string {
  const pair = ([before, after]: readonly [number, number]): string =>
    `${rounded(before)} to ${rounded(after)}`;
  return textTable([
    [
      'subject',
      'minutes',
      'entries/s',
      'leader MiB',
      'MiB an hour',
      'follower MiB an hour',
      'p50 us',
      'p99 us',
      'elections',
    ],
    ...drifts.map((drift) => [
      drift.subject,
      rounded(drift.minutes),
      String(drift.entriesPerSecond),
      pair(drift.leaderMib),
      rounded(drift.leaderMibPerHour),
      rounded(drift.followerMibPerHour),
      pair(drift.p50Us),
      pair(drift.p99Us),
      String(drift.elections),
    ]),
  ]);
}

/** The numbered targets first, the floors of the first version (number 0) at the end. */
export function targetLines({ targets, unmeasured }: Pick<BenchResult, 'targets' | 'unmeasured'>): string {
  const line = ({ id, number, ratio, min, max, goal, reached }: Target): string =>
    `${reached ? 'reached' : 'MISSED '}  ${number === 0 ? '-' : number}  ${id}: ` +
    `${ratio} (${min} to ${max}) of ${Math.round(goal * 1000) / 1000}`;
  return [
    ...targets.map(line),
    ...unmeasured.map(({ id, number }) => `no figure  ${number === 0 ? '-' : number}  ${id}`),
  ].join('\n');
}
