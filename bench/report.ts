/** What the benchmark says at its end, as text. */
import { textTable } from '../scripts/tools/text-table.ts';
import { fractionOfLimit, type Limit } from './limits.ts';
import type { Failure, Measurement } from './measure.ts';
import type { ScenarioFigure } from './scenarios.ts';
import type { Absence } from './subjects/peers.ts';
import type { Target } from './targets.ts';

export interface Figures {
  readonly limits: readonly Limit[];
  readonly measurements: readonly Measurement[];
  readonly failures: readonly Failure[];
  readonly absent: readonly Absence[];
}

const HEADING = [
  'case',
  'subject',
  'bytes',
  'window',
  'proposers',
  'commits/s',
  'p50 us',
  'p90 us',
  'p99 us',
  'max us',
  'cpu s/million',
  'peak MiB',
  'of limit',
  'elections',
  'loop p99 us',
];

function measuredRow(limits: readonly Limit[], measurement: Measurement): string[] {
  return [
    measurement.case,
    measurement.subject,
    String(measurement.bytes),
    measurement.window === null ? 'all' : String(measurement.window),
    String(measurement.proposers),
    measurement.commitsPerSecond.toFixed(0),
    measurement.p50Us.toFixed(0),
    measurement.p90Us.toFixed(0),
    measurement.p99Us.toFixed(0),
    measurement.maxUs.toFixed(0),
    measurement.processorSecondsPerMillion.toFixed(1),
    measurement.peakMemoryMib.toFixed(0),
    limits.length === 0 ? '' : fractionOfLimit(limits, measurement).toFixed(2),
    String(measurement.elections),
    measurement.loopDelayP99Us === null ? '' : measurement.loopDelayP99Us.toFixed(0),
  ];
}

/** A row for each measurement, and below them a line for each subject that has none, with the reason. */
export function resultTable({ limits, measurements, failures, absent }: Figures): string {
  return [
    textTable([HEADING, ...measurements.map((measurement) => measuredRow(limits, measurement))]),
    ...failures.map(({ case: name, subject, why }) => `${name}  ${subject}  failed: ${why.split('\n')[0]!}`),
    ...absent.map(({ subject, why }) => `every case  ${subject}  left out: ${why}`),
  ].join('\n');
}

export function scenarioTable(figures: readonly ScenarioFigure[]): string {
  return textTable([
    ['scenario', 'subject', 'figure', 'unit', 'median', 'min', 'max'],
    ...figures.map(({ scenario, subject, figure, unit, median, rounds }) => [
      scenario,
      subject,
      figure,
      unit,
      median.toFixed(1),
      Math.min(...rounds).toFixed(1),
      Math.max(...rounds).toFixed(1),
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

export function targetLines(targets: readonly Target[]): string {
  return targets
    .map(
      ({ id, ratio, min, max, goal, reached }) =>
        `${reached ? 'reached' : 'MISSED '}  ${id}: ${ratio} (${min} to ${max}) of ${Math.round(goal * 1000) / 1000}`,
    )
    .join('\n');
}
