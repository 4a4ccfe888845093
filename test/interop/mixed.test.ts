/**
 * One cluster of both kinds of servers: every member is killed in turn while a client writes, with the leader on either
 * side, and leadership moves between the kinds under load. No acknowledged write is lost, and all state machines agree.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { figure } from '../scenario/figures.ts';
import { MixedCluster, PATIENCE_MS } from './mixed-cluster.ts';
import { skipReason, titled, type Kind } from './programs.ts';

const WRITES = figure(2_000, 10_000);
const KILL_AT = 0.2;

describe.skipIf(skipReason !== null)(titled('mixed clusters'), () => {
  let cluster: MixedCluster | null = null;
  afterEach(async () => {
    await cluster?.end();
    cluster = null;
  });

  const mixes: [string, Kind[]][] = [
    ['1 ours and 2 of etcd', ['polyraft', 'etcd', 'etcd']],
    ['2 ours and 1 of etcd', ['polyraft', 'polyraft', 'etcd']],
  ];
  const cases = mixes.flatMap(([name, kinds]) =>
    (['polyraft', 'etcd'] as const).map((side) => ({ name, kinds, side })),
  );

  // Small enough that members come back by log and by snapshot.
  const CONFIG = { snap_count: 1500, snapshot_entries: 500 };
  // As programs are set that use etcd's raft without these two.
  const PLAIN = { pre_vote: false, check_quorum: false };

  it.each([
    ...cases.map((one) => ({ ...one, etcdConfig: {} })),
    ...cases.slice(2).map((one) => ({ ...one, name: `${one.name} without pre-vote`, etcdConfig: PLAIN })),
  ])(
    `$name, led by $side: kill -9 of each under ${WRITES} writes`,
    async ({ kinds, side, etcdConfig }) => {
      cluster = await MixedCluster.start(kinds, { config: CONFIG, etcdConfig });
      let acknowledged = 0;
      for (const victim of cluster.members) {
        await cluster.transferTo(cluster.members.find((member) => member.kind === side)!);
        const valueBytes = 20 + victim.id;
        let killed: Promise<unknown> | null = null;
        await cluster.load(WRITES, valueBytes, (done) => {
          if (killed === null && done >= WRITES * KILL_AT) killed = cluster!.stop(victim, 'SIGKILL');
        });
        expect(killed, 'the victim was killed during the load').not.toBeNull();
        await killed!;
        acknowledged += WRITES;
        await cluster.startMember(victim);
        const { keys, writes } = await cluster.agreed();
        expect(keys).toBe(WRITES);
        expect(writes, 'every acknowledged write is carried out once').toBe(acknowledged);
        for (const member of cluster.members) {
          expect(await cluster.verify(member, WRITES, valueBytes), `member ${member.id}`).toBe(WRITES);
        }
      }
    },
    PATIENCE_MS * 10,
  );

  it(
    'leadership moves from ours to theirs and back by transfer, under load',
    async () => {
      cluster = await MixedCluster.start(['polyraft', 'etcd', 'etcd']);
      const [ours, theirs] = cluster.members as [MixedCluster['members'][0], MixedCluster['members'][0]];
      const rounds = figure(2, 4);
      for (let round = 0; round < rounds; round++) {
        await cluster.transferTo(round % 2 === 0 ? ours : theirs);
        let moved: Promise<void> | null = null;
        await cluster.load(WRITES, 20 + round, (done) => {
          if (moved === null && done >= WRITES * KILL_AT)
            moved = cluster!.transferTo(round % 2 === 0 ? theirs : ours);
        });
        await moved!;
      }
      expect((await cluster.agreed()).writes).toBe(WRITES * rounds);
    },
    PATIENCE_MS * 5,
  );
});
