/** How a server begins: a new cluster, a member that joins, or a restart from its disk. */
import { ErrorCode } from '../core/codes.generated.ts';
import { EntryType, encodeEntries, proposalsOf, type EntryBatch } from '../core/entry-batch.ts';
import { encodeConfChange } from '../core/raftpb/conf-change.ts';
import {
  ConfChangeType,
  EMPTY_CONF_STATE,
  type ConfState,
  type HardState,
  type SnapshotMetadata,
} from '../core/types.ts';
import type { OpenedStorage } from '../storage/open-storage.ts';
import { ServerError, type PeerConfig, type ServerConfig } from './api.ts';
import { Membership } from './membership.ts';

export interface BootState {
  readonly snapshot: SnapshotMetadata | null;
  readonly hardState: HardState;
  readonly batches: readonly EntryBatch[];
  readonly confState: ConfState;
  readonly membership: Membership;
  /** The host's state stands here; 0 when it is to be restored or is empty. */
  readonly appliedIndex: number;
}

/** The term of bootstrap entries, as in etcd. */
const FIRST_TERM = 1;

/**
 * The entries that every member of a new cluster begins with: one AddNode a configured peer, in configured order,
 * committed. They are the same on all members, so no election is needed for them (etcd's StartNode does the same).
 */
export function bootstrapEntries(peers: readonly PeerConfig[]): EntryBatch {
  const text = new TextEncoder();
  const changes = peers.map((peer) =>
    encodeConfChange({
      id: 0,
      type: ConfChangeType.AddNode,
      nodeId: peer.id,
      context: text.encode(peer.url),
    }),
  );
  const types = new Uint8Array(peers.length).fill(EntryType.ConfChange);
  return encodeEntries(1, FIRST_TERM, proposalsOf(changes, types));
}

export async function boot(
  config: ServerConfig,
  storage: OpenedStorage,
  appliedIndex: number,
): Promise<BootState> {
  const { contents, snapshotFile } = storage;
  const isEmpty = snapshotFile === null && contents.batches.length === 0 && contents.hardState.term === 0;
  if (!isEmpty) return restart(config, storage, appliedIndex);
  if (appliedIndex > 0) {
    throw new ServerError(
      ErrorCode.CONFIG,
      `applied_index is ${appliedIndex}, but waldir ${config.walDirectory} is empty`,
    );
  }
  if (config.join) return join(storage);
  return await bootstrap(config, storage);
}

/** Also after a crash between the making of the WAL and its first entries: nothing had left this node then. */
async function bootstrap(config: ServerConfig, storage: OpenedStorage): Promise<BootState> {
  const batch = bootstrapEntries(config.peers);
  const hardState = { term: FIRST_TERM, vote: 0, commit: batch.count };
  await storage.wal.save(hardState, [batch], true);
  const membership = Membership.ofPeers(batch.count, config.peers);
  await storage.saveMembers(membership.toFile());
  return {
    snapshot: null,
    hardState,
    batches: [batch],
    confState: EMPTY_CONF_STATE,
    membership,
    appliedIndex: 0,
  };
}

/** Empty, waiting for the leader's first message. The configured peers are only where it may come from. */
function join(storage: OpenedStorage): BootState {
  const membership = storage.members === null ? Membership.EMPTY : Membership.ofFile(storage.members);
  return {
    snapshot: null,
    hardState: storage.contents.hardState,
    batches: [],
    confState: EMPTY_CONF_STATE,
    membership,
    appliedIndex: 0,
  };
}

/**
 * Entries after the snapshot are applied again, the configuration ones by the engine; those that the host has applied
 * already (it said so) are not shown to it. They were committed, whatever the last hard state on disk says.
 */
function restart(config: ServerConfig, storage: OpenedStorage, appliedIndex: number): BootState {
  const { contents, snapshotFile, members } = storage;
  const snapshot = snapshotFile?.metadata ?? null;
  const begin = snapshot?.index ?? 0;
  const { batches } = contents;
  const last = batches.length > 0 ? batches[batches.length - 1]!.lastIndex : begin;
  if (appliedIndex > last) {
    throw new ServerError(
      ErrorCode.CONFIG,
      `applied_index is ${appliedIndex}, but waldir ${config.walDirectory} ends at entry ${last}: the host is ahead of its log`,
    );
  }
  const commit = Math.max(contents.hardState.commit, appliedIndex, begin);
  if (commit > last) {
    throw new ServerError(
      ErrorCode.CORRUPT,
      `waldir ${config.walDirectory}: entry ${commit} is committed, but the log ends at ${last}; ` +
        'restore the directory, or empty it and join as a new member',
    );
  }
  const confState = snapshot?.confState ?? EMPTY_CONF_STATE;
  const fromFile = members === null ? Membership.EMPTY : Membership.ofFile(members);
  const membership =
    fromFile.index >= begin ? fromFile : Membership.ofConfState(begin, confState, fromFile, config.peers);
  return {
    snapshot,
    hardState: { ...contents.hardState, commit },
    batches,
    confState,
    membership,
    appliedIndex,
  };
}
