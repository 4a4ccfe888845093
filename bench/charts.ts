/** The page of bar charts: one SVG, made without a browser. */
import { BarChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { TARGET_CASES } from './cases.ts';
import type { Measurement } from './measure.ts';
import { machineLine } from './report.ts';
import type { BenchResult } from './result.ts';

use([BarChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

const WIDTH = 640;
const HEIGHT = 340;
const COLUMNS = 2;
const LINE_HEIGHT = 18;
const MARGIN = 16;
/** The same in all charts: ours are blue. */
const COLOURS: Readonly<Record<string, string>> = {
  'polyraft embedded': '#1f4e9c',
  'polyraft process': '#4a86e8',
  'polyraft easyraft.h': '#8ab4f8',
  'polyraft libraft': '#7fd1d8',
  etcd: '#e07b39',
  'etcd-easyraft': '#f2b272',
  hashicorp: '#9b6fb8',
  craft: '#5a9e57',
};
const OTHER_COLOUR = '#4a86e8';
const FONT = 'font-family="sans-serif" font-size="12" fill="#333"';

interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly isLogarithmic: boolean;
  readonly groups: readonly string[];
  /** For each group a value, null for none. */
  readonly series: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

function subjectsOf(measurements: readonly Measurement[]): string[] {
  return [...new Set(measurements.map(({ subject }) => subject))];
}

function chartOf(
  title: string,
  unit: string,
  measurements: readonly Measurement[],
  groups: readonly (readonly [string, (measurement: Measurement) => boolean])[],
  value: (measurement: Measurement) => number,
  isLogarithmic = true,
): Chart {
  const shown = groups.filter(([, isIn]) => measurements.some(isIn));
  const wanted = measurements.filter((each) => shown.some(([, isIn]) => isIn(each)));
  return {
    title,
    unit,
    isLogarithmic,
    groups: shown.map(([name]) => name),
    series: subjectsOf(wanted).map((subject) => ({
      name: subject,
      values: shown.map(([, isIn]) => {
        const found = wanted.find((each) => each.subject === subject && isIn(each));
        return found === undefined ? null : value(found);
      }),
    })),
  };
}

function byWindow(nodes: number, proposers: number) {
  return [1, 16, 256, 4096, null].map(
    (window) =>
      [
        window === null ? 'unbounded' : `window ${window}`,
        (each: Measurement) =>
          each.nodes === nodes &&
          each.bytes === 512 &&
          each.proposers === proposers &&
          each.window === window,
      ] as const,
  );
}

function chartsOf({ measurements, targets }: BenchResult): Chart[] {
  const rate = ({ commitsPerSecond }: Measurement): number => commitsPerSecond;
  const single = [TARGET_CASES.oneNodeSingle, TARGET_CASES.threeNodesSingle].map(
    (id) => [id.startsWith('1') ? '1 node' : '3 nodes', (each: Measurement) => each.case === id] as const,
  );
  const deep = [TARGET_CASES.oneNodeDeep, TARGET_CASES.threeNodesDeep].map(
    (id) => [id.startsWith('1') ? '1 node' : '3 nodes', (each: Measurement) => each.case === id] as const,
  );
  const bySize = [128, 512, 4096, 65_536].map(
    (bytes) =>
      [
        `${bytes} B`,
        (each: Measurement) =>
          each.nodes === 3 && each.bytes === bytes && each.window === 256 && each.proposers === 1,
      ] as const,
  );
  const all: Chart[] = [
    chartOf('3 nodes, 512 B, one proposer', 'commits/s', measurements, byWindow(3, 1), rate),
    chartOf('1 node, 512 B, one proposer', 'commits/s', measurements, byWindow(1, 1), rate),
    chartOf('3 nodes, 512 B, eight proposers', 'commits/s', measurements, byWindow(3, 8), rate),
    chartOf('3 nodes, window 256', 'commits/s', measurements, bySize, rate),
    chartOf('One in flight, 512 B: median latency', 'µs', measurements, single, ({ p50Us }) => p50Us),
    chartOf('One in flight, 512 B: 99th percentile', 'µs', measurements, single, ({ p99Us }) => p99Us),
    chartOf(
      'Window 4096, 512 B: processor time, all nodes',
      's for a million commits',
      measurements,
      deep,
      (each) => each.processorSecondsPerMillion,
    ),
    chartOf(
      'Window 4096, 512 B: peak memory of a node',
      'MiB',
      measurements,
      deep,
      ({ peakMemoryMib }) => peakMemoryMib,
      false,
    ),
    {
      title: 'Numbered targets: 1 is the goal, more is better',
      unit: 'measured / goal',
      isLogarithmic: true,
      groups: targets.filter(({ number }) => number > 0).map(({ id }) => id),
      series: [
        {
          name: 'measured / goal',
          values: targets.filter(({ number }) => number > 0).map(({ ratio, goal }) => ratio / goal),
        },
      ],
    },
  ];
  return all.filter(({ groups }) => groups.length > 0);
}

function render(chart: Chart, width: number): string {
  const isFew = chart.groups.length <= 6;
  const instance = init(null, null, { renderer: 'svg', ssr: true, width, height: HEIGHT });
  instance.setOption({
    animation: false,
    title: { text: `${chart.title} (${chart.unit})`, textStyle: { fontSize: 14 }, left: 8, top: 4 },
    legend: { top: 28, left: 8, itemHeight: 8, itemWidth: 14, textStyle: { fontSize: 11 } },
    grid: { left: 64, right: 16, top: 72, bottom: isFew ? 28 : 120 },
    xAxis: {
      type: 'category',
      data: [...chart.groups],
      axisLabel: { interval: 0, fontSize: isFew ? 11 : 10, rotate: isFew ? 0 : 35 },
    },
    yAxis: {
      type: chart.isLogarithmic ? 'log' : 'value',
    },
    series: chart.series.map(({ name, values }) => ({
      type: 'bar',
      name,
      color: COLOURS[name] ?? OTHER_COLOUR,
      // A logarithm has no place for nothing.
      data: values.map((value) => (chart.isLogarithmic && value !== null && value <= 0 ? null : value)),
    })),
  });
  const svg = instance.renderToSVGString();
  instance.dispose();
  return svg;
}

/** Charts below one another in two columns, with the machine and the versions above them; a chart of many groups is wide. */
export function chartPage(result: BenchResult): string {
  const lines = [
    `polyraft beside other Raft libraries, ${result.day}${result.isQuick ? ', quick form' : ''}`,
    machineLine(result.machine),
    ...Object.entries(result.versions).map(([name, version]) => `${name}: ${version ?? 'not there'}`),
    'Medians of the rounds of one session; syncs on, each node a process, all on loopback.',
  ];
  const parts: string[] = lines.map(
    (line, i) =>
      `<text x="${MARGIN}" y="${MARGIN + (i + 1) * LINE_HEIGHT}" ${FONT}${i === 0 ? ' font-weight="bold"' : ''}>${escaped(line)}</text>`,
  );
  let y = 2 * MARGIN + lines.length * LINE_HEIGHT;
  let column = 0;
  for (const chart of chartsOf(result)) {
    const isWide = chart.groups.length > 6;
    if (isWide && column > 0) {
      column = 0;
      y += HEIGHT;
    }
    const width = isWide ? COLUMNS * WIDTH : WIDTH;
    parts.push(`<svg x="${column * WIDTH}" y="${y}"${render(chart, width).replace(/^\s*<svg/, '')}`);
    column = isWide ? COLUMNS : column + 1;
    if (column < COLUMNS) continue;
    column = 0;
    y += HEIGHT;
  }
  const height = y + (column > 0 ? HEIGHT : 0) + MARGIN;
  const width = COLUMNS * WIDTH;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}
