/** Opens everything that a server keeps on disk: one call at its start. */
import { dirname, resolve } from 'node:path';
import type { Logger } from '../core/api.ts';
import type { NodeId } from '../core/node-id.ts';
import { crc32cWith } from './crc32c.ts';
import { DirectoryLock } from './directory-lock.ts';
import { type Disk, DiskError } from './disk.ts';
import { makeDurableDirectory } from './durable-directory.ts';
import { loadMembers, MEMBERS_FILE_NAME, saveMembers } from './members-file.ts';
import type { StorageBinding } from './native-binding.ts';
import { SnapshotFiles } from './snapshot/snapshot-directory.ts';
import {
  CorruptionError,
  type MembersFile,
  type SnapshotDirectory,
  type SnapshotFile,
  StorageError,
  type WalContents,
  type WriteAheadLog,
} from './types.ts';
import { createWal, openWal, type OpenedWal, UnknownSnapshotError, walExists } from './wal/open-wal.ts';
import { checkWalIdentity, encodeWalMetadata } from './wal/wal-metadata.ts';
import {
  ALLOCATE_STEP_BYTES,
  SEGMENT_BYTES,
  type SyncObserver,
  type WalSettings,
} from './wal/write-ahead-log.ts';

export interface StorageOptions {
  readonly disk: Disk;
  readonly binding: StorageBinding | null;
  readonly logger: Logger;
  readonly walDirectory: string;
  readonly snapDirectory: string;
  readonly nodeId: NodeId;
  readonly clusterId: bigint;
  /** What the host says it has applied and kept itself; 0 when it keeps nothing. */
  readonly appliedIndex?: number;
  readonly segmentBytes?: number;
  /** WAL writes up to this size are made on the calling thread when nothing else is under way; 0 (default) is never. */
  readonly inlineBytesMax?: number;
  readonly syncObserver?: SyncObserver;
}

export interface OpenedStorage {
  readonly wal: WriteAheadLog;
  readonly snapshots: SnapshotDirectory;
  /** The snapshot that the contents begin after; null when they begin at the first entry. */
  readonly snapshotFile: SnapshotFile | null;
  readonly members: MembersFile | null;
  readonly contents: WalContents;
  /** The WAL did not exist before. */
  readonly isNew: boolean;
  /** Durable when resolved. Calls must not overlap. */
  saveMembers(members: MembersFile): Promise<void>;
  /** Closes the WAL and gives the directories free. */
  close(): Promise<void>;
}

const EXPLANATIONS: Record<string, string> = {
  EACCES: 'is not accessible to this user: check owner and permissions',
  EPERM: 'is not accessible to this user: check owner and permissions',
  EROFS: 'is on a read-only file system',
  ENOTDIR: 'is not a directory',
  EEXIST: 'is not a directory',
  ENOSPC: 'is on a full disk: make room there',
  EDQUOT: 'is on a full disk (quota): make room there',
  EMFILE: 'cannot be opened: this process has too many open files',
};

/** Runs a step; a failing system call becomes an error that names the configuration key and what to do. */
async function explained<T>(key: string, directory: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    const explanation = EXPLANATIONS[error.code] ?? 'cannot be used';
    throw new StorageError(`${key} ${directory} ${explanation} (${error.message})`, error.code);
  }
}

/**
 * Rejects with StorageError (not usable), LockedError (in use by pid ...), IdentityError (of another node or cluster) or
 * CorruptionError (damaged; names file and offset); nothing stays open then.
 */
