/** Writes one .snap file while its data arrives. */
import { join } from 'node:path';
import type { SnapshotMetadata } from '../../core/types.ts';
import type { Crc32c } from '../crc32c.ts';
import type { Disk, DiskFile } from '../disk.ts';
import { type SnapshotFile, type SnapshotWriter, StorageError } from '../types.ts';
import { encodeCrc, frameSnapshot, PIECE_BYTES, type SnapshotFrame } from './snapshot-file.ts';
import { snapshotName, type SnapshotName } from './snapshot-name.ts';

/** Data is gathered into pieces of PIECE_BYTES, and written out to the medium as it comes, so that commit is quick. */
const SYNC_EVERY_BYTES = 32 * PIECE_BYTES;

/** Calls must not overlap. */
export class SnapshotFileWriter implements SnapshotWriter {
  private readonly disk: Disk;
  private readonly directory: string;
  private readonly metadata: SnapshotMetadata;
  private readonly dataBytes: number;
  private readonly crc32c: Crc32c;
  private readonly committed: (file: SnapshotFile) => void;
  private readonly file: DiskFile;
  private readonly frame: SnapshotFrame;
  private readonly piece = new Uint8Array(PIECE_BYTES);
  private filled = 0;
  /** File offset of the piece. */
  private offset = 0;
  private crc: number;
  private received = 0;
  private unsynced = 0;
  private finished = false;

  private constructor(
    disk: Disk,
    directory: string,
    metadata: SnapshotMetadata,
    dataBytes: number,
    crc32c: Crc32c,
    committed: (file: SnapshotFile) => void,
    file: DiskFile,
  ) {
    this.disk = disk;
    this.directory = directory;
    this.metadata = metadata;
    this.dataBytes = dataBytes;
    this.crc32c = crc32c;
    this.committed = committed;
    this.file = file;
    this.frame = frameSnapshot(metadata, dataBytes, metadata.index === 0);
    const { head, bodyOffset } = this.frame;
    this.crc = crc32c(0, head, bodyOffset, head.length);
    this.piece.set(head);
    this.filled = head.length;
  }

  /** A temporary file of the same name, from an earlier attempt, is replaced. */
  static async open(
    disk: Disk,
    directory: string,
    target: SnapshotName,
    metadata: SnapshotMetadata,
    dataBytes: number,
    crc32c: Crc32c,
    committed: (file: SnapshotFile) => void,
  ): Promise<SnapshotFileWriter> {
    const path = join(directory, `${target.name}.tmp`);
    if (await disk.exists(path)) await disk.remove(path);
    const file = await disk.open(path, 'create-exclusive', 0o644);
    return new SnapshotFileWriter(disk, directory, metadata, dataBytes, crc32c, committed, file);
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.finished) throw new StorageError(`${this.file.path} is finished`);
    if (chunk.length > this.dataBytes - this.received) {
      throw new StorageError(`${this.file.path}: more data than the ${this.dataBytes} bytes announced`);
    }
    this.received += chunk.length;
    this.crc = this.crc32c(this.crc, chunk, 0, chunk.length);
    await this.append(chunk);
  }

  private async append(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      const count = Math.min(this.piece.length - this.filled, chunk.length - at);
      this.piece.set(chunk.subarray(at, at + count), this.filled);
      this.filled += count;
      at += count;
      if (this.filled === this.piece.length) await this.flush();
    }
  }

  private async flush(): Promise<void> {
    const { filled } = this;
    if (filled === 0) return;
    this.unsynced += filled;
    const sync = this.unsynced >= SYNC_EVERY_BYTES;
    await this.file.write(this.piece, 0, filled, this.offset, sync);
    if (sync) this.unsynced = 0;
    this.offset += filled;
    this.filled = 0;
  }

  async commit(known: SnapshotMetadata = this.metadata): Promise<SnapshotFile> {
    if (this.finished) throw new StorageError(`${this.file.path} is finished`);
    if (this.received !== this.dataBytes) {
      throw new StorageError(
        `${this.file.path}: ${this.received} bytes of data, ${this.dataBytes} announced`,
      );
    }
    const frame = this.frameFor(known);
    this.crc = this.crc32c(this.crc, frame.tail, 0, frame.tail.length);
    await this.append(frame.tail);
    await this.flush();
    const head = frame.head.slice();
    head.set(encodeCrc(this.crc), frame.crcOffset);
    await this.file.write(head, 0, head.length, 0, true);
    this.finished = true;
    await this.file.close();
    const { name } = snapshotName(known.term, known.index);
    const path = join(this.directory, name);
    await this.disk.rename(this.file.path, path);
    await this.disk.syncDirectory(this.directory);
    const file = { name, path, metadata: known, dataBytes: this.dataBytes };
    this.committed(file);
    return file;
  }

  /** Index 0 stands for metadata that were not known when the file was begun. */
  private frameFor(known: SnapshotMetadata): SnapshotFrame {
    const { metadata } = this;
    if (metadata.index === 0) return frameSnapshot(known, this.dataBytes, true);
    if (known.index === metadata.index && known.term === metadata.term) return this.frame;
    throw new StorageError(
      `${this.file.path}: begun as the snapshot at ${metadata.index}, ended as that at ${known.index}`,
    );
  }

  async abort(): Promise<void> {
    if (this.finished) return;
    this.finished = true;
    await this.file.close();
    await this.disk.remove(this.file.path);
  }
}
