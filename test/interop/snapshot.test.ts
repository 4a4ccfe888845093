/**
 * A follower of the other kind that lags behind the leader's log gets the whole state as one snapshot message, in both
 * directions; a sender of ours needs no memory for it beyond what it streams.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { figure } from '../scenario/figures.ts';
import { MixedCluster, PATIENCE_MS, waitUntil, type MixedMember } from './mixed-cluster.ts';
import { skipReason, titled, type Kind } from './programs.ts';

const VALUE_BYTES = 64 * 1024;
/** 64 MiB of values in full. */
const KEYS = figure(128, 1024);
const MIB = 1024 * 1024;
/** What a sender's memory may grow by while it sends; the state is 64 MiB in full. */
const SENDER_MIB_MAX = 24;

const memoryMib = (pid: number, field: 'VmRSS' | 'VmHWM'): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) /
  1024;

/** From now on VmHWM is the most that is used from now on. */
const resetPeak = (pid: number): void => {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
};

describe.skipIf(skipReason !== null)(titled('snapshots between the two'), () => {
  let cluster: MixedCluster | null = null;
  afterEach(async () => {
    await cluster?.end();
    cluster = null;
  });

  /** Lets the third member miss everything, then the leader (the first) has only a snapshot for it. */
  async function lagBehind(kinds: readonly Kind[]): Promise<[MixedMember, MixedMember]> {
    // Snapshots are taken by command only, and leave few entries behind them. The embedded runtime, so that the memory
    // of the sender is that of one process.
    const config = { snap_count: 1_000_000, snapshot_entries: 5, runtime: 'embedded' };
    cluster = await MixedCluster.start(kinds, { config });
    const [leader, , lagging] = cluster.members as [MixedMember, MixedMember, MixedMember];
    await cluster.transferTo(leader);
    await cluster.stop(lagging, 'SIGKILL');
    await cluster.load(KEYS, VALUE_BYTES);
    // The next snapshot is the one that is needed: a second one, with the log compacted behind the first.
    await cluster.command('snapshot');
    await cluster.load(20, VALUE_BYTES);
    await cluster.command('snapshot');
    return [leader, lagging];
  }

  async function install(lagging: MixedMember): Promise<void> {
    lagging.lines.length = 0;
    await cluster!.startMember(lagging);
    await waitUntil('the snapshot is installed', () =>
      lagging.lines.some((line) => line.startsWith('restored ')),
    );
    const { keys, applied } = await cluster!.agreed();
    expect(keys).toBe(KEYS);
    expect(applied).toBeGreaterThan(KEYS);
    expect(await cluster!.verify(lagging, KEYS, VALUE_BYTES)).toBe(KEYS);
    // It follows, too, and comes back from the disk that it has written.
    await cluster!.load(20, 20);
    await cluster!.stop(lagging, 'SIGKILL');
    await cluster!.startMember(lagging);
    expect((await cluster!.agreed()).keys).toBe(KEYS);
  }

  it(
    `${(KEYS * VALUE_BYTES) / MIB} MiB from our leader to a follower of etcd`,
    async () => {
      const [leader, lagging] = await lagBehind(['polyraft', 'polyraft', 'etcd']);
      const { pid } = leader.process!;
      resetPeak(pid);
      const before = memoryMib(pid, 'VmRSS');
      lagging.lines.length = 0;
      await cluster!.startMember(lagging);
      await waitUntil('the snapshot is installed', () =>
        lagging.lines.some((line) => line.startsWith('restored ')),
      );
      const growth = memoryMib(pid, 'VmHWM') - before;
      console.log(`our sender grew by ${growth.toFixed(1)} MiB, from ${before.toFixed(0)} MiB`);
      expect(growth).toBeLessThan(SENDER_MIB_MAX);
      await cluster!.stop(lagging, 'SIGTERM');
      await cluster!.load(40, VALUE_BYTES);
      await cluster!.command('snapshot');
      await install(lagging);
    },
    PATIENCE_MS * 5,
  );

  it(
    `${(KEYS * VALUE_BYTES) / MIB} MiB from etcd’s leader to a follower of ours`,
    async () => {
      const [, lagging] = await lagBehind(['etcd', 'etcd', 'polyraft']);
      await install(lagging);
    },
    PATIENCE_MS * 5,
  );
});
