/** One call opens everything; what it finds decides what the server begins with, and every refusal says why. */
import { describe, expect, it } from 'vitest';
import { nodeIdFromBigint } from '../../src-ts/core/node-id.ts';
import { MemoryDisk } from '../../src-ts/storage/memory-disk.ts';
import { openStorage, type OpenedStorage } from '../../src-ts/storage/open-storage.ts';
import { CorruptionError, IdentityError, LockedError, StorageError } from '../../src-ts/storage/types.ts';
import { entriesOf, plain, recordingLogger, storageOptions } from './helpers.ts';

const CONF = { voters: [1, 2, 3], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
const data = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => (i * 7) & 255);

async function append(storage: OpenedStorage, from: number, to: number): Promise<void> {
  for (let index = from; index <= to; index++) {
    await storage.wal.save({ term: 2, vote: 1, commit: index }, [entriesOf(index, 2, [data(200)])], true);
  }
}

async function snapshot(storage: OpenedStorage, index: number, size = 100): Promise<void> {
  const writer = await storage.snapshots.create({ index, term: 2, confState: CONF }, size);
  await writer.write(data(size));
  await writer.commit();
  await storage.wal.saveSnapshot({ index, term: 2, confState: CONF });
}

async function withTwoSnapshots(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const storage = await openStorage(storageOptions(disk));
  await append(storage, 1, 20);
  await snapshot(storage, 10);
  await append(storage, 21, 40);
  await snapshot(storage, 30);
  await append(storage, 41, 50);
  await storage.close();
  return disk;
}

