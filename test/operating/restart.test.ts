/** docs/operating.md, "Restarts and new versions". */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { figure } from '../scenario/figures.ts';
import { LOAD, OperatedCluster, operatedRuntimes } from './operated-cluster.ts';

const ROUNDS = figure(1, 10);

describe.each(operatedRuntimes())('%s runtime', (runtime) => {
  let operated: OperatedCluster | null = null;
  afterEach(async () => {
    await operated?.end();
    operated = null;
  }, 60_000);

  test(
    'one node at a time is stopped with a hand-over and started again: no election is waited for',
    async () => {
      operated = await OperatedCluster.start({ runtime });
      const { cluster } = operated;
      const before = cluster.running.map((host) => host.roles.length);
      const { term } = await (await cluster.leader()).host!.status();
      let handOvers = 0;
      await cluster.loadAll(LOAD);
      await delay(300);
      for (let round = 0; round < ROUNDS; round++) {
        for (const node of cluster.nodes) {
          const other = cluster.nodes.find(({ id }) => id !== node.id)!;
          if (node.host!.role === 'leader') handOvers++;
          await operated.stopNode(node, 'handover');
          await operated.startNode(node);
          await operated.inSync(node.id, other.id);
          await cluster.load(node, LOAD);
        }
      }
      expect(handOvers).toBeGreaterThan(0);
      expect((await (await cluster.leader()).host!.status()).term, 'one term a hand-over').toBe(
        term + handOvers,
      );
      // Who waits for an election is a pre-candidate when it has waited.
      const roles = operated.hosts.map((host, i) => host.roles.slice(before[i] ?? 0));
      expect(roles.flat()).not.toContain('pre-candidate');
      await operated.quiet();
      const { acknowledged } = await cluster.expectNothingLost();
      expect(acknowledged).toBeGreaterThan(0);
    },
    60_000 + ROUNDS * 30_000,
  );
});
