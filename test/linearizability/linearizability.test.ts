/**
 * Reads behind a barrier are linearizable while leaders are killed and nodes are cut off: histories of real clusters
 * are judged by porcupine. It is a search over all orders that the times allow, so nothing here knows what is right.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { skipReason, titled } from '../interop/programs.ts';
import { figure, runtimes, type Runtime } from '../scenario/figures.ts';
import { check } from './checker.ts';
import { Clients, disturb, KEYS } from './clients.ts';
import { LinkedCluster } from './cluster.ts';
import type { Operation } from './history.ts';

const HISTORIES = figure(1, 50);
const OPERATIONS = figure(300, 2_000);
const STALE_OPERATIONS = 100;
const FAULTS = figure(2, 12);
const HISTORY_MS = 240_000;

describe.skipIf(skipReason !== null)(titled('the checker'), () => {
  const put = (value: number, call: number, returned: number | null): Operation => ({
    client: value,
    kind: 'put',
    key: 1,
    value,
    call,
    return: returned,
  });
  const get = (value: number, call: number, returned: number): Operation => ({
    client: 0,
    kind: 'get',
    key: 1,
    value,
    call,
    return: returned,
  });

  test.each<[string, Operation[], string]>([
    ['a read of what was written', [put(1, 0, 1), get(1, 2, 3)], 'ok'],
    ['a read of what was written before that', [put(1, 0, 1), put(2, 2, 3), get(1, 4, 5)], 'illegal'],
    ['a read of what nobody wrote', [get(7, 0, 1)], 'illegal'],
    ['an unknown put that is seen late', [put(1, 0, null), get(0, 2, 3), get(1, 4, 5)], 'ok'],
    ['an unknown put that is never seen', [put(1, 0, 1), put(2, 2, null), get(1, 4, 5)], 'ok'],
    ['an unknown put that is taken back', [put(1, 0, null), get(1, 2, 3), get(0, 4, 5)], 'illegal'],
    ['a put that is seen while it is under way', [put(1, 0, 9), get(1, 2, 3), get(1, 4, 5)], 'ok'],
    ['reads that go back', [put(1, 0, 9), get(1, 2, 3), get(0, 4, 5)], 'illegal'],
  ])('%s', async (_, operations, verdict) => {
    expect(await check(operations)).toBe(verdict);
  });
});

/** Half of the histories each. */
function historiesOf(runtime: Runtime): number {
  const all = runtimes();
  const share = HISTORIES / all.length;
  return runtime === all[0] ? Math.ceil(share) : Math.max(1, Math.floor(share));
}

describe.skipIf(skipReason !== null).each(runtimes())(titled('%s runtime'), (runtime) => {
  let cluster: LinkedCluster;
  let histories = 0;
  beforeAll(async () => {
    cluster = await LinkedCluster.start(runtime);
  }, HISTORY_MS);
  afterAll(() => cluster.end());

  function clients(operations: number, read: 'get' | 'local'): Clients {
    return new Clients({ cluster, operations, read, firstKey: KEYS * histories++ });
  }

  test(
    `${historiesOf(runtime)} histories of ${OPERATIONS} operations: no read is stale`,
    async () => {
      let unknown = 0;
      let faults = 0;
      for (let history = 0; history < historiesOf(runtime); history++) {
        const running = clients(OPERATIONS, 'get');
        const [recorded, told] = await Promise.all([running.run(), disturb(cluster, running, FAULTS)]);
        unknown += recorded.unknown;
        faults += told.length;
        expect(await check(recorded.operations), `after: ${told.join('; ')}`).toBe('ok');
      }
      expect(faults).toBe(FAULTS * historiesOf(runtime));
      console.log(
        `${runtime}: ${historiesOf(runtime)} histories of ${OPERATIONS}, ${faults} faults, ${unknown} unknown outcomes, none stale`,
      );
    },
    HISTORY_MS * historiesOf(runtime),
  );

  test(
    'reads without a barrier on a node that is cut off are found out',
    async () => {
      const running = clients(STALE_OPERATIONS, 'local');
      const leader = await cluster.leader();
      const follower = cluster.nodes.find((node) => node !== leader)!;
      // Before the first write: it may be the last one that a quick machine has left a little later.
      cluster.isolate(follower, 'cut');
      const isolated = async (): Promise<void> => {
        while (!running.isOver) await delay(20);
        cluster.mend();
      };
      const [recorded] = await Promise.all([running.run(), isolated()]);
      expect(await check(recorded.operations)).toBe('illegal');
    },
    HISTORY_MS,
  );
});