const indexes = (storage: OpenedStorage): number[] =>
  plain(storage.contents.batches).map(({ index }) => index);
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('openStorage', () => {
  it('makes what is not there, and says that it is new', async () => {
    const disk = new MemoryDisk();
    const storage = await openStorage(storageOptions(disk));
    expect(storage.isNew).toBe(true);
    expect(storage.snapshotFile).toBeNull();
    expect(storage.members).toBeNull();
    expect(storage.contents).toMatchObject({
      batches: [],
      cutBytes: 0,
      hardState: { term: 0, vote: 0, commit: 0 },
    });
    await storage.close();
    const again = await openStorage(storageOptions(disk));
    expect(again.isNew).toBe(false);
    await again.close();
  });

  it('begins after the newest snapshot', async () => {
    const storage = await openStorage(storageOptions(await withTwoSnapshots()));
    expect(storage.snapshotFile?.metadata).toEqual({ index: 30, term: 2, confState: CONF });
    expect(indexes(storage)).toEqual(range(31, 50));
    expect(storage.contents.hardState.commit).toBe(50);
    expect((await storage.snapshots.load(storage.snapshotFile!)).data).toEqual(data(100));
    await storage.close();
  });

  it.each(['rotten', 'gone', 'empty', 'cut'])(
    'falls back to the older snapshot when the newest is %s',
    async (how) => {
      const disk = await withTwoSnapshots();
      const path = '/data/snap/0000000000000002-000000000000001e.snap';
      if (how === 'rotten') disk.rot(path, 60);
      else if (how === 'gone') await disk.remove(path);
      else disk.place(path, how === 'empty' ? new Uint8Array(0) : disk.contents(path).subarray(0, 90));
      const logger = recordingLogger();
      const storage = await openStorage(storageOptions(disk, { logger }));
      expect(storage.snapshotFile?.metadata.index).toBe(10);
      expect(indexes(storage)).toEqual(range(11, 50));
      expect(await disk.exists(`${path}.broken`)).toBe(how !== 'gone');
      if (how !== 'gone') expect(logger.lines.join()).toContain('renamed to');
      await storage.close();
    },
  );

  it('begins at the first entry when no snapshot is whole', async () => {
    const disk = await withTwoSnapshots();
    for (const name of await disk.list('/data/snap'))
      if (name.endsWith('.snap')) disk.rot(`/data/snap/${name}`, 60);
    const storage = await openStorage(storageOptions(disk));
    expect(storage.snapshotFile).toBeNull();
    expect(indexes(storage)).toEqual(range(1, 50));
    await storage.close();
  });

  it('does not use a snapshot that the WAL does not know, or has not committed', async () => {
    const disk = await withTwoSnapshots();
    let storage = await openStorage(storageOptions(disk));
    // The .snap is there, the record is not: killed in between.
    const writer = await storage.snapshots.create({ index: 45, term: 2, confState: CONF }, 3);
    await writer.write(data(3));
    await writer.commit();
    // The record is there, the commit index is not: a snapshot from the leader, killed in between.
    const ahead = await storage.snapshots.create({ index: 90, term: 3, confState: CONF }, 3);
    await ahead.write(data(3));
    await ahead.commit();
    await storage.wal.saveSnapshot({ index: 90, term: 3, confState: CONF });
    await storage.close();
    const logger = recordingLogger();
    storage = await openStorage(storageOptions(disk, { logger }));
    expect(storage.snapshotFile?.metadata.index).toBe(30);
    expect(indexes(storage)).toEqual(range(31, 50));
    expect(logger.lines.filter((line) => line.includes('is not used'))).toHaveLength(2);
    // The one that a restart needs is kept, though two have higher names.
    expect(await storage.snapshots.purge(1)).toEqual([
      '0000000000000002-000000000000002d.snap',
      '0000000000000002-000000000000000a.snap',
    ]);
    await storage.close();
  });

  it('says what is missing when the log begins behind every snapshot', async () => {
    const disk = new MemoryDisk();
    const storage = await openStorage(storageOptions(disk));
    await append(storage, 1, 200);
    await snapshot(storage, 190);
    await storage.wal.releaseTo(190);
    expect((await storage.wal.purge(1)).length).toBeGreaterThan(0);
    await storage.close();
    disk.rot('/data/snap/0000000000000002-00000000000000be.snap', 60);
    await expect(openStorage(storageOptions(disk))).rejects.toThrow(/begins at entry \d+.*is damaged/);
  });

  it('keeps the membership beside the snapshots', async () => {
    const disk = new MemoryDisk();
    const storage = await openStorage(storageOptions(disk));
    const members = {
      index: 7,
      members: [{ id: 0xffff_ffff_ffff_ffffn, urls: ['http://a:1'], learner: false }],
      removed: [3n],
    };
    await storage.saveMembers(members);
    disk.crash(() => 0);
    expect((await openStorage(storageOptions(disk))).members).toEqual(members);
  });

  it('works with one directory for both', async () => {
    const disk = new MemoryDisk();
    const options = storageOptions(disk, { walDirectory: '/data/all', snapDirectory: '/data/all' });
    const storage = await openStorage(options);
    await append(storage, 1, 20);
    await snapshot(storage, 10);
    await storage.close();
    disk.crash(() => 0);
    const again = await openStorage(options);
    expect(again.snapshotFile?.metadata.index).toBe(10);
    expect(indexes(again)).toEqual(range(11, 20));
    await again.close();
  });

  it('refuses a directory in use, and names the owner', async () => {
    const disk = new MemoryDisk();
    const storage = await openStorage(storageOptions(disk));
    await expect(openStorage(storageOptions(disk))).rejects.toThrow(
      new LockedError(`/data/snap is in use by pid ${process.pid} (this process)`),
    );
    await expect(openStorage(storageOptions(disk, { snapDirectory: '/data/other' }))).rejects.toThrow(
      LockedError,
    );
    await storage.close();
    await (await openStorage(storageOptions(disk))).close();
  });

  it.each([
    [{ nodeId: 2 }, 'waldir /data/wal belongs to node 1, the configuration says id 2'],
    [{ clusterId: 8n }, 'waldir /data/wal belongs to cluster 7, the configuration says cluster_id 8'],
  ])('refuses the log of another node or cluster: %o', async (other, text) => {
    const disk = await withTwoSnapshots();
    await expect(openStorage(storageOptions(disk, other))).rejects.toThrow(new IdentityError(text));
    await (await openStorage(storageOptions(disk))).close();
  });

  it('takes the largest ids', async () => {
    const disk = new MemoryDisk();
    const options = storageOptions(disk, {
      nodeId: nodeIdFromBigint(0xffff_ffff_ffff_ffffn),
      clusterId: 0xffff_ffff_ffff_fffen,
    });
    await (await openStorage(options)).close();
    await (await openStorage(options)).close();
    await expect(openStorage({ ...options, clusterId: 0xffff_ffff_ffff_fffdn })).rejects.toThrow(
      'belongs to cluster 18446744073709551614',
    );
  });

  it('refuses a host that has applied more than the log holds', async () => {
    const disk = await withTwoSnapshots();
    await expect(openStorage(storageOptions(disk, { appliedIndex: 51 }))).rejects.toThrow(
      'applied_index 51 is beyond the last entry of waldir /data/wal, 50',
    );
    await (await openStorage(storageOptions(disk, { appliedIndex: 50 }))).close();
  });

  it('does not begin a new life beside the remains of an old one', async () => {
    const disk = await withTwoSnapshots();
    for (const name of await disk.list('/data/wal')) await disk.remove(`/data/wal/${name}`);
    await expect(openStorage(storageOptions(disk))).rejects.toThrow(
      /has no log, but snapdir \/data\/snap has/,
    );
  });

  it.each([
    ['waldir', 'open', /wal\.tmp/, 'EACCES', 'is not accessible to this user'],
    ['waldir', 'preallocate', /wal$/, 'ENOSPC', 'is on a full disk'],
    ['waldir', 'rename', /wal/, 'EROFS', 'read-only'],
    ['snapdir', 'open', /polyraft\.lock/, 'EACCES', 'is not accessible to this user'],
  ] as const)('explains a %s that fails with %s %s %s', async (key, operation, path, code, text) => {
    const disk = new MemoryDisk();
    disk.fail(operation, path, code);
    const opening = openStorage(storageOptions(disk));
    await expect(opening).rejects.toThrow(StorageError);
    await expect(opening).rejects.toThrow(new RegExp(`${key} /data/.* ${text}.*${code}`));
    await (await openStorage(storageOptions(disk))).close();
  });

  it('explains a directory that is a file', async () => {
    for (const [key, path] of [
      ['snapdir', '/data/snap'],
      ['waldir', '/data/wal'],
    ] as const) {
      const disk = new MemoryDisk();
      disk.place(path, data(3));
      await expect(openStorage(storageOptions(disk))).rejects.toThrow(`${key} ${path} is not a directory`);
    }
  });

  it('explains a members.json that is damaged', async () => {
    const disk = await withTwoSnapshots();
    for (const text of [
      '',
      '{',
      '[]',
      '{"version":1}',
      '{"version":2,"index":1,"members":[],"removed":[]}',
    ]) {
      disk.place('/data/snap/members.json', new TextEncoder().encode(text));
      const opening = openStorage(storageOptions(disk));
      await expect(opening).rejects.toThrow(CorruptionError);
      await expect(opening).rejects.toThrow(/members\.json at byte 0: it is not a membership/);
    }
  });

  it('removes what interrupted writes left', async () => {
    const disk = await withTwoSnapshots();
    for (const name of ['0000000000000002-0000000000000020.snap.tmp', 'members.json.tmp']) {
      disk.place(`/data/snap/${name}`, data(9));
    }
    await (await openStorage(storageOptions(disk))).close();
    expect((await disk.list('/data/snap')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('survives a crash at every one of its steps', async () => {
    for (let step = 1; ; step++) {
      let left = step;
      const disk: MemoryDisk = new MemoryDisk({
        delay: () => {
          if (--left === 0) disk.crash((bound) => (step * 7919) % bound);
        },
      });
      const life = async (): Promise<void> => {
        const storage = await openStorage(storageOptions(disk.mount()));
        await append(storage, 1, 3);
        await snapshot(storage, 2);
        await storage.saveMembers({ index: 1, members: [], removed: [] });
        await storage.close();
      };
      const finished = await life().then(
        () => true,
        (error: unknown) => {
          expect(String(error)).toContain('crashed');
          return false;
        },
      );
      left = Infinity;
      const storage = await openStorage(storageOptions(disk.mount()));
      expect([0, 2]).toContain(storage.snapshotFile?.metadata.index ?? 0);
      await storage.close();
      if (finished) {
        expect(step).toBeGreaterThan(20);
        return;
      }
    }
  });
});
