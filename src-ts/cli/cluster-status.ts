/** `polyraft status` and `polyraft members list`: the cluster as one of its servers sees it. */
import type { ClusterView, NodeRow } from '../admin/cluster-view.ts';
import { bytes, grouped, seconds } from '../admin/units.ts';
import type { AdminClient } from './admin-client.ts';
import { ExitCode, type Output } from './output.ts';
import { table, wrapped } from './table.ts';

const ELECTIONS_SHOWN = 5;
const MARKS = { critical: '!!', warning: '! ', note: '  ' } as const;

const number = (value: number | null): string => (value === null ? '-' : grouped(value));

function roleOf(node: NodeRow): string {
  if (!node.reachable) return 'unreachable';
  const role = node.role ?? 'unknown';
  return node.learner && role === 'follower' ? 'learner' : role;
}

function isBroken(cluster: ClusterView): boolean {
  return cluster.warnings.some(({ severity }) => severity === 'critical');
}

export async function showStatus(client: AdminClient, asJson: boolean, output: Output): Promise<ExitCode> {
  const cluster = await client.get<ClusterView>('/cluster');
  if (asJson) {
    output.line(JSON.stringify(cluster, null, 2));
    return isBroken(cluster) ? ExitCode.Damaged : ExitCode.Fine;
  }
  const { leader, voters, voters_reachable: reachable } = cluster;
  const summary =
    `cluster ${cluster.cluster_id}, term ${cluster.term}, ` +
    `${leader === null ? 'no leader' : `leader ${leader}`}, ${reachable} of ${voters} voters can be reached ` +
    `(seen by node ${cluster.node})`;
  for (const line of wrapped(summary, output.columns, 2)) output.line(line);
  output.line('');
  const head = [
    'node',
    'role',
    'term',
    'commit',
    'applied',
    'match',
    'behind',
    'log',
    'round trip',
    'last contact',
  ];
  const rows = cluster.nodes.map((node) => [
    node.id,
    roleOf(node),
    number(node.term),
    number(node.commit_index),
    number(node.applied_index),
    number(node.match_index),
    number(node.behind),
    node.log_bytes === null ? '-' : bytes(node.log_bytes),
    node.round_trip_ms === null ? '-' : `${node.round_trip_ms.toFixed(1)} ms`,
    contact(node),
  ]);
  for (const line of table(head, rows, output.columns)) output.line(line);
  if (cluster.elections.length > 0) {
    output.line('');
    output.line('elections');
    for (const election of cluster.elections.slice(0, ELECTIONS_SHOWN)) {
      const { without_leader_seconds: without, handed_over: handedOver } = election;
      const how = handedOver ? ', handed over' : '';
      const gap = without === null ? '' : `, after ${seconds(without)} without a leader`;
      output.line(
        `  ${seconds(election.seconds_ago)} ago: node ${election.leader}, term ${election.term}${how}${gap}`,
      );
    }
  }
  if (cluster.warnings.length > 0) {
    output.line('');
    output.line('warnings');
    for (const { severity, text } of cluster.warnings)
      for (const line of wrapped(`  ${MARKS[severity]} ${text}`, output.columns, 5)) output.line(line);
  }
  return isBroken(cluster) ? ExitCode.Damaged : ExitCode.Fine;
}

function contact(node: NodeRow): string {
  if (node.is_self) return 'this node';
  return node.last_contact_seconds === null ? 'never' : `${seconds(node.last_contact_seconds)} ago`;
}

export async function listMembers(client: AdminClient, asJson: boolean, output: Output): Promise<ExitCode> {
  const { nodes } = await client.get<ClusterView>('/cluster');
  const members = nodes.map(({ id, learner, urls, role, reachable }) => ({
    id,
    learner,
    urls,
    role,
    reachable,
  }));
  if (asJson) {
    output.line(JSON.stringify(members, null, 2));
    return ExitCode.Fine;
  }
  const rows = nodes.map((node) => [
    node.id,
    node.learner ? 'learner' : 'voter',
    roleOf(node),
    node.urls.join(' ') || 'not known yet',
  ]);
  for (const line of table(['node', 'member as', 'role', 'url'], rows, output.columns)) output.line(line);
  return ExitCode.Fine;
}
