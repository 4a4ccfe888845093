/** The same storage on real files: modes, locks between processes, and errors with names. */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { crc32cPortable } from '../../src-ts/storage/crc32c.ts';
import { DiskError } from '../../src-ts/storage/disk.ts';
import { NodeDisk } from '../../src-ts/storage/node-disk.ts';
import { openStorage } from '../../src-ts/storage/open-storage.ts';
import { LockedError } from '../../src-ts/storage/types.ts';
import { entriesOf, plain, storageOptions } from './helpers.ts';

let base: string;
const disk = new NodeDisk();

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'polyraft-disk-'));
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

const options = (): ReturnType<typeof storageOptions> =>
  storageOptions(disk, { walDirectory: join(base, 'wal'), snapDirectory: join(base, 'snap') });

describe('crc32c', () => {
  it('gives the published check values, in one piece and in two', () => {
    const text = new TextEncoder().encode('123456789');
    expect(crc32cPortable(0, text, 0, 9)).toBe(0xe3069283);
    for (let cut = 0; cut <= 9; cut++) {
      expect(crc32cPortable(crc32cPortable(0, text, 0, cut), text, cut, 9)).toBe(0xe3069283);
    }
    // RFC 3720, B.4.
    expect(crc32cPortable(0, new Uint8Array(32), 0, 32)).toBe(0x8a9136aa);
    expect(crc32cPortable(0, new Uint8Array(32).fill(255), 0, 32)).toBe(0x62a8ab43);
    expect(
      crc32cPortable(
        0,
        Uint8Array.from({ length: 32 }, (_, i) => i),
        0,
        32,
      ),
    ).toBe(0x46dd794e);
  });
});

describe('NodeDisk', () => {
  it('writes, reads, extends with zeros and cuts', async () => {
    const file = await disk.open(join(base, 'a'), 'create-exclusive');
    const bytes = Uint8Array.of(1, 2, 3, 4, 5);
    await file.write(bytes, 1, 4, 10, true);
    file.writeInline(bytes, 0, 1, 0, true);
    await file.preallocate(3_000_000);
    await file.preallocate(10);
    expect(await file.size()).toBe(3_000_000);
    const read = new Uint8Array(20).fill(9);
    expect(await file.read(read, 2, 15, 0)).toBe(15);
    expect([...read]).toEqual([9, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 4, 0, 0, 9, 9, 9]);
    await file.truncate(12);
    expect(await file.read(read, 0, 20, 10)).toBe(2);
    expect(await file.read(read, 0, 20, 12)).toBe(0);
    await file.close();
  });

  it('gives every failure operation, path and code', async () => {
    const missing = join(base, 'missing');
    await expect(disk.open(missing, 'read')).rejects.toMatchObject({
      name: 'DiskError',
      code: 'ENOENT',
      path: missing,
    });
    await expect(disk.list(missing)).rejects.toThrow(`list ${missing}: ENOENT`);
    await expect(disk.remove(missing)).rejects.toThrow(DiskError);
    await expect(disk.syncDirectory(missing)).rejects.toThrow(DiskError);
    writeFileSync(join(base, 'there'), 'x');
    await expect(disk.open(join(base, 'there'), 'create-exclusive')).rejects.toThrow('EEXIST');
    await expect(disk.open(base, 'read-write')).rejects.toThrow('EISDIR');
    const readOnly = await disk.open(join(base, 'there'), 'read');
    await expect(readOnly.write(Uint8Array.of(1), 0, 1, 0, false)).rejects.toThrow('EBADF');
    expect(() => readOnly.writeInline(Uint8Array.of(1), 0, 1, 0, false)).toThrow(DiskError);
    await readOnly.close();
  });

  it('locks a file against another open file of this process', async () => {
    const one = await disk.open(join(base, 'l'), 'create-or-open');
    const two = await disk.open(join(base, 'l'), 'create-or-open');
    expect(await one.tryLock()).toBe(true);
    expect(await two.tryLock()).toBe(false);
    await one.close();
    expect(await two.tryLock()).toBe(true);
    await two.close();
  });
});

