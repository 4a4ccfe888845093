/** The text that Prometheus reads: every metric of the table, with its kind, and values that are the server's. */
import { afterEach, expect, test } from 'vitest';
import { METRICS } from '../../src-ts/admin/metrics-table.ts';
import { metricsText } from '../../src-ts/admin/metrics.ts';
import { Cluster } from '../server/cluster.ts';

let cluster: Cluster;

afterEach(async () => {
  await cluster.stop();
});

function value(text: string, name: string, labels = ''): number {
  const line = text
    .split('\n')
    .find((each) => each.startsWith(`${name}{`) && each.includes(labels) && !each.startsWith('#'));
  return line === undefined ? NaN : Number(line.slice(line.lastIndexOf(' ')));
}

test('counts what has happened, for several servers in one answer', async () => {
  cluster = await Cluster.of(3);
  const leader = await cluster.elected();
  const sequences = cluster.propose(leader, ['a', 'b', 'c']);
  await cluster.until(() => cluster.decided(sequences), 'outcomes');
  await cluster.converged();
  const facts = cluster.server(leader).figures();
  const text = await metricsText(facts);
  expect(value(text, 'polyraft_proposals_total')).toBe(3);
  expect(value(text, 'polyraft_proposal_outcomes_total', 'outcome="committed"')).toBe(3);
  expect(value(text, 'polyraft_proposal_outcomes_total', 'outcome="unknown"')).toBe(0);
  expect(value(text, 'polyraft_commit_index')).toBe(facts.commitIndex);
  expect(value(text, 'polyraft_applied_index')).toBe(facts.appliedIndex);
  expect(value(text, 'polyraft_role', 'role="leader"')).toBe(1);
  expect(value(text, 'polyraft_leader_changes_total')).toBeGreaterThan(0);
  expect(value(text, 'polyraft_wal_sync_duration_seconds_count')).toBeGreaterThan(0);
  expect(value(text, 'polyraft_wal_sync_duration_seconds_bucket', 'le="+Inf"')).toBe(
    value(text, 'polyraft_wal_sync_duration_seconds_count'),
  );
  expect(value(text, 'polyraft_peer_match_index')).toBe(facts.lastIndex);
  const all = await metricsText(...[1, 2, 3].map((id) => cluster.server(id).figures()));
  for (const id of [1, 2, 3]) expect(value(all, 'polyraft_term', `node="${id}"`)).toBe(facts.term);
  expect(all.match(/^# TYPE polyraft_term gauge$/gm)).toHaveLength(1);
});

test('each name follows the conventions and is described once', async () => {
  cluster = await Cluster.of(1);
  await cluster.elected();
  const text = await metricsText(cluster.server(1).figures());
  expect(new Set(METRICS.map(({ name }) => name)).size).toBe(METRICS.length);
  for (const { name, kind, help } of METRICS) {
    expect(name).toMatch(/^polyraft(_[a-z]+)+$/);
    expect(name.endsWith('_total')).toBe(kind === 'counter');
    if (kind === 'histogram') expect(name).toMatch(/_seconds$/);
    expect(text).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`);
  }
});
