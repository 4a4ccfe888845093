/** One chart over time: lines, an axis, and a reader that follows pointer and arrow keys. */
import { useState } from 'preact/hooks';
import type { Sample } from '../sampler.ts';
import { clockTime } from './format.ts';

const WIDTH = 1_000;
const HEIGHT = 200;
/** A gap of more than this is a gap in the line. */
const GAP_MS = 2_500;

export interface Line {
  readonly name: string;
  readonly mood: 'first' | 'second';
  /** Null: nothing was measured. */
  readonly value: (sample: Sample) => number | null;
}

interface ChartProps {
  readonly title: string;
  readonly unit: string;
  /** Oldest first. */
  readonly samples: readonly Sample[];
  readonly spanSeconds: number;
  readonly lines: readonly Line[];
  readonly axis: (value: number) => string;
  /** Decades where values differ by powers of ten, so that the small ones can be read, too. */
  readonly isLogarithmic?: boolean;
  readonly value: (value: number) => string;
  readonly isFilled?: boolean;
}

/** A round number at or above the highest value. */
function ceilingOf(highest: number): number {
  if (highest <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(highest));
  return ([1, 1.2, 1.6, 2, 3, 4, 5, 6, 8].find((step) => step * power >= highest) ?? 10) * power;
}

interface Scale {
  /** The values that have a line, from the top. */
  readonly marks: readonly number[];
  /** Where a value stands: 0 at the bottom, 1 at the top. */
  readonly share: (value: number) => number;
}

function linearScale(values: readonly number[]): Scale {
  const ceiling = ceilingOf(Math.max(0, ...values));
  return { marks: [ceiling, ceiling / 2, 0], share: (value) => value / ceiling };
}

function decadesScale(values: readonly number[]): Scale {
  const above = values.filter((value) => value > 0);
  const top = Math.max(0, ...above.map((value) => Math.ceil(Math.log10(value))));
  const bottom = Math.min(top - 2, ...above.map((value) => Math.floor(Math.log10(value))));
  const marks = Array.from({ length: top - bottom + 1 }, (_, i) => 10 ** (top - i));
  const share = (value: number): number =>
    value <= 0 ? 0 : Math.max(0, (Math.log10(value) - bottom) / (top - bottom));
  return { marks, share };
}

