/** Five members of both kinds, killed and made leader at random under writes; one is down at a time. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { figure } from '../scenario/figures.ts';
import { randomFrom } from '../storage/helpers.ts';
import { MixedCluster, PATIENCE_MS } from './mixed-cluster.ts';
import { skipReason, titled } from './programs.ts';

const ROUNDS = figure(5, 60);
const WRITES = 3_000;
const SEED = Number(process.env['POLYRAFT_SEED'] ?? 1);

describe.skipIf(skipReason !== null)(titled('mixed clusters in trouble'), () => {
  let cluster: MixedCluster | null = null;
  afterEach(async () => {
    await cluster?.end();
    cluster = null;
  });

  it(
    `${ROUNDS} times ${WRITES} writes, each carried out once (seed ${SEED})`,
    async () => {
      const random = randomFrom(SEED);
      const kinds = ['polyraft', 'etcd', 'polyraft', 'etcd', 'polyraft'] as const;
      const running = (cluster = await MixedCluster.start(kinds, {
        config: { snap_count: 700, snapshot_entries: 100 },
      }));
      let [kills, transfers] = [0, 0];
      for (let round = 1; round <= ROUNDS; round++) {
        let isOver = false;
        const load = running.load(WRITES, 20 + round).finally(() => (isOver = true));
        // Its failure is reported below, not while a member is on its way down.
        load.catch(() => undefined);
        do {
          const member = running.members[random(kinds.length)]!;
          if (random(10) < 7) {
            await running.stop(member, 'SIGKILL');
            await delay(random(2) * random(1_500));
            await running.startMember(member);
            kills++;
          } else {
            await running.ask(running.members[random(kinds.length)]!, 'transfer', String(member.id));
            transfers++;
          }
          await delay(random(300));
        } while (!isOver);
        await load;
        const { keys, writes } = await running.agreed();
        expect({ keys, writes }).toEqual({ keys: WRITES, writes: WRITES * round });
      }
      console.log(`${kills} members killed, ${transfers} transfers asked for`);
      expect(kills).toBeGreaterThan(0);
    },
    PATIENCE_MS * 10,
  );
});