export async function openStorage(options: StorageOptions): Promise<OpenedStorage> {
  const { disk, logger } = options;
  const walDirectory = resolve(options.walDirectory);
  const snapDirectory = resolve(options.snapDirectory);
  await explained('snapdir', snapDirectory, () => makeDurableDirectory(disk, snapDirectory, 0o750));
  const lock = await explained('snapdir', snapDirectory, () => DirectoryLock.take(disk, snapDirectory));
  try {
    const snapshots = new SnapshotFiles(disk, snapDirectory, crc32cWith(options.binding), logger);
    const members = await explained('snapdir', snapDirectory, async () => {
      await snapshots.removeLeftovers();
      return await loadMembers(disk, snapDirectory);
    });
    const settings: WalSettings = {
      disk,
      directory: walDirectory,
      logger,
      binding: options.binding,
      segmentBytes: options.segmentBytes ?? SEGMENT_BYTES,
      allocateStepBytes: ALLOCATE_STEP_BYTES,
      inlineBytesMax: options.inlineBytesMax ?? 0,
      syncObserver: options.syncObserver ?? null,
    };
    const identity = { nodeId: options.nodeId, clusterId: options.clusterId };
    const isNew = !(await explained('waldir', walDirectory, () => walExists(settings)));
    if (isNew) await refuseLostWal(snapshots, members, walDirectory, snapDirectory);
    const check = (metadata: Uint8Array): void => checkWalIdentity(walDirectory, metadata, identity);
    const [opened, snapshotFile] = isNew
      ? [
          await explained('waldir', walDirectory, async () => {
            await makeDurableDirectory(disk, dirname(walDirectory), 0o700);
            return await createWal(settings, encodeWalMetadata(identity));
          }),
          null,
        ]
      : await openAtNewest(settings, snapshots, check);
    try {
      checkApplied(options, opened, snapshotFile);
    } catch (error) {
      await opened.wal.close();
      throw error;
    }
    return {
      wal: opened.wal,
      snapshots,
      snapshotFile,
      members,
      contents: opened.contents,
      isNew,
      saveMembers: (next) => saveMembers(disk, snapDirectory, next),
      close: async () => {
        try {
          await opened.wal.close();
        } finally {
          await lock.release();
        }
      },
    };
  } catch (error) {
    await lock.release().catch(() => undefined);
    throw error;
  }
}

/** A node whose log is gone must not begin anew under its old name: it may have voted and acknowledged. */
async function refuseLostWal(
  snapshots: SnapshotFiles,
  members: MembersFile | null,
  walDirectory: string,
  snapDirectory: string,
): Promise<void> {
  const names = await explained('snapdir', snapDirectory, () => snapshots.names());
  const left = names[0]?.name ?? (members === null ? null : MEMBERS_FILE_NAME);
  if (left === null) return;
  throw new StorageError(
    `waldir ${walDirectory} has no log, but snapdir ${snapDirectory} has ${left} of an earlier life of this node: ` +
      'put the log back, or empty both directories and join the cluster as a new member',
  );
}

/** Newest whole snapshot that the WAL knows and has committed; an older one when the newest is damaged. */
async function openAtNewest(
  settings: WalSettings,
  snapshots: SnapshotFiles,
  checkMetadata: (metadata: Uint8Array) => void,
): Promise<[OpenedWal, SnapshotFile | null]> {
  const key = 'waldir';
  const { directory, logger } = settings;
  const passedOver: string[] = [];
  for (const name of await snapshots.names()) {
    const file = await snapshots.check(name);
    if (file === null) {
      passedOver.push(`${name.name} is damaged`);
      continue;
    }
    try {
      const opened = await explained(key, directory, () => openWal(settings, file.metadata, checkMetadata));
      snapshots.protect(file);
      return [opened, file];
    } catch (error) {
      if (!(error instanceof UnknownSnapshotError)) throw error;
      logger.warning(`${file.path} is not used: ${error.message}`);
      passedOver.push(error.message);
    }
  }
  try {
    return [
      await explained(key, directory, () => openWal(settings, { index: 0, term: 0 }, checkMetadata)),
      null,
    ];
  } catch (error) {
    if (!(error instanceof UnknownSnapshotError)) throw error;
    throw new CorruptionError(
      directory,
      0,
      `${error.message}, and there is no snapshot to begin with${passedOver.length === 0 ? '' : ` (${passedOver.join('; ')})`}`,
      'Put the newest .snap file back, or empty both directories and join the cluster as a new member',
    );
  }
}

function checkApplied(options: StorageOptions, opened: OpenedWal, snapshot: SnapshotFile | null): void {
  const applied = options.appliedIndex ?? 0;
  const { batches } = opened.contents;
  const last = batches[batches.length - 1]?.lastIndex ?? snapshot?.metadata.index ?? 0;
  if (applied > last) {
    throw new StorageError(
      `applied_index ${applied} is beyond the last entry of waldir ${options.walDirectory}, ${last}: ` +
        'the host is ahead of its log',
    );
  }
}
