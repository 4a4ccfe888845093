/** The directory of .snap files. */
import { join } from 'node:path';
import type { Logger } from '../../core/api.ts';
import { DecodeError } from '../../core/raftpb/varint.ts';
import type { Snapshot, SnapshotMetadata } from '../../core/types.ts';
import type { Crc32c } from '../crc32c.ts';
import type { Disk } from '../disk.ts';
import {
  CorruptionError,
  type SnapshotDirectory,
  type SnapshotFile,
  type SnapshotWriter,
  type WalSnapshot,
} from '../types.ts';
import { readBody, readLayout } from './snapshot-file.ts';
import { type SnapshotName, snapshotName, snapshotsOf } from './snapshot-name.ts';
import { SnapshotFileWriter } from './snapshot-writer.ts';

const ADVICE = 'An older snapshot, or one from another node, has to be used instead';

export class SnapshotFiles implements SnapshotDirectory {
  private readonly disk: Disk;
  private readonly directory: string;
  private readonly crc32c: Crc32c;
  private readonly logger: Logger;
  /** Names and how many readers each has. */
  private readonly readers = new Map<string, number>();
  /** Started from, or written last: a file with a higher name may be one that the WAL does not know. */
  private needed: string | null = null;

  constructor(disk: Disk, directory: string, crc32c: Crc32c, logger: Logger) {
    this.disk = disk;
    this.directory = directory;
    this.crc32c = crc32c;
    this.logger = logger;
  }

  /** Keeps purge away from the snapshot that a restart would need. */
  protect(file: SnapshotFile): void {
    this.needed = file.name;
  }

  /** Snapshot files by name, newest first, whole or not. */
  async names(): Promise<SnapshotName[]> {
    return snapshotsOf(await this.disk.list(this.directory));
  }

  async newest(known: readonly WalSnapshot[] | null): Promise<SnapshotFile | null> {
    for (const name of await this.names()) {
      if (known !== null && !known.some(({ term, index }) => term === name.term && index === name.index))
        continue;
      const file = await this.check(name);
      if (file !== null) return file;
    }
    return null;
  }

  /** Verifies all of a file; a damaged one is renamed to `.broken` and gives null. */
  async check(name: SnapshotName): Promise<SnapshotFile | null> {
    const path = join(this.directory, name.name);
    const file = await this.disk.open(path, 'read');
    try {
      const layout = await readLayout(file);
      const { metadata } = layout;
      if (metadata.index !== name.index || metadata.term !== name.term) {
        throw new DecodeError(`it holds the snapshot at index ${metadata.index} of term ${metadata.term}`);
      }
      await readBody(file, layout, this.crc32c, null);
      return { name: name.name, path, metadata, dataBytes: layout.dataEnd - layout.dataStart };
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.logger.warning(`${path} is damaged (${error.message}): renamed to ${name.name}.broken`);
    } finally {
      await file.close();
    }
    await this.disk.rename(path, `${path}.broken`);
    await this.disk.syncDirectory(this.directory);
    return null;
  }

  create(metadata: SnapshotMetadata, dataBytes: number): Promise<SnapshotWriter> {
    const name = snapshotName(metadata.term, metadata.index);
    return SnapshotFileWriter.open(
      this.disk,
      this.directory,
      name,
      metadata,
      dataBytes,
      this.crc32c,
      (file) => {
        this.needed = file.name;
      },
    );
  }

  async read(file: SnapshotFile, chunk: (bytes: Uint8Array) => Promise<void> | void): Promise<void> {
    this.readers.set(file.name, (this.readers.get(file.name) ?? 0) + 1);
    try {
      const open = await this.disk.open(file.path, 'read');
      try {
        await readBody(open, await readLayout(open), this.crc32c, chunk);
      } catch (error) {
        if (error instanceof DecodeError) throw new CorruptionError(file.path, 0, error.message, ADVICE);
        throw error;
      } finally {
        await open.close();
      }
    } finally {
      const others = this.readers.get(file.name)! - 1;
      if (others === 0) this.readers.delete(file.name);
      else this.readers.set(file.name, others);
    }
  }

  async load(file: SnapshotFile): Promise<Snapshot> {
    const data = new Uint8Array(file.dataBytes);
    let at = 0;
    await this.read(file, (bytes) => {
      data.set(bytes, at);
      at += bytes.length;
    });
    return { data, metadata: file.metadata };
  }

  async purge(keep: number): Promise<string[]> {
    const removed: string[] = [];
    for (const { name } of (await this.names()).slice(Math.max(keep, 1))) {
      if (this.readers.has(name) || name === this.needed) continue;
      await this.disk.remove(join(this.directory, name));
      removed.push(name);
    }
    return removed;
  }

  /** Unfinished files that a killed process left. */
  async removeLeftovers(): Promise<void> {
    for (const name of await this.disk.list(this.directory)) {
      if (!name.endsWith('.snap.tmp') && !name.endsWith('.json.tmp')) continue;
      await this.disk.remove(join(this.directory, name));
      this.logger.debug(`${this.directory}: removed ${name} of an earlier run`);
    }
  }
}
