/** The page: everything that is seen, from what the server says. */
import { useEffect, useState } from 'preact/hooks';
import type { ClusterView, Warning } from '../cluster-view.ts';
import type { Sample } from '../sampler.ts';
import { grouped, seconds } from '../units.ts';
import { Charts } from './charts.tsx';
import { useFeed, type Feed } from './feed.ts';
import { milliseconds } from './format.ts';
import { Nodes } from './nodes.tsx';

/** Without an answer for so long the page says that it is old. */
const OLD_MS = 3_000;

export function Page() {
  const feed = useFeed();
  const { cluster, samples, problem } = feed;
  useEffect(() => {
    if (cluster !== null) document.title = `${titleMark(cluster)}node ${cluster.node} – polyraft`;
  }, [cluster]);
  if (cluster === null)
    return (
      <p class="loading">
        {problem === null ? 'Asking the server…' : `The server does not answer: ${problem}`}
      </p>
    );
  return (
    <>
      <Header cluster={cluster} feed={feed} />
      <main>
        <Summary cluster={cluster} samples={samples} />
        <Warnings cluster={cluster} />
        <Nodes cluster={cluster} />
        <Charts samples={samples} />
        <Elections cluster={cluster} />
      </main>
      <footer>
        <nav aria-label="The same for programs">
          <a href="/metrics">metrics</a>
          <a href="/status">status</a>
          <a href="/cluster">cluster</a>
          <a href="/samples">samples</a>
          <a href="/healthz">health</a>
          <a href="/readyz">readiness</a>
        </nav>
        <p>polyraft {cluster.version}</p>
      </footer>
    </>
  );
}

function titleMark(cluster: ClusterView): string {
  if (cluster.warnings.some(({ severity }) => severity === 'critical')) return '✖ ';
  return cluster.warnings.some(({ severity }) => severity === 'warning') ? '⚠ ' : '';
}

function Header({ cluster, feed }: { cluster: ClusterView; feed: Feed }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = window.setInterval(() => {
      tick((count) => count + 1);
    }, 1_000);
    return () => {
      window.clearInterval(timer);
    };
  }, []);
  const ageMs = feed.heardAt === null ? 0 : performance.now() - feed.heardAt;
  const isOld = feed.problem !== null && ageMs > OLD_MS;
  return (
    <header>
      <h1>
        <svg class="mark" viewBox="0 0 24 24" aria-hidden="true">
          <path d="M12 4.5 5.5 17.5h13z" />
          <circle cx="12" cy="4.5" r="3" class="lead" />
          <circle cx="5.5" cy="17.5" r="3" />
          <circle cx="18.5" cy="17.5" r="3" />
        </svg>
        polyraft
      </h1>
      <p class="where">
        cluster <b>{cluster.cluster_id}</b>
        <span class="dot">·</span>
        seen by node <b>{cluster.node}</b>
      </p>
      <p class={isOld ? 'live old' : 'live'} role="status">
        {isOld ? `no answer for ${seconds(ageMs / 1000)}; what is shown is old` : 'live'}
      </p>
    </header>
  );
}

function Summary({ cluster, samples }: { cluster: ClusterView; samples: readonly Sample[] }) {
  const newest = samples[samples.length - 1];
  const lately = samples.slice(-5);
  const rate =
    lately.length === 0 ? null : lately.reduce((sum, one) => sum + one.commits_per_second, 0) / lately.length;
  const election = cluster.elections[0];
  const commit = [...lately].reverse().find((sample) => sample.commit !== null)?.commit ?? null;
  const sync = newest?.wal_sync ?? null;
  const majority = Math.floor(cluster.voters / 2) + 1;
  const isShort = cluster.voters_reachable < cluster.voters;
  return (
    <section class="tiles" aria-label="Summary">
      <Tile
        name="Leader"
        value={cluster.leader === null ? 'none' : `node ${cluster.leader}`}
        note={
          cluster.leader === null
            ? `term ${grouped(cluster.term)}`
            : `term ${grouped(cluster.term)}${election === undefined ? '' : `, for ${seconds(election.seconds_ago)}`}`
        }
        mood={cluster.leader === null ? 'critical' : ''}
      />
      <Tile
        name="Voters reachable"
        value={`${String(cluster.voters_reachable)} of ${String(cluster.voters)}`}
        note={`${String(majority)} needed to commit`}
        mood={cluster.voters_reachable < majority ? 'critical' : isShort ? 'warning' : ''}
      />
      <Tile
        name="Commits a second"
        value={rate === null ? '–' : grouped(rate)}
        note={newest === undefined ? 'no sample yet' : `${grouped(newest.commit_index)} in all`}
      />
      {commit === null ? (
        <Tile
          name="Log sync"
          value={sync === null ? '–' : milliseconds(sync.p50_ms)}
          note={sync === null ? 'nothing written just now' : `1 in 100 above ${milliseconds(sync.p99_ms)}`}
        />
      ) : (
        <Tile
          name="Commit latency"
          value={milliseconds(commit.p50_ms)}
          note={`1 in 100 above ${milliseconds(commit.p99_ms)}`}
        />
      )}
    </section>
  );
}

