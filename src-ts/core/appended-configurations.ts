import type { Logger } from './api.ts';
import { changeConfiguration, decodeChange } from './confchange/apply-change.ts';
import { ConfChangeError, type Changed } from './confchange/changer.ts';
import { replaceConfiguration } from './confchange/replace.ts';
import { EntryType, type EntryBatch } from './entry-batch.ts';
import type { NodeId } from './node-id.ts';
import { isVoter, toConfState } from './tracker/configuration.ts';
import type { ProgressTracker } from './tracker/tracker.ts';
import type { ConfState } from './types.ts';

interface AppendedChange {
  /** Index of the entry that carries the change. */
  readonly index: number;
  readonly before: Changed;
  readonly after: Changed;
}

/**
 * The dialect in which a configuration takes effect as soon as its entry stands in the log (Raft, section 6; C-Raft):
 * remembers what each change that is not applied yet replaced, so that truncating the log takes it back.
 * Bounded by the number of configuration entries that are appended and not applied.
 */
export class AppendedConfigurations {
  private readonly logger: Logger;
  private readonly configurationAt: ((index: number) => ConfState) | undefined;
  private changes: AppendedChange[] = [];

  constructor(logger: Logger, configurationAt?: (index: number) => ConfState) {
    this.logger = logger;
    this.configurationAt = configurationAt;
  }

  /** A snapshot has replaced the log. */
  clear(): void {
    this.changes = [];
  }

  /**
   * Batches have been appended, replacing everything from their first index on. Returns the configuration that is in
   * effect now, null when it is what it was. A change that cannot be made is none, on every node alike.
   */
  append(tracker: ProgressTracker, batches: readonly EntryBatch[]): Changed | null {
    const first = batches[0];
    let latest = first === undefined ? null : this.truncate(first.firstIndex);
    for (const batch of batches) {
      if (batch.types === null) continue;
      for (let i = 0; i < batch.count; i++) {
        if (batch.type(i) === EntryType.Normal) continue;
        const index = batch.firstIndex + i;
        const before = latest ?? { configuration: tracker.configuration, progress: tracker.progress };
        try {
          const after = this.change(tracker, batch, i, before);
          this.changes.push({ index, before, after });
          latest = after;
        } catch (error) {
          if (!(error instanceof ConfChangeError)) throw error;
          this.logger.error(`the membership change at index ${index} is ignored: ${error.message}`);
        }
      }
    }
    return latest;
  }

  private change(tracker: ProgressTracker, batch: EntryBatch, i: number, before: Changed): Changed {
    const index = batch.firstIndex + i;
    if (this.configurationAt !== undefined) {
      return replaceConfiguration(tracker, index, this.configurationAt(index), before);
    }
    return changeConfiguration(tracker, index, decodeChange(batch.type(i), batch.data(i)), before);
  }

  /** Takes back the changes at `index` and behind; returns the configuration before them, null when there were none. */
  private truncate(index: number): Changed | null {
    const at = this.changes.findIndex((change) => change.index >= index);
    if (at === -1) return null;
    const { before } = this.changes[at]!;
    this.changes.length = at;
    return before;
  }

  /**
   * The change at `index` (default: the oldest one) has been applied and is forgotten. Returns the configuration as of
   * that index; null when none was appended there.
   */
  applied(index: number | undefined): ConfState | null {
    const at = index === undefined ? 0 : this.changes.findIndex((change) => change.index === index);
    const change = this.changes[at];
    if (change === undefined) return null;
    this.changes.splice(0, at + 1);
    return toConfState(change.after.configuration);
  }

  /**
   * True while changes that are not known to be committed leave it open whether this server votes: its vote or its log
   * may be what the others need, so it may campaign (thesis, section 4.2.2).
   */
  wasVoter(id: NodeId, committed: number): boolean {
    return this.changes.some(({ index, before }) => index > committed && isVoter(before.configuration, id));
  }
}