describe('openStorage on real files', () => {
  it('uses the modes that operators expect', async () => {
    const storage = await openStorage(options());
    const writer = await storage.snapshots.create(
      {
        index: 1,
        term: 1,
        confState: { voters: [1], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false },
      },
      0,
    );
    const { path } = await writer.commit();
    const mode = (name: string): number => statSync(name).mode & 0o777 & ~process.umask();
    expect(mode(join(base, 'wal'))).toBe(0o700);
    expect(
      mode(
        join(
          base,
          'wal',
          readdirSync(join(base, 'wal')).find((name) => name.endsWith('.wal'))!,
        ),
      ),
    ).toBe(0o600);
    expect(mode(join(base, 'snap'))).toBe(0o750 & ~process.umask());
    expect(mode(path)).toBe(0o644 & ~process.umask());
    await storage.close();
  });

  it('accepts relative names and a trailing slash', async () => {
    const before = process.cwd();
    const chdir = ((): boolean => {
      try {
        process.chdir(base);
        return true;
      } catch {
        return false;
      }
    })();
    if (!chdir) return;
    try {
      const storage = await openStorage(
        storageOptions(disk, { walDirectory: 'w1/', snapDirectory: './s1/' }),
      );
      await storage.wal.save({ term: 1, vote: 0, commit: 0 }, [entriesOf(1, 1, [Uint8Array.of(7)])], true);
      await storage.close();
      expect(readdirSync(base).sort()).toEqual(['s1', 'w1']);
      const again = await openStorage(storageOptions(disk, { walDirectory: 'w1', snapDirectory: 's1' }));
      expect(plain(again.contents.batches)).toHaveLength(1);
      await again.close();
    } finally {
      process.chdir(before);
    }
  });

  it('follows a symbolic link to a directory on another disk', async () => {
    for (const name of ['wal', 'snap']) {
      mkdirSync(join(base, `real-${name}`));
      symlinkSync(join(base, `real-${name}`), join(base, name));
    }
    await (await openStorage(options())).close();
    expect(readdirSync(join(base, 'real-snap'))).toEqual(['polyraft.lock']);
    expect(readdirSync(join(base, 'real-wal'))).toEqual(['0000000000000000-0000000000000000.wal']);
  });

  it('does not touch what stands in the way', async () => {
    mkdirSync(join(base, 'wal.tmp'));
    writeFileSync(join(base, 'wal.tmp/precious'), 'x');
    await expect(openStorage(options())).rejects.toThrow(/wal\.tmp has precious in it, which is not ours/);
    expect(readFileSync(join(base, 'wal.tmp/precious'), 'utf8')).toBe('x');
  });

  it.skipIf(process.getuid?.() === 0)('explains a directory that it may not write', async () => {
    mkdirSync(join(base, 'snap'));
    chmodSync(join(base, 'snap'), 0o500);
    await expect(openStorage(options())).rejects.toThrow(/snapdir .* is not accessible to this user/);
  });

  it('refuses while another process lives there, and not when that process has died', async () => {
    mkdirSync(join(base, 'snap'));
    const owner: ChildProcess = spawn(process.execPath, [
      '-e',
      'setInterval(() => 0, 1000); console.log("up")',
    ]);
    await new Promise((resolve) => owner.stdout!.once('data', resolve));
    const started = readFileSync(`/proc/${owner.pid}/stat`, 'latin1').split(') ')[1]!.split(' ')[19];
    writeFileSync(join(base, 'snap/polyraft.lock'), `${owner.pid} ${started}\n`);
    const refused = openStorage(options());
    await expect(refused).rejects.toThrow(LockedError);
    await expect(refused).rejects.toThrow(`in use by pid ${owner.pid}`);
    owner.kill('SIGKILL');
    await new Promise((resolve) => owner.once('exit', resolve));
    await (await openStorage(options())).close();
    // A process id that was given to somebody else in the meantime counts for nothing.
    writeFileSync(join(base, 'snap/polyraft.lock'), `${process.ppid} 1\n`);
    await (await openStorage(options())).close();
    expect(readFileSync(join(base, 'snap/polyraft.lock'), 'utf8')).toBe('');
  });
});
