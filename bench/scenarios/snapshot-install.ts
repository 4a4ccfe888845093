/** A follower that has missed what the leader has compacted: it needs the snapshot. */
import { peakMemoryMib, resetPeakMemory } from '../../scripts/tools/process-facts.ts';
import { aFollower, ENTRY_BYTES, MIB, type Scenario } from './scenario.ts';

const ENTRIES_MISSED = 1_000;
const CONFIG = { manual_snap: true, snapshot_entries: 10 };

export const snapshotInstall: Scenario = {
  title: ({ snapshotBytes }) => `snapshot-install-${Math.round(snapshotBytes / MIB)}-MiB`,
  async play(scene) {
    const { snapshotBytes, secondsMax } = scene.size;
    // Each time a cluster of its own: a follower that has a snapshot already would restore that one first.
    for (const _round of scene.rounds()) {
      await scene.inCluster(3, CONFIG, async (cluster) => {
        const follower = aFollower(cluster);
        await cluster.stopNode(follower);
        await cluster.ask(cluster.leaderId, `state ${snapshotBytes}`);
        await cluster.run({ count: ENTRIES_MISSED, bytes: ENTRY_BYTES, window: 64 });
        await cluster.ask(cluster.leaderId, 'save');
        const sender = cluster.host(cluster.leaderId).pid;
        resetPeakMemory(sender);
        const line = `restored ${snapshotBytes}`;
        const restored = cluster
          .launch(follower)
          .waitForLine((each) => each === line, secondsMax * 1000, line)
          .then(() => performance.now());
        restored.catch(() => undefined);
        await cluster.startNode(follower);
        const began = performance.now();
        const seconds = Math.max(1, (await restored) - began) / 1000;
        scene.figures.add('time', 's', seconds);
        scene.figures.add('rate', 'MiB/s', snapshotBytes / MIB / seconds);
        scene.figures.add('peak memory of the sender', 'MiB', peakMemoryMib(sender));
        scene.figures.add('peak memory of the receiver', 'MiB', peakMemoryMib(cluster.host(follower).pid));
      });
    }
  },
};
