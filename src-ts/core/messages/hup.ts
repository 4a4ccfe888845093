import { EntryType, type EntryBatch } from '../entry-batch.ts';
import type { Raft } from '../raft.ts';
import { StateType } from '../types.ts';
import { campaign, type CampaignKind } from './campaign.ts';

/** MsgHup: the election timeout has passed, or the driver wants a campaign. */
export function handleHup(raft: Raft): void {
  startCampaign(raft, raft.config.preVote === true ? 'pre-election' : 'election');
}

function hasChange(batch: EntryBatch): boolean {
  if (batch.types === null) return false;
  for (let i = 0; i < batch.count; i++) if (batch.type(i) !== EntryType.Normal) return true;
  return false;
}

/** Campaigns if this node may: not while a committed membership change waits to be applied here. */
export function startCampaign(raft: Raft, kind: CampaignKind): void {
  if (raft.state === StateType.Leader) return;
  if (!raft.promotable()) {
    raft.logger.warning(`${raft.name} does not campaign: it is no voter, or restores a snapshot`);
    return;
  }
  // Where changes take effect when appended, there is none that this node does not count with.
  if (raft.appendedConfigurations === null && raft.log.someUnapplied(hasChange)) {
    raft.logger.warning(`${raft.name} does not campaign: a committed membership change is not applied yet`);
    return;
  }
  campaign(raft, kind);
}
