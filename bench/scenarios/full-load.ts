/** As much as three nodes take, for some seconds: how late the leader's event loop is, and whether memory grows. */
import { residentMemoryMib } from '../../scripts/tools/process-facts.ts';
import { differenceOf, quantileOf } from '../statistics.ts';
import { ENTRY_BYTES, HEARTBEAT_MS, type Scenario } from './scenario.ts';

const WINDOW = 4096;
const PROBE_COUNT = 20_000;
/** The timer that is looked at fires every tick: more of them give more values, and heartbeats stay as they are. */
const TICKS_PER_HEARTBEAT = 5;
const ELECTION_HEARTBEATS = 20;
const CONFIG = {
  tickms: HEARTBEAT_MS / TICKS_PER_HEARTBEAT,
  heartbeat_tick: TICKS_PER_HEARTBEAT,
  election_tick: TICKS_PER_HEARTBEAT * ELECTION_HEARTBEATS,
};

export const fullLoad: Scenario = {
  title: () => 'full-load',
  async play(scene) {
    await scene.inCluster(3, CONFIG, async (cluster) => {
      const load = { bytes: ENTRY_BYTES, window: WINDOW };
      const probe = await cluster.run({ ...load, count: PROBE_COUNT });
      const count = Math.max(PROBE_COUNT, Math.round((probe.count / probe.seconds) * scene.size.loadSeconds));
      const leader = cluster.host(cluster.leaderId).pid;
      await cluster.run({ ...load, count });
      for (const _round of scene.rounds()) {
        const before = await cluster.counted();
        const { seconds, p99Us } = await cluster.run({ ...load, count });
        const after = await cluster.counted();
        const delay = quantileOf(differenceOf(after!.loopDelay!, before!.loopDelay!), 0.99);
        scene.figures.add('commits', 'commits/s', count / seconds);
        scene.figures.add('latency p99', 'ms', p99Us / 1000);
        scene.figures.add('event loop delay p99', 'ms', delay === null ? 0 : delay * 1000);
        scene.figures.add('resident memory of the leader', 'MiB', residentMemoryMib(leader));
      }
    });
  },
};
