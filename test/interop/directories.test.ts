/**
 * A cluster of etcd's packages is replaced member by member: each is stopped and started as ours on the same
 * directories, while a client writes; then everything goes back. Nothing is lost on the way, and etcd's own reader
 * finds nothing wrong with what we have written.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { figure } from '../scenario/figures.ts';
import { MixedCluster, PATIENCE_MS, type MixedMember } from './mixed-cluster.ts';
import { buildGo, skipReason, titled, type Kind } from './programs.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const WRITES = figure(800, 4_000);
const VALUE_BYTES = 200;
/** Small, so that etcd cuts several segments. */
const SEGMENT_BYTES = 64 * 1024;
const CONFIG = { snap_count: figure(300, 1_500), snapshot_entries: 50 };

/** Where the last whole frame ends: frames are a length word (padding in its highest byte), a record and padding. */
function endOfRecords(path: string): number {
  const bytes = readFileSync(path);
  let at = 0;
  while (at + 8 <= bytes.length) {
    const length = Number(bytes.readBigUInt64LE(at) & 0xff_ffff_ffff_ffffn);
    if (length === 0) break;
    at += 8 + length + (bytes[at + 7]! & 7);
  }
  return at;
}

describe.skipIf(skipReason !== null)(titled('data directories'), () => {
  let cluster: MixedCluster;
  let round = 0;
  afterEach(async () => {
    await cluster.end();
  });

  const walOf = (member: MixedMember): string => join(cluster.directory, `wal${member.id}`);
  const snapOf = (member: MixedMember): string => join(cluster.directory, `snap${member.id}`);
  const filesOf = (directory: string, ending: string): string[] =>
    readdirSync(directory)
      .filter((name) => name.endsWith(ending))
      .sort();

  async function start(etcdArguments: readonly string[], kind: Kind = 'etcd'): Promise<void> {
    round = 0;
    cluster = await MixedCluster.start([kind, kind, kind], { config: CONFIG, etcdArguments });
    await writeMore();
  }

  /** Every load has values of its own, and every member has them all. */
  async function writeMore(): Promise<void> {
    const valueBytes = VALUE_BYTES + round++;
    await cluster.load(WRITES, valueBytes);
    const { keys, writes } = await cluster.agreed();
    expect(keys).toBe(WRITES);
    expect(writes, 'no acknowledged write is lost, none is carried out twice').toBe(WRITES * round);
    for (const member of cluster.running)
      expect(await cluster.verify(member, WRITES, valueBytes)).toBe(WRITES);
  }

  /** etcd opens the log at its newest snapshot for appending, and verifies it; then reads the snapshot. */
  async function readByEtcd(member: MixedMember): Promise<void> {
    const walcheck = await buildGo('walcheck');
    const [newest] = filesOf(snapOf(member), '.snap').reverse();
    const [term, index] = (newest ?? '0-0')
      .replace('.snap', '')
      .split('-')
      .map((part) => BigInt(`0x${part}`));
    const read = (...words: string[]): string =>
      execFileSync(walcheck, words, {
        encoding: 'utf8',
        maxBuffer: 1 << 30,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    const contents = JSON.parse(read('read-wal', walOf(member), String(index), String(term))) as {
      commit: number;
      entries: unknown[];
    };
    expect(BigInt(contents.commit)).toBeGreaterThanOrEqual(index!);
    if (newest !== undefined) {
      const snapshot = JSON.parse(read('read-snapshot', snapOf(member))) as {
        index: number;
        voters: number[];
      };
      expect(BigInt(snapshot.index)).toBe(index);
      expect(snapshot.voters).toEqual([1, 2, 3]);
    }
  }

  /** Our commands find nothing wrong with what etcd has written. */
  function readByCommands(member: MixedMember): void {
    const command = (...words: string[]): string =>
      execFileSync(join(root, 'scripts', 'polyraft'), words, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    command('wal', 'verify', walOf(member));
    const [newest] = filesOf(snapOf(member), '.snap').reverse();
    expect(command('snap', 'info', join(snapOf(member), newest!))).toMatch(/voters/i);
    const entries = command('wal', 'dump', walOf(member)).match(/^ +\d+ {2}entry /gm);
    expect(entries?.length).toBeGreaterThan(WRITES);
  }

  async function replace(member: MixedMember, kind: Kind, signal: NodeJS.Signals): Promise<void> {
    await cluster.stop(member, signal);
    if (member.kind === 'polyraft' && signal === 'SIGTERM') await readByEtcd(member);
    member.kind = kind;
    await cluster.startMember(member);
    await writeMore();
  }

  it(
    'three of etcd become ours one at a time, and etcd’s again',
    async () => {
      await start([`-segment-bytes=${SEGMENT_BYTES}`]);
      for (const member of cluster.members) {
        expect(filesOf(walOf(member), '.wal').length, 'segments of etcd').toBeGreaterThan(2);
        expect(filesOf(snapOf(member), '.snap').length).toBeGreaterThan(0);
        if (member.id === 1) {
          await cluster.stop(member, 'SIGTERM');
          readByCommands(member);
          await cluster.startMember(member);
        }
        await replace(member, 'polyraft', 'SIGTERM');
      }
      await cluster.transferTo(cluster.members[0]!);
      await writeMore();
      for (const member of cluster.members) await replace(member, 'etcd', 'SIGTERM');
      await cluster.transferTo(cluster.members[2]!);
      await writeMore();
    },
    PATIENCE_MS * 10,
  );

  it(
    'three of ours become etcd’s one at a time, and ours again',
    async () => {
      await start([`-segment-bytes=${SEGMENT_BYTES}`], 'polyraft');
      for (const member of cluster.members) await replace(member, 'etcd', 'SIGTERM');
      for (const member of cluster.members) await replace(member, 'polyraft', 'SIGKILL');
    },
    PATIENCE_MS * 10,
  );

  it(
    'the same with kill -9, from a cluster whose log holds no URLs',
    async () => {
      await start([`-segment-bytes=${SEGMENT_BYTES}`, '-no-urls']);
      for (const member of cluster.members) await replace(member, 'polyraft', 'SIGKILL');
      for (const member of cluster.members) await replace(member, 'etcd', 'SIGKILL');
    },
    PATIENCE_MS * 10,
  );

  it(
    'a torn record, zeros behind the end, a lost .snap file and files of other names are nothing to stop for',
    async () => {
      await start([`-segment-bytes=${SEGMENT_BYTES}`]);
      const [torn, zeroed, snapless] = cluster.members as [MixedMember, MixedMember, MixedMember];

      await cluster.stop(torn, 'SIGKILL');
      const lastOf = (member: MixedMember): string =>
        join(walOf(member), filesOf(walOf(member), '.wal').at(-1)!);
      // The record that was being written when the machine died: a length, and half of what it announces.
      truncateSync(lastOf(torn), endOfRecords(lastOf(torn)));
      appendFileSync(
        lastOf(torn),
        Buffer.concat([Buffer.from([96, 0, 0, 0, 0, 0, 0, 0]), Buffer.alloc(40, 7)]),
      );
      writeFileSync(join(walOf(torn), '0.tmp'), 'left over');
      writeFileSync(`${lastOf(torn)}.broken`, 'kept by a repair');
      torn.kind = 'polyraft';
      await cluster.startMember(torn);
      await writeMore();

      await cluster.stop(zeroed, 'SIGKILL');
      appendFileSync(lastOf(zeroed), Buffer.alloc(100_000));
      zeroed.kind = 'polyraft';
      await cluster.startMember(zeroed);
      await writeMore();

      await cluster.stop(snapless, 'SIGKILL');
      const snapshots = filesOf(snapOf(snapless), '.snap');
      expect(snapshots.length).toBeGreaterThan(1);
      rmSync(join(snapOf(snapless), snapshots.at(-1)!));
      writeFileSync(join(snapOf(snapless), 'snapshot123.tmp'), 'left over');
      writeFileSync(join(snapOf(snapless), '0000000000000001-0000000000000001.snap.broken'), 'kept by etcd');
      snapless.kind = 'polyraft';
      await cluster.startMember(snapless);
      await writeMore();
      expect(snapless.lines.some((line) => line.startsWith('restored '))).toBe(true);
    },
    PATIENCE_MS * 10,
  );
});
