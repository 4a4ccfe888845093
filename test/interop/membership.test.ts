/** Members come and go under leaders of the other kind; who is removed learns it, and stops cleanly. */
import { afterEach, describe, expect, it } from 'vitest';
import { figure } from '../scenario/figures.ts';
import { MixedCluster, PATIENCE_MS, waitUntil, type MixedMember } from './mixed-cluster.ts';
import { skipReason, titled } from './programs.ts';
import { refusals } from './refusals.ts';

const WRITES = figure(600, 5_000);
/** The log is compacted several times while the members-to-be are not there. */
const CONFIG = { snap_count: 200, snapshot_entries: 20 };

describe.skipIf(skipReason !== null)(titled('membership of mixed clusters'), () => {
  let cluster: MixedCluster;
  afterEach(async () => {
    await cluster.end();
  });

  async function add(member: MixedMember): Promise<void> {
    await cluster.command('add', String(member.id), cluster.url(member));
  }

  async function remove(member: MixedMember): Promise<void> {
    await cluster.command('remove', String(member.id));
  }

  /** Where a member knows the others to be. */
  async function knownHosts(member: MixedMember): Promise<string[]> {
    const rows = JSON.parse((await cluster.ask(member, 'members')).output) as { host: string }[];
    const hosts = rows.map((row) => row.host.replace('http://', ''));
    return hosts.filter((host) => host !== `127.0.0.1:${member.raftPort}`).sort();
  }

  async function expectAllKnown(member: MixedMember): Promise<void> {
    let known: string[] = [];
    try {
      await waitUntil('all URLs are known', async () => {
        known = await knownHosts(member);
        return known.join() === hostsOf(cluster.members.filter((one) => one !== member)).join();
      });
    } catch (error) {
      throw new Error(`${String(error)}: ${known.join()}\n${cluster.report()}`, { cause: error });
    }
  }

  const hostsOf = (members: readonly MixedMember[]): string[] =>
    members.map((member) => `127.0.0.1:${member.raftPort}`).sort();

  async function expectAgreement(): Promise<void> {
    expect((await cluster.agreed()).keys).toBe(WRITES);
  }

  /** It says that it was removed, and ends with status 0. */
  async function expectRemoved(member: MixedMember): Promise<void> {
    expect(await cluster.ended(member)).toEqual({ code: 0, signal: null });
    expect(member.lines.filter((line) => line.startsWith('removed '))).toHaveLength(1);
  }

  /**
   * Both kinds of members refuse it in the same words of HTTP. A leader of ours lets a removed one listen for a bounded
   * time, so that it learns of its removal from the log.
   */
  async function expectRefused(removed: MixedMember, by: readonly MixedMember[]): Promise<void> {
    for (const member of by) {
      let answer = '';
      try {
        await waitUntil('a refusal on all three ways', async () => {
          answer = JSON.stringify(await refusals(member.raftPort, member.id, removed.id));
          return answer === JSON.stringify({ pipeline: 403, appends: 410, messages: 410 });
        });
      } catch (error) {
        throw new Error(`${member.kind}: ${answer}`, { cause: error });
      }
    }
  }

  it(
    'their leader adds our node, which learns all URLs though the log is compacted; ours then leads and removes theirs',
    async () => {
      cluster = await MixedCluster.start(['etcd', 'etcd', 'etcd'], { config: CONFIG });
      await cluster.load(WRITES, 20);
      const [first, second] = cluster.members as [MixedMember, MixedMember];
      const ours = cluster.define('polyraft');
      await add(ours);
      // It is told of nobody but itself.
      await cluster.startMember(ours, { join: true }, [ours]);
      await expectAgreement();
      expect(ours.lines.some((line) => line.startsWith('restored '))).toBe(true);
      await expectAllKnown(ours);
      expect(await cluster.verify(ours, WRITES, 20)).toBe(WRITES);

      await cluster.transferTo(ours);
      await cluster.load(WRITES, 24);
      await expectAgreement();

      // One of theirs is removed while it is down, another while it runs.
      await cluster.stop(first, 'SIGTERM');
      await remove(first);
      first.lines.length = 0;
      await cluster.startMember(first);
      await expectRemoved(first);
      await cluster.load(WRITES, 28);
      await expectAgreement();
      await expectRefused(first, [second, ours]);
      await remove(second);
      await expectRemoved(second);
      await cluster.load(WRITES, 32);
      await expectAgreement();

      // It knows the others after a restart, too.
      await cluster.stop(ours, 'SIGKILL');
      await cluster.startMember(ours, { join: true }, [ours]);
      await cluster.load(WRITES, 36);
      await expectAgreement();
    },
    PATIENCE_MS * 8,
  );

  it(
    'our leader adds one of theirs and one of ours after compaction; a removed one of ours is told by theirs',
    async () => {
      cluster = await MixedCluster.start(['polyraft', 'etcd', 'etcd'], { config: CONFIG });
      const [leader, other] = cluster.members as [MixedMember, MixedMember];
      await cluster.transferTo(leader);
      await cluster.load(WRITES, 20);
      const theirs = cluster.define('etcd');
      await add(theirs);
      await cluster.startMember(theirs, { join: true });
      await expectAgreement();
      const ours = cluster.define('polyraft');
      await add(ours);
      await cluster.startMember(ours, { join: true }, [ours]);
      await expectAgreement();
      await expectAllKnown(ours);
      await cluster.load(WRITES, 24);
      await expectAgreement();

      // Removed while it is down: the others refuse it when it is back.
      await cluster.stop(ours, 'SIGKILL');
      await cluster.transferTo(other);
      await remove(ours);
      ours.lines.length = 0;
      await cluster.startMember(ours, { join: true }, [ours]);
      await expectRemoved(ours);
      await cluster.load(WRITES, 26);
      await expectAgreement();
      await expectRefused(ours, [leader, other, theirs]);

      // Removed while it runs, by a leader of etcd.
      await remove(leader);
      await expectRemoved(leader);
      await cluster.load(WRITES, 28);
      await expectAgreement();
    },
    PATIENCE_MS * 8,
  );
});
