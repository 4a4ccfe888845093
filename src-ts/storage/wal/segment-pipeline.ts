/** Prepares the next segment ahead of need: `0.tmp` and `1.tmp` in turn, allocated, locked, not yet named. */
import { join } from 'node:path';
import type { Disk, DiskFile } from '../disk.ts';
import { LockedError } from '../types.ts';

export class SegmentPipeline {
  private readonly disk: Disk;
  private readonly directory: string;
  private readonly allocateBytes: number;
  private prepared: { readonly path: string; readonly file: Promise<DiskFile> } | null = null;
  private count = 0;

  constructor(disk: Disk, directory: string, allocateBytes: number) {
    this.disk = disk;
    this.directory = directory;
    this.allocateBytes = allocateBytes;
  }

  /** Begins to prepare a file, unless one is prepared. A failure shows in `take`. */
  prepare(): void {
    if (this.prepared !== null) return;
    const path = join(this.directory, `${this.count++ % 2}.tmp`);
    const file = this.allocate(path);
    file.catch(() => undefined);
    this.prepared = { path, file };
  }

  /** The prepared file; its path is the temporary name. What failed ahead of need is tried once more. */
  async take(): Promise<DiskFile> {
    this.prepare();
    const { path, file } = this.prepared!;
    this.prepared = null;
    return await file.catch(() => this.allocate(path));
  }

  async close(): Promise<void> {
    const unused = await this.prepared?.file.catch(() => null);
    this.prepared = null;
    if (unused === null || unused === undefined) return;
    await unused.close();
    await this.disk.remove(unused.path);
  }

  private async allocate(path: string): Promise<DiskFile> {
    if (await this.disk.exists(path)) await this.disk.remove(path);
    const file = await this.disk.open(path, 'create-exclusive', 0o600);
    try {
      if (!(await file.tryLock())) throw new LockedError(`${path} is locked by another process`);
      file.bypassCache();
      await file.preallocate(this.allocateBytes);
      // Without this the first sync of the new segment pays for the allocation.
      await file.sync();
    } catch (error) {
      await file.close().catch(() => undefined);
      await this.disk.remove(path).catch(() => undefined);
      throw error;
    }
    return file;
  }
}
