/** Where a whole run's figures go: bench/report, and the marked places of docs/performance.md. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chartPage } from './charts.ts';
import { fillPage, pageBlocks } from './page.ts';
import { readDrift, readResult, type BenchResult, type DriftResult } from './result.ts';

const RESULT = 'bench/report/latest.json';
const DRIFT = 'bench/report/drift.json';
const CHARTS = 'bench/report/report.svg';
const PAGE = 'docs/performance.md';

/** What has more digits than anybody reads makes a file that nobody can compare. */
export function jsonText(value: unknown): string {
  const shortened = (_key: string, each: unknown): unknown =>
    typeof each === 'number' && !Number.isInteger(each) ? Number(each.toPrecision(6)) : each;
  return `${JSON.stringify(value, shortened, 1)}\n`;
}

function render(root: string, result: BenchResult, drift: DriftResult | null): string[] {
  const charts = chartPage(result);
  const page = fillPage(readFileSync(join(root, PAGE), 'utf8'), pageBlocks(result, drift));
  writeFileSync(join(root, CHARTS), charts);
  writeFileSync(join(root, PAGE), page);
  return [CHARTS, PAGE];
}

function driftOf(root: string): DriftResult | null {
  const path = join(root, DRIFT);
  return existsSync(path) ? readDrift(path) : null;
}

/** Writes all below the project's `root`; the paths of what was written. */
export function writeReport(root: string, result: BenchResult): string[] {
  mkdirSync(join(root, 'bench/report'), { recursive: true });
  writeFileSync(join(root, RESULT), jsonText(result));
  return [RESULT, ...render(root, result, driftOf(root))];
}

/** Keeps the figures of a long steady load; shows them beside those of the last whole run. */
export function writeDrift(root: string, drift: DriftResult): string[] {
  mkdirSync(join(root, 'bench/report'), { recursive: true });
  writeFileSync(join(root, DRIFT), jsonText(drift));
  const path = join(root, RESULT);
  return existsSync(path) ? [DRIFT, ...render(root, readResult(path), drift)] : [DRIFT];
}
