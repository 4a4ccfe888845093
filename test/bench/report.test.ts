import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chartPage } from '../../bench/charts.ts';
import { driftOf } from '../../bench/drift.ts';
import { fillPage } from '../../bench/page.ts';
import { resultTable, scenarioTable, targetLines } from '../../bench/report.ts';
import { readResult } from '../../bench/result.ts';
import { peersOf } from '../../bench/subjects/peers.ts';
import { targetsOf } from '../../bench/targets.ts';
import { writeDrift, writeReport } from '../../bench/write-report.ts';

const RECORDED = resolve('test/bench/recorded-run.json');
const result = readResult(RECORDED);

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bench-report-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function projectCopy(): string {
  mkdirSync(join(directory, 'docs'));
  cpSync('docs/performance.md', join(directory, 'docs/performance.md'));
  return directory;
}

describe('the result of a run', () => {
  it('is refused with its file and the fault', () => {
    const path = join(directory, 'result.json');
    expect(() => readResult(path)).toThrow(/result\.json: .*no such file/i);
    writeFileSync(path, '{');
    expect(() => readResult(path)).toThrow(/result\.json/);
    writeFileSync(path, 'null');
    expect(() => readResult(path)).toThrow(/is no result/);
    writeFileSync(path, '{"format": 1, "machine": {}}');
    expect(() => readResult(path)).toThrow(/has no limits, measurements/);
  });

  it('stands in the table line by line, with what is missing', () => {
    const table = resultTable({
      ...result,
      failures: [{ subject: 'hashicorp', case: '1-node-512-window-1', why: 'it ended\nand more' }],
      absent: [{ subject: 'craft', why: 'libraft-dev is missing' }],
    });
    for (const { case: name, subject } of result.measurements)
      expect(table.split('\n').some((line) => line.startsWith(name) && line.includes(subject))).toBe(true);
    expect(table).toContain('1-node-512-window-1  hashicorp  it ended');
    expect(table).not.toContain('and more');
    expect(table).toContain('every case  craft  left out: libraft-dev is missing');
    expect(scenarioTable(result.scenarios)).toContain('resident memory');
  });

  it('makes one SVG with every subject, the machine and the versions', () => {
    const svg = chartPage(result);
    expect(svg.startsWith('<svg ')).toBe(true);
    expect(svg.match(/<svg /g)).toHaveLength(svg.match(/<\/svg>/g)!.length);
    expect(svg).not.toContain('NaN');
    for (const { subject } of result.measurements) expect(svg).toContain(subject);
    expect(svg).toContain(result.machine.kernel);
    for (const name of Object.keys(result.versions)) expect(svg).toContain(`${name}: `);
  });

  it('fills the page, again and again to the same text, and keeps its prose', () => {
    const root = projectCopy();
    const before = readFileSync(join(root, 'docs/performance.md'), 'utf8');
    expect(writeReport(root, result)).toEqual([
      'bench/report/latest.json',
      'bench/report/report.svg',
      'docs/performance.md',
    ]);
    const once = readFileSync(join(root, 'docs/performance.md'), 'utf8');
    for (const { what, ratio } of result.targets) {
      expect(once).toContain(what);
      expect(once).toContain(` ${ratio} `);
    }
    for (const heading of before.split('\n').filter((line) => line.startsWith('## ')))
      expect(once).toContain(heading);
    writeReport(root, readResult(join(root, 'bench/report/latest.json')));
    expect(readFileSync(join(root, 'docs/performance.md'), 'utf8')).toBe(once);
  });

  it('shows the steady load beside the last run', () => {
    const root = projectCopy();
    const samples = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => ({
      seconds: i * 200,
      p50Us: 500,
      p99Us: 1500,
      leaderMib: 100 + i / 10,
      followerMib: 90,
    }));
    const drift = driftOf('polyraft embedded', samples, 0);
    expect(drift.leaderMibPerHour).toBeCloseTo(1.8);
    expect(drift.leaderMib).toEqual([100.5, 100.8]);
    const found = {
      format: 1,
      day: result.day,
      machine: result.machine,
      drifts: [drift],
      failures: [],
    } as const;
    expect(writeDrift(root, found)).toEqual(['bench/report/drift.json']);
    writeReport(root, result);
    expect(readFileSync(join(root, 'docs/performance.md'), 'utf8')).toContain('101 to 101');
    expect(writeDrift(root, found)).toContain('docs/performance.md');
  });

  it('needs each mark of the page, and each mark needs a text', () => {
    const page = 'a\n<!-- figures: one -->\nold\n<!-- end of figures -->\nb\n';
    expect(fillPage(page, { one: 'new' })).toBe(
      'a\n<!-- figures: one -->\n\nnew\n\n<!-- end of figures -->\nb\n',
    );
    expect(() => fillPage(page, { one: 'new', two: 'x' })).toThrow(/figures: two/);
    expect(() => fillPage(page, {})).toThrow(/nothing fills 'one'/);
  });
});

describe('targets', () => {
  it('are those of the recorded run', () => {
    const { targets, unmeasured } = targetsOf(result.machine, result.measurements, result.scenarios);
    expect(targets).toEqual(result.targets);
    expect(unmeasured).toEqual(result.unmeasured);
    for (const { ratio, min, max, goal, reached } of targets) {
      expect(min).toBeLessThanOrEqual(ratio);
      expect(max).toBeGreaterThanOrEqual(ratio);
      if (Math.abs(ratio - goal) > 0.001) expect(reached).toBe(ratio > goal);
    }
  });

  it('that had no figures are told as such', () => {
    const { targets, unmeasured } = targetsOf(result.machine, [], []);
    expect(targets).toEqual([]);
    expect(new Set(unmeasured.map(({ number }) => number))).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7]));
    const lines = targetLines({ targets, unmeasured });
    for (const { id } of unmeasured) expect(lines).toMatch(new RegExp(`no figure .*${id}`));
  });

  it('count an election in any case or scenario', () => {
    const disturbed = result.measurements.map((each, i) => (i === 0 ? { ...each, elections: 2 } : each));
    const { targets } = targetsOf(result.machine, disturbed, []);
    expect(targets.find(({ id }) => id === 'no-spurious-election')).toMatchObject({
      reached: false,
      ratio: 0.333,
    });
  });
});

describe('peers', () => {
  it('whose toolchain is missing are left out with the reason, the others are subjects', () => {
    const row = { program: '/bin/true', arguments: [], version: 'v1', missing: null };
    const { subjects, absent } = peersOf([
      { ...row, name: 'craft' },
      { ...row, name: 'etcd', version: null, missing: 'Go 1.26 or newer is missing' },
    ]);
    expect(subjects.map(({ name }) => name)).toEqual(['craft']);
    expect(absent).toEqual([{ subject: 'etcd', why: 'Go 1.26 or newer is missing' }]);
  });
});
