/** Each node with its role, and its log as a bar beside that of the leader. */
import type { ClusterView, NodeRow } from '../cluster-view.ts';
import { bytes, grouped, seconds } from '../units.ts';
import { milliseconds, orDash } from './format.ts';

/** Bars show the end of the log: at least so many entries of it. */
const WINDOW_LEAST = 1_000;

interface Axis {
  readonly from: number;
  readonly to: number;
}

/** The end of the log that all bars show: wide enough for the one that is furthest behind. */
function axisOf(nodes: readonly NodeRow[]): Axis {
  const ends = nodes.map((node) => Math.max(node.last_index ?? 0, node.match_index ?? 0));
  const to = Math.max(1, ...ends);
  const known = nodes.flatMap((node) =>
    [node.match_index ?? node.last_index, node.commit_index, node.applied_index].filter(
      (index) => index !== null,
    ),
  );
  const lag = Math.max(0, ...known.map((index) => to - index));
  return { from: Math.max(0, to - niceAbove(Math.max(WINDOW_LEAST, lag * 1.25))), to };
}

function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5].find((step) => step * power >= value) ?? 10) * power;
}

export function Nodes({ cluster }: { cluster: ClusterView }) {
  const axis = axisOf(cluster.nodes);
  return (
    <section class="card nodes" aria-labelledby="nodes">
      <div class="head">
        <h2 id="nodes">Nodes</h2>
        <p class="legend">
          <span class="key match" /> in the log
          <span class="key commit" /> committed
          <span class="key applied" /> applied
        </p>
      </div>
      <ul>
        {cluster.nodes.map((node) => (
          <Node key={node.id} node={node} axis={axis} />
        ))}
      </ul>
      <p class="axis">
        <span>{grouped(axis.from)}</span>
        <span>the last {grouped(axis.to - axis.from)} entries</span>
        <span>{grouped(axis.to)}</span>
      </p>
    </section>
  );
}

function roleOf(node: NodeRow): { name: string; mood: string } {
  if (!node.reachable) return { name: node.is_self ? 'failed' : 'unreachable', mood: 'critical' };
  if (node.role === null) return { name: 'unknown', mood: 'idle' };
  if (node.role === 'failed' || node.role === 'removed') return { name: node.role, mood: 'critical' };
  if (node.learner && node.role === 'follower') return { name: 'learner', mood: 'idle' };
  if (node.role === 'leader') return { name: 'leader', mood: 'lead' };
  return { name: node.role, mood: node.role === 'follower' ? 'idle' : 'warning' };
}

function Node({ node, axis }: { node: NodeRow; axis: Axis }) {
  const role = roleOf(node);
  return (
    <li>
      <div class="who">
        <h3>
          node {node.id}
          {node.is_self && <small> this one</small>}
        </h3>
        <span class={`badge ${role.mood}`}>{role.name}</span>
      </div>
      <div class="log">
        <Bar node={node} axis={axis} />
        <dl>
          <Fact name="match" value={orDash(node.match_index)} />
          <Fact name="commit" value={orDash(node.commit_index)} />
          <Fact name="applied" value={orDash(node.applied_index)} />
          <Fact name="term" value={orDash(node.term)} />
          <Fact name="log" value={node.log_bytes === null ? '–' : bytes(node.log_bytes)} />
          <Fact name="snapshot" value={orDash(node.snapshot_index)} />
        </dl>
      </div>
      <div class="state">
        <p class={isBehind(node) ? 'lag warning' : 'lag'}>{lagText(node)}</p>
        <p class="note">{speedText(node)}</p>
        <p class="note">{contactText(node)}</p>
        <p class="note url">{node.urls.join(' ')}</p>
      </div>
    </li>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Bar({ node, axis }: { node: NodeRow; axis: Axis }) {
  const share = (index: number | null): number =>
    index === null ? 0 : Math.min(100, Math.max(0, ((index - axis.from) / (axis.to - axis.from)) * 100));
  const match = node.match_index ?? node.last_index;
  const label =
    match === null
      ? `node ${node.id}: its log is not known`
      : `node ${node.id} has the log up to ${grouped(match)}, committed up to ${orDash(node.commit_index)}, ` +
        `applied up to ${orDash(node.applied_index)}; the end is ${grouped(axis.to)}`;
  return (
    <div class={node.reachable ? 'bar' : 'bar stale'} role="img" aria-label={label}>
      <span class="match" style={{ width: `${String(share(match))}%` }} />
      <span class="commit" style={{ width: `${String(share(node.commit_index))}%` }} />
      {node.applied_index !== null && (
        <span class="applied" style={{ left: `${String(share(node.applied_index))}%` }} />
      )}
    </div>
  );
}

/** Less is what is on its way in a cluster at work. */
function isBehind(node: NodeRow): boolean {
  return node.behind !== null && node.behind >= WINDOW_LEAST;
}

function isFollowing(node: NodeRow): boolean {
  return node.reachable && !isBehind(node) && (node.behind === 0 || node.replication === 'replicate');
}

function lagText(node: NodeRow): string {
  if (node.reachable && node.replication === 'snapshot') return 'is being sent a snapshot';
  if (node.behind === null) return 'not known how far';
  if (node.role === 'leader') return 'end of the log';
  return isFollowing(node) ? 'in sync' : `${grouped(node.behind)} behind`;
}

function speedText(node: NodeRow): string {
  const rate = node.entries_per_second;
  return isBehind(node) && rate !== null ? `takes in ${grouped(rate)}/s` : '';
}

function contactText(node: NodeRow): string {
  if (node.is_self) return node.runtime === null ? '' : `${node.runtime} runtime`;
  if (node.last_contact_seconds === null) return 'never heard of';
  const heard = `heard of ${seconds(node.last_contact_seconds)} ago`;
  return node.round_trip_ms === null || !node.reachable
    ? heard
    : `${milliseconds(node.round_trip_ms)} round trip`;
}
