/** From a received snapshot file to a log that begins after it and a host that has its state. */
import { ErrorCode } from '../core/codes.generated.ts';
import { internTold } from '../core/raftpb/varint.ts';
import type { SnapshotMetadata } from '../core/types.ts';
import { decodeMembers } from '../storage/members-file.ts';
import type { SnapshotDirectory, SnapshotFile, WriteAheadLog } from '../storage/types.ts';
import { ServerError } from './api.ts';
import type { ApplyQueue } from './apply-queue.ts';
import type { Configuration } from './configuration.ts';
import type { Engine } from './engine.ts';
import { textOf } from './errors.ts';
import { Membership } from './membership.ts';
import type { SnapshotShelf } from './snapshot-shelf.ts';
import type { StableLog } from './stable-log.ts';

export interface InstallerParts {
  readonly wal: WriteAheadLog;
  readonly directory: SnapshotDirectory;
  readonly log: StableLog;
  readonly shelf: SnapshotShelf;
  readonly applies: ApplyQueue;
  readonly configuration: Configuration;
  failed(error: unknown, doing: string): void;
}

export class SnapshotInstaller {
  private readonly engine: Engine;
  private readonly parts: InstallerParts;
  /** Received, and perhaps about to be accepted by the core. */
  private received: SnapshotFile | null = null;

  constructor(engine: Engine, parts: InstallerParts) {
    this.engine = engine;
    this.parts = parts;
  }

  /** The file is durable; resolves when its members are, too. Only then may the core learn of it. */
  async take(file: SnapshotFile, members: string | null): Promise<void> {
    const next = this.membersOf(file.metadata, members);
    await this.parts.configuration.adopt(next);
    this.received = file;
  }

  private membersOf({ index, confState }: SnapshotMetadata, text: string | null): Membership {
    const { members, config, environment } = this.engine;
    if (text !== null) {
      try {
        return Membership.ofFile(decodeMembers(text), internTold);
      } catch (error) {
        environment.logger.warning(
          `the member list of the snapshot at ${index} is not used: ${textOf(error)}`,
        );
      }
    }
    return Membership.ofConfState(index, confState, members.current, config.peers);
  }

  /** The snapshot's record is durable in the WAL. */
  install(metadata: SnapshotMetadata): void {
    const { log, shelf, wal } = this.parts;
    const file = this.received;
    if (file === null || file.metadata.index !== metadata.index || file.metadata.term !== metadata.term) {
      throw new ServerError(ErrorCode.INTERNAL, `the snapshot at index ${metadata.index} has no file`);
    }
    log.install(metadata);
    shelf.add(file);
    this.restore(file);
    wal.releaseTo(metadata.index).catch((error: unknown) => {
      this.parts.failed(error, 'releasing old WAL segments');
    });
  }

  /** Gives the file's state to the host, in order with the entries. */
  restore(file: SnapshotFile): void {
    const { applies, directory } = this.parts;
    const { index, term, confState } = file.metadata;
    applies.submitRestore({
      index,
      term,
      confState,
      run: () =>
        this.engine.port.restore(index, term, file.dataBytes, (chunk) => directory.read(file, chunk)),
    });
  }
}
