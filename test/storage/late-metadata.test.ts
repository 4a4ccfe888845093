/** A snapshot whose metadata come after its data (as etcd sends it). */
import { describe, expect, it } from 'vitest';
import { EMPTY_CONF_STATE } from '../../src-ts/core/types.ts';
import { crc32cPortable } from '../../src-ts/storage/crc32c.ts';
import { MemoryDisk } from '../../src-ts/storage/memory-disk.ts';
import { SnapshotFiles } from '../../src-ts/storage/snapshot/snapshot-directory.ts';
import { recordingLogger } from './helpers.ts';

const UNKNOWN = { index: 0, term: 0, confState: EMPTY_CONF_STATE };

describe('snapshot writer with late metadata', () => {
  it.each([0, 1, 100, 200_000])('%i bytes of data', async (size) => {
    const disk = new MemoryDisk();
    await disk.makeDirectory('/snap', 0o750);
    const snapshots = new SnapshotFiles(disk, '/snap', crc32cPortable, recordingLogger());
    const data = Uint8Array.from({ length: size }, (_, i) => i % 251);
    const writer = await snapshots.create(UNKNOWN, size);
    if (size > 0) await writer.write(data);
    // Many members make the metadata long, so that the length of the whole changes its varint's size.
    const voters = Array.from({ length: 60 }, (_, i) => 1_000_000 + i);
    const metadata = { index: 77, term: 3, confState: { ...EMPTY_CONF_STATE, voters } };
    const file = await writer.commit(metadata);
    expect(file.name).toBe('0000000000000003-000000000000004d.snap');
    expect(await snapshots.newest(null)).toEqual(file);
    expect(await snapshots.load(file)).toEqual({ data, metadata });
    expect(await disk.list('/snap')).toEqual([file.name]);
  });

  it('refuses to end as another snapshot than it began', async () => {
    const disk = new MemoryDisk();
    await disk.makeDirectory('/snap', 0o750);
    const snapshots = new SnapshotFiles(disk, '/snap', crc32cPortable, recordingLogger());
    const writer = await snapshots.create({ index: 5, term: 1, confState: EMPTY_CONF_STATE }, 0);
    await expect(writer.commit({ index: 6, term: 1, confState: EMPTY_CONF_STATE })).rejects.toThrow(
      /begun as/,
    );
    await writer.abort();
  });
});