function Tile({
  name,
  value,
  note,
  mood = '',
}: {
  name: string;
  value: string;
  note: string;
  mood?: string;
}) {
  return (
    <div class={`tile ${mood}`}>
      <h2>{name}</h2>
      <p class="value">{value}</p>
      <p class="note">{note}</p>
    </div>
  );
}

const SEVERITY_WORDS: Record<Warning['severity'], string> = {
  critical: 'Critical',
  warning: 'Warning',
  note: 'Note',
};

/** For those who listen: only what does not change every second. */
function spoken(warnings: readonly Warning[]): string {
  if (warnings.length === 0) return 'Nothing is wrong.';
  return (['critical', 'warning', 'note'] as const)
    .map((severity) => ({ severity, count: warnings.filter((one) => one.severity === severity).length }))
    .filter(({ count }) => count > 0)
    .map(({ severity, count }) => `${SEVERITY_WORDS[severity]}: ${String(count)}`)
    .join(', ');
}

function Warnings({ cluster }: { cluster: ClusterView }) {
  return (
    <section class="warnings" aria-label="What is wrong">
      <p class="spoken" role="status">
        {spoken(cluster.warnings)}
      </p>
      {cluster.warnings.length === 0 ? (
        <p class="fine" aria-hidden="true">
          <Icon kind="fine" />
          Nothing is wrong.
        </p>
      ) : (
        <ul>
          {cluster.warnings.map(({ severity, text }, place) => (
            <li key={place} class={severity}>
              <Icon kind={severity} />
              <span>
                <b>{SEVERITY_WORDS[severity]}</b> {text}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

const ICON_PATHS = {
  fine: 'M3.5 8.5l3 3 6-7',
  note: 'M8 7.2v4.3M8 4.4v.6',
  warning: 'M8 4.2v4.4M8 11.2v.6',
  critical: 'M5 5l6 6M11 5l-6 6',
} as const;

function Icon({ kind }: { kind: keyof typeof ICON_PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      {kind === 'warning' ? (
        <path class="shape" d="M8 1 15.2 14.5H.8z" />
      ) : (
        <circle class="shape" cx="8" cy="8" r="7.5" />
      )}
      <path class="sign" d={ICON_PATHS[kind]} />
    </svg>
  );
}

function Elections({ cluster }: { cluster: ClusterView }) {
  return (
    <section class="card" aria-labelledby="elections">
      <h2 id="elections">Last elections</h2>
      {cluster.elections.length === 0 ? (
        <p class="note">None since this server has started.</p>
      ) : (
        <table>
          <thead>
            <tr>
              <th scope="col">when</th>
              <th scope="col">leader</th>
              <th scope="col" class="number">
                term
              </th>
              <th scope="col" class="number">
                without a leader
              </th>
            </tr>
          </thead>
          <tbody>
            {cluster.elections.slice(0, 8).map((election, place) => (
              <tr key={place}>
                <td>{seconds(election.seconds_ago)} ago</td>
                <td>
                  node {election.leader}
                  {election.handed_over ? ', handed over' : ''}
                </td>
                <td class="number">{grouped(election.term)}</td>
                <td class="number">
                  {election.without_leader_seconds === null ? '–' : seconds(election.without_leader_seconds)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
