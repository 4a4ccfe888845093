/** Snapshots that the leader sends: the data goes to a file, then the core learns of the metadata. */
import { nodeIdToHex } from '../core/node-id.ts';
import type { Message, SnapshotMetadata } from '../core/types.ts';
import type { Logger } from '../core/api.ts';
import type { SnapshotDirectory, SnapshotFile, SnapshotWriter } from '../storage/types.ts';
import type { SnapshotSink } from '../transport/types.ts';
import { textOf } from './errors.ts';

export interface ReceiverTarget {
  /** False for a sender of the past, or when the server no longer takes part. */
  accepts(message: Message): boolean;
  committed(): number;
  /** The file is whole and durable; resolves when the members that came with it are, too. */
  received(file: SnapshotFile, members: string | null): Promise<void>;
}

export class SnapshotReceiver {
  private readonly directory: SnapshotDirectory;
  private readonly logger: Logger;
  private readonly target: ReceiverTarget;
  /** One at a time: a second sender is refused, and tries again. */
  private busy = false;

  constructor(directory: SnapshotDirectory, logger: Logger, target: ReceiverTarget) {
    this.directory = directory;
    this.logger = logger;
    this.target = target;
  }

  async open(message: Message, dataBytes: number, members: string | null): Promise<SnapshotSink | null> {
    if (this.busy || message.snapshot === null || !this.target.accepts(message)) return null;
    const { metadata } = message.snapshot;
    // The core answers an old snapshot with its commit index; its data is of no use.
    if (metadata.index !== 0 && metadata.index <= this.target.committed()) return DISCARD;
    this.busy = true;
    try {
      const writer = await this.directory.create(metadata, dataBytes);
      return this.sink(writer, message, members);
    } catch (error) {
      this.busy = false;
      this.logger.warning(`snapshot from ${nodeIdToHex(message.from)} refused: ${textOf(error)}`);
      return null;
    }
  }

  private sink(writer: SnapshotWriter, opened: Message, members: string | null): SnapshotSink {
    const from = nodeIdToHex(opened.from);
    return {
      write: (chunk) => writer.write(chunk),
      commit: async (message) => {
        try {
          const metadata = metadataOf(message);
          if (!this.target.accepts(message)) throw new Error(`snapshot from ${from} is no longer wanted`);
          if (metadata.index <= this.target.committed()) await writer.abort();
          else await this.target.received(await writer.commit(metadata), members);
        } catch (error) {
          await writer.abort().catch(() => undefined);
          this.logger.warning(`snapshot from ${from} is lost: ${textOf(error)}`);
          throw error;
        } finally {
          this.busy = false;
        }
      },
      abort: async () => {
        this.busy = false;
        await writer.abort();
      },
    };
  }
}

function metadataOf(message: Message): SnapshotMetadata {
  const metadata = message.snapshot?.metadata;
  if (metadata === undefined || metadata.index === 0) throw new Error('the snapshot has no metadata');
  return metadata;
}

const DISCARD: SnapshotSink = {
  write: () => Promise.resolve(),
  commit: () => Promise.resolve(),
  abort: () => Promise.resolve(),
};
