/** Throughput and latency of the last minutes. */
import { useState } from 'preact/hooks';
import type { Sample } from '../sampler.ts';
import { grouped } from '../units.ts';
import { Chart, type Line } from './chart.tsx';
import { milliseconds, short } from './format.ts';

const SPANS = [
  { seconds: 120, name: '2 min' },
  { seconds: 600, name: '10 min' },
] as const;

export function Charts({ samples }: { samples: readonly Sample[] }) {
  const [span, setSpan] = useState<number>(SPANS[0].seconds);
  const newest = samples[samples.length - 1];
  const shown = samples.filter(
    (sample) => newest !== undefined && newest.time_ms - sample.time_ms < span * 1000,
  );
  const hasCommits = shown.some((sample) => sample.commit !== null);
  const commits: Line[] = [{ name: 'commits', mood: 'first', value: (sample) => sample.commits_per_second }];
  const latency: Line[] = hasCommits
    ? [
        { name: '1 in 100', mood: 'second', value: (sample) => sample.commit?.p99_ms ?? null },
        { name: 'median', mood: 'first', value: (sample) => sample.commit?.p50_ms ?? null },
      ]
    : [
        { name: '1 in 100', mood: 'second', value: (sample) => sample.wal_sync?.p99_ms ?? null },
        { name: 'median', mood: 'first', value: (sample) => sample.wal_sync?.p50_ms ?? null },
      ];
  return (
    <section class="charts" aria-labelledby="charts">
      <div class="head">
        <h2 id="charts">The last minutes</h2>
        <fieldset class="spans">
          <legend>how long</legend>
          {SPANS.map((each) => (
            <label key={each.seconds}>
              <input
                type="radio"
                name="span"
                checked={span === each.seconds}
                onChange={() => {
                  setSpan(each.seconds);
                }}
              />
              <span>{each.name}</span>
            </label>
          ))}
        </fieldset>
      </div>
      <div class="pair">
        <Chart
          title="Throughput"
          unit="commits a second"
          samples={shown}
          spanSeconds={span}
          lines={commits}
          axis={short}
          value={(value) => grouped(value)}
          isFilled
        />
        <Chart
          title={hasCommits ? 'Commit latency' : 'Log sync'}
          unit={hasCommits ? 'from append to commit' : 'of this node; commits are timed on the leader'}
          samples={shown}
          spanSeconds={span}
          lines={latency}
          axis={(value) => (value < 1_000 ? `${short(value)} ms` : `${short(value / 1_000)} s`)}
          isLogarithmic
          value={milliseconds}
        />
      </div>
    </section>
  );
}