export function Chart(props: ChartProps) {
  const { title, unit, samples, spanSeconds, lines } = props;
  const [chosen, setChosen] = useState<number | null>(null);
  const newest = samples[samples.length - 1];
  const end = newest?.time_ms ?? 0;
  const values = samples
    .flatMap((sample) => lines.map((line) => line.value(sample)))
    .filter((value) => value !== null);
  const { marks, share } = props.isLogarithmic === true ? decadesScale(values) : linearScale(values);
  const x = (sample: Sample): number => WIDTH * (1 - (end - sample.time_ms) / (spanSeconds * 1_000));
  const y = (value: number): number => HEIGHT * (1 - share(value));
  const at = chosen === null ? undefined : samples.find((sample) => sample.sequence === chosen);
  const move = (by: number): void => {
    const place = at === undefined ? samples.length - 1 : samples.indexOf(at) + by;
    setChosen(samples[Math.min(samples.length - 1, Math.max(0, place))]?.sequence ?? null);
  };
  return (
    <figure class="card chart">
      <figcaption>
        <b>{title}</b> <span class="note">{unit}</span>
        {lines.length > 1 && (
          <span class="legend">
            {[...lines].reverse().map((line) => (
              <span key={line.name}>
                <span class={`key ${line.mood}`} /> {line.name}
              </span>
            ))}
          </span>
        )}
      </figcaption>
      <div
        class="plot"
        tabIndex={0}
        role="group"
        aria-label={`${title}, ${unit}. ${describe(props)} The arrow keys read single seconds.`}
        onKeyDown={(event) => {
          if (event.key === 'ArrowLeft') move(-1);
          else if (event.key === 'ArrowRight') move(1);
          else if (event.key === 'Home') setChosen(samples[0]?.sequence ?? null);
          else if (event.key === 'End' || event.key === 'Escape') setChosen(null);
          else return;
          event.preventDefault();
        }}
        onBlur={() => {
          setChosen(null);
        }}
        onPointerMove={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          const time = end - spanSeconds * 1_000 * (1 - (event.clientX - box.left) / box.width);
          setChosen(nearest(samples, time)?.sequence ?? null);
        }}
        onPointerLeave={() => {
          setChosen(null);
        }}
      >
        <svg viewBox={`0 0 ${String(WIDTH)} ${String(HEIGHT)}`} preserveAspectRatio="none" aria-hidden="true">
          {marks.map((mark) => (
            <line key={mark} class="grid" x1={0} x2={WIDTH} y1={y(mark)} y2={y(mark)} />
          ))}
          {lines.map((line) => {
            const runs = runsOf(samples, line).map((run) =>
              run.map(({ sample, value }) => `${x(sample).toFixed(1)} ${y(value).toFixed(1)}`),
            );
            return (
              <g key={line.name} class={line.mood}>
                {props.isFilled === true &&
                  runs.map((run) => (
                    <path
                      key={run[0]}
                      class="area"
                      d={`M${run.join('L')}L${run[run.length - 1]?.split(' ')[0] ?? ''} ${String(HEIGHT)}L${run[0]?.split(' ')[0] ?? ''} ${String(HEIGHT)}Z`}
                    />
                  ))}
                <path
                  class="line"
                  d={runs.map((run) => `M${(run.length === 1 ? [...run, ...run] : run).join('L')}`).join('')}
                />
              </g>
            );
          })}
          {at !== undefined && <line class="reader" x1={x(at)} x2={x(at)} y1={0} y2={HEIGHT} />}
        </svg>
        {marks.slice(0, -1).map((mark) => (
          <span key={mark} class="mark-text" style={{ top: `${String(100 * (1 - share(mark)))}%` }}>
            {props.axis(mark)}
          </span>
        ))}
      </div>
      <p class="axis">
        <span>{spanSeconds / 60} min ago</span>
        <span class="reading" aria-live="polite">
          {at === undefined ? '' : `${clockTime(at.time_ms)}  ${reading(at, props)}`}
        </span>
        <span>now</span>
      </p>
    </figure>
  );
}

function reading(sample: Sample, { lines, value }: ChartProps): string {
  return [...lines]
    .reverse()
    .map((line) => {
      const found = line.value(sample);
      const text = found === null ? 'nothing measured' : value(found);
      return lines.length === 1 ? text : `${line.name} ${text}`;
    })
    .join(', ');
}

/** In words, for those who do not see the lines. */
function describe({ samples, lines, value }: ChartProps): string {
  const newest = samples[samples.length - 1];
  if (newest === undefined) return 'No sample yet.';
  return [...lines]
    .reverse()
    .map((line) => {
      const all = samples.map((sample) => line.value(sample)).filter((each) => each !== null);
      const now = line.value(newest);
      if (all.length === 0) return `${line.name}: nothing measured.`;
      const last = now === null ? 'nothing just now' : `${value(now)} now`;
      return `${line.name}: ${last}, ${value(Math.max(...all))} at most.`;
    })
    .join(' ');
}

function nearest(samples: readonly Sample[], timeMs: number): Sample | undefined {
  let best: Sample | undefined;
  for (const sample of samples)
    if (best === undefined || Math.abs(sample.time_ms - timeMs) < Math.abs(best.time_ms - timeMs))
      best = sample;
  return best;
}

interface Point {
  readonly sample: Sample;
  readonly value: number;
}

/** What belongs together without a gap. */
function runsOf(samples: readonly Sample[], line: Line): Point[][] {
  const runs: Point[][] = [];
  let last: Sample | null = null;
  for (const sample of samples) {
    const value = line.value(sample);
    if (value === null) {
      last = null;
      continue;
    }
    if (last === null || sample.time_ms - last.time_ms > GAP_MS) runs.push([]);
    runs[runs.length - 1]?.push({ sample, value });
    last = sample;
  }
  return runs;
}
