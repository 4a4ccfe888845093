/** What the command line asks for; every fault is named before anything is built upon it. */
import { parseArgs } from 'node:util';
import { SCENARIO_NAMES, type ScenarioName } from './scenarios/names.ts';

export const USAGE = `npm run bench -- [options]
  --quick                 fewer cases and smaller scenarios, under 4 minutes
  --json FILE             writes all figures there, too
  --drift                 30 minutes of steady load instead of all else
  --case ID               one case of bench/cases.ts, without scenarios
  --scenario NAME         one scenario, without cases: ${SCENARIO_NAMES.join(', ')}
  --runtime NAME          embedded or process: of polyraft only this
  --no-peers              without other libraries
  --no-scenarios          without scenarios and profile
  --bytes B --window W --nodes 1|3 --proposers P
                          one case of your own, in place of those of bench/cases.ts
  --report-only FILE      renders bench/report and docs/performance.md of an earlier run's JSON
  --help                  prints this
The environment's POLYRAFT_BENCH_SCALE (above 0, at most 1) shortens everything, to try a run.`;

export class ArgumentError extends Error {}

export interface OwnCase {
  readonly bytes: number;
  readonly window: number;
  readonly nodes: number;
  readonly proposers: number;
}

export interface Arguments {
  /** Only the usage is wanted. */
  readonly wantsHelp: boolean;
  readonly isQuick: boolean;
  readonly isDrift: boolean;
  readonly hasPeers: boolean;
  readonly hasScenarios: boolean;
  readonly json: string | null;
  readonly case: string | null;
  readonly scenario: ScenarioName | null;
  readonly runtime: 'embedded' | 'process' | null;
  readonly ownCase: OwnCase | null;
  readonly reportOnly: string | null;
  /** Above 0, at most 1. */
  readonly scale: number;
}

const FLAGS = {
  help: { type: 'boolean', short: 'h', default: false },
  quick: { type: 'boolean', default: false },
  drift: { type: 'boolean', default: false },
  'no-peers': { type: 'boolean', default: false },
  'no-scenarios': { type: 'boolean', default: false },
  json: { type: 'string' },
  case: { type: 'string' },
  scenario: { type: 'string' },
  runtime: { type: 'string' },
  bytes: { type: 'string' },
  window: { type: 'string' },
  nodes: { type: 'string' },
  proposers: { type: 'string' },
  'report-only': { type: 'string' },
} as const;

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new ArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function wholeNumber(
  name: string,
  text: string | undefined,
  otherwise: number,
  min: number,
  max: number,
): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new ArgumentError(`--${name}: a whole number from ${min} to ${max}, not '${text}'`);
  return value;
}

function oneOf<T extends string>(name: string, text: string | undefined, allowed: readonly T[]): T | null {
  if (text === undefined) return null;
  const found = allowed.find((each) => each === text);
  if (found === undefined) throw new ArgumentError(`--${name}: one of ${allowed.join(', ')}, not '${text}'`);
  return found;
}

function scaleOf(text: string | undefined): number {
  if (text === undefined || text === '') return 1;
  const scale = Number(text);
  if (!(scale > 0 && scale <= 1))
    throw new ArgumentError(`POLYRAFT_BENCH_SCALE: a number above 0 and at most 1, not '${text}'`);
  return scale;
}

function ownCaseOf(values: ReturnType<typeof parse>): OwnCase | null {
  const { bytes, window, nodes, proposers } = values;
  if ([bytes, window, nodes, proposers].every((value) => value === undefined)) return null;
  const own = {
    bytes: wholeNumber('bytes', bytes, 512, 16, 64 * 1024 * 1024),
    window: wholeNumber('window', window, 1, 1, 1_000_000),
    nodes: wholeNumber('nodes', nodes, 1, 1, 3),
    proposers: wholeNumber('proposers', proposers, 1, 1, 64),
  };
  if (own.nodes === 2) throw new ArgumentError('--nodes: 1 or 3');
  if (own.window < own.proposers)
    throw new ArgumentError('--window: at least one entry for each of --proposers');
  return own;
}

/** Throws an ArgumentError that names the option and what it takes. */
export function readArguments(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Arguments {
  const values = parse(args);
  const own = ownCaseOf(values);
  const parts = [
    own === null ? '' : 'a case of your own',
    values.case === undefined ? '' : '--case',
    values.scenario === undefined ? '' : '--scenario',
    values.drift ? '--drift' : '',
    values['report-only'] === undefined ? '' : '--report-only',
  ].filter((part) => part !== '');
  if (parts.length > 1) throw new ArgumentError(`${parts.join(' and ')} are different runs: take one`);
  return {
    wantsHelp: values.help,
    isQuick: values.quick,
    isDrift: values.drift,
    hasPeers: !values['no-peers'],
    hasScenarios: !values['no-scenarios'] && own === null && values.case === undefined,
    json: values.json ?? null,
    case: values.case ?? null,
    scenario: oneOf('scenario', values.scenario, SCENARIO_NAMES),
    runtime: oneOf('runtime', values.runtime, ['embedded', 'process'] as const),
    ownCase: own,
    reportOnly: values['report-only'] ?? null,
    scale: scaleOf(environment['POLYRAFT_BENCH_SCALE']),
  };
}
