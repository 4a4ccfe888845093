/** docs/operating.md, "A majority is lost for a while". */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { figure } from '../scenario/figures.ts';
import type { Counts } from '../scenario/host.ts';
import { waitUntil } from '../scenario/wait-until.ts';
import { LOAD, OperatedCluster, operatedRuntimes } from './operated-cluster.ts';

const ROUNDS = figure(1, 10);

describe.each(operatedRuntimes())('%s runtime', (runtime) => {
  let operated: OperatedCluster;
  afterEach(() => operated.end(), 60_000);

  test(
    'nothing is committed meanwhile, and all goes on when the nodes come back',
    async () => {
      operated = await OperatedCluster.start({ runtime, config: { tickms: 40 } });
      const { cluster } = operated;
      for (let round = 0; round < ROUNDS; round++) {
        const leader = await cluster.leader();
        const host = leader.host!;
        const first = await host.counts();
        const before = (what: (counts: Counts) => number): number => what(first);
        await cluster.load(leader, LOAD);
        await delay(300);
        const lost = cluster.nodes.filter((node) => node !== leader);
        await Promise.all(lost.map((node) => cluster.killNode(node)));
        const url = operated.adminUrl(leader.id);
        const ready = async (): Promise<number> => (await fetch(`${url}/readyz`)).status;
        await waitUntil('the leader gives up', 30_000, async () => (await ready()) === 503);
        const { applied } = await host.digest();
        const { acknowledged } = await host.counts();
        const shown = await operated.polyraft(leader.id, ['status']);
        expect(shown.code).toBe(1);
        expect(shown.out).toContain('nothing can be committed');
        expect((await fetch(`${url}/healthz`)).status).toBe(200);
        await delay(300);
        expect((await host.digest()).applied).toBe(applied);
        const has = (what: (counts: Counts) => number) => async () =>
          what(await host.counts()) > before(what);
        await waitUntil(
          'what was open is unknown',
          30_000,
          has(({ unknown }) => unknown),
        );
        await waitUntil(
          'others are refused',
          30_000,
          has(({ rejected, refused }) => rejected + refused),
        );
        const counts = await host.quiet();
        expect(counts.acknowledged).toBe(acknowledged);

        for (const node of round % 2 === 0 ? lost : [...lost].reverse()) await operated.startNode(node);
        await cluster.leader();
        await waitUntil('the server is ready', 30_000, async () => (await ready()) === 200);
        await cluster.load(leader, LOAD);
        await waitUntil(
          'more is committed',
          30_000,
          async () => (await host.counts()).acknowledged > acknowledged,
        );
        await host.quiet();
        await cluster.expectNothingLost();
      }
    },
    60_000 + ROUNDS * 60_000,
  );
});
