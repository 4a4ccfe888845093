/** What is wrong with a cluster, in words, for people. */
import type { ServerFigures } from '../server/server-figures.ts';
import type { ClusterView, NodeRow, Warning } from './cluster-view.ts';
import type { Sample } from './sampler.ts';
import { grouped, seconds } from './units.ts';

/** Behind by less is what a cluster at work looks like. */
const BEHIND_ENTRIES_MIN = 1_000;
/** ... and so is what is committed in this time. */
const BEHIND_SECONDS = 2;
const SLOW_SYNC_MS = 100;
const BUSY_LOOP_MS = 200;
/** More leader changes in a minute that nobody asked for are unrest. */
const CALM_CHANGES = 2;
/** Samples looked at for what comes and goes. */
const LATELY_SAMPLES = 10;
/** ... and for what is compared with how fast a node comes closer now. */
const NOW_SAMPLES = 5;

type Unwarned = Omit<ClusterView, 'warnings'>;

/** `samples` are the newest ones of the server that answers, the newest last. */
export function warningsOf(
  cluster: Unwarned,
  figures: ServerFigures,
  samples: readonly Sample[],
): readonly Warning[] {
  const lately = samples.slice(-LATELY_SAMPLES);
  const rateOf = (of: readonly Sample[]): number => mean(of.map((sample) => sample.commits_per_second));
  const rates = { lately: rateOf(lately), now: rateOf(lately.slice(-NOW_SAMPLES)) };
  const all = [
    ...ofThisServer(figures),
    ...ofQuorum(cluster, figures),
    ...cluster.nodes.flatMap((node) => ofNode(node, rates)),
    ...ofMachine(cluster, lately),
    ...ofElections(cluster),
    ...ofVersions(cluster),
  ];
  const order = ['critical', 'warning', 'note'];
  return all.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
}

const critical = (text: string): Warning => ({ severity: 'critical', text });
const warning = (text: string): Warning => ({ severity: 'warning', text });
const note = (text: string): Warning => ({ severity: 'note', text });

function ofThisServer({ failure, role, id }: ServerFigures): Warning[] {
  if (failure !== null) return [critical(`node ${id} has stopped for good: ${failure}`)];
  return role === 'removed' ? [critical(`node ${id} has been removed from the cluster`)] : [];
}

function ofQuorum(cluster: Unwarned, figures: ServerFigures): Warning[] {
  const { voters, voters_reachable: reachable } = cluster;
  const majority = Math.floor(voters / 2) + 1;
  const found: Warning[] = [];
  if (voters > 0 && reachable < majority)
    found.push(critical(`only ${reachable} of ${voters} voters can be reached: nothing can be committed`));
  else if (reachable < voters && reachable === majority)
    found.push(
      warning(`${reachable} of ${voters} voters can be reached: if one more fails, nothing can be committed`),
    );
  if (cluster.leader === null && figures.failure === null && figures.role !== 'removed') {
    const lost = figures.leaderChanges[figures.leaderChanges.length - 1];
    const since = lost?.leader === 0n ? ` for ${seconds(Math.max(0.1, lost.secondsAgo))}` : '';
    found.push(critical(`no leader is known${since}: nothing can be committed`));
  }
  return found;
}

/** Of commits, a second. */
interface Rates {
  readonly lately: number;
  readonly now: number;
}

function ofNode(node: NodeRow, rates: Rates): Warning[] {
  const found: Warning[] = [];
  const name = `node ${node.id}`;
  const tolerated = Math.max(BEHIND_ENTRIES_MIN, rates.lately * BEHIND_SECONDS);
  const isBehind = node.behind !== null && node.behind > tolerated;
  if (node.failure !== null && !node.is_self)
    found.push(critical(`${name} has stopped for good: ${node.failure}`));
  if (!node.reachable) {
    const last = node.last_contact_seconds;
    const behind = isBehind ? `, and is ${grouped(node.behind)} entries behind` : '';
    found.push(
      warning(
        last === null
          ? `${name} has not been heard of yet`
          : `${name} was last heard of ${seconds(last)} ago${behind}`,
      ),
    );
  }
  if (node.reachable && node.replication === 'snapshot') found.push(note(`${name} is being sent a snapshot`));
  else if (node.reachable && isBehind)
    found.push(warning(`${name} is ${grouped(node.behind)} entries behind${catchingUp(node, rates.now)}`));
  const backlog = (node.commit_index ?? 0) - (node.applied_index ?? 0);
  if (node.reachable && backlog > tolerated)
    found.push(warning(`the state machine of ${name} is ${grouped(backlog)} entries behind its log`));
  return found;
}

function catchingUp(node: NodeRow, commitRate: number): string {
  const rate = node.entries_per_second;
  if (rate === null || node.behind === null) return '';
  const gain = rate - commitRate;
  if (rate === 0 || gain <= 0) return '; not catching up';
  return `; catching up at ${grouped(rate)}/s, there in about ${seconds(Math.max(0.1, node.behind / gain))}`;
}

function ofMachine(cluster: Unwarned, lately: readonly Sample[]): Warning[] {
  const found: Warning[] = [];
  const worst = (of: (sample: Sample) => number | undefined): number =>
    Math.max(0, ...lately.map((sample) => of(sample) ?? 0));
  const sync = worst((sample) => sample.wal_sync?.p99_ms);
  if (sync > SLOW_SYNC_MS)
    found.push(
      warning(`the disk of node ${cluster.node} is slow: a sync of the log took ${grouped(sync)} ms`),
    );
  const delay = worst((sample) => sample.loop_delay?.p99_ms);
  if (delay > BUSY_LOOP_MS)
    found.push(
      warning(`node ${cluster.node} has too little processor: its timer was ${grouped(delay)} ms late`),
    );
  return found;
}

function ofElections(cluster: Unwarned): Warning[] {
  const changes = cluster.elections.filter(
    (election) => election.seconds_ago < 60 && !election.handed_over,
  ).length;
  return changes > CALM_CHANGES
    ? [warning(`${changes} elections in the last minute: look at the network, the disks and election_tick`)]
    : [];
}

function ofVersions(cluster: Unwarned): Warning[] {
  const versions = new Set(cluster.nodes.flatMap((node) => (node.version === null ? [] : [node.version])));
  return versions.size > 1 ? [note(`several versions are running: ${[...versions].sort().join(', ')}`)] : [];
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
