import { isJoint } from '../tracker/configuration.ts';
import { EntryType, proposalsOf, type EntryBatch, type Proposals } from '../entry-batch.ts';
import { StepError } from '../errors.ts';
import { NONE } from '../node-id.ts';
import { decodeConfChange, decodeConfChangeV2 } from '../raftpb/conf-change.ts';
import type { Raft } from '../raft.ts';
import { StateType, MessageType, type Message } from '../types.ts';

/** Payloads of a forwarded MsgProp, seen as proposals: its entries carry no index and term yet. */
export function proposalsOfBatches(batches: readonly EntryBatch[]): Proposals {
  const [batch] = batches;
  if (batches.length !== 1) {
    const payloads: Uint8Array[] = [];
    const types: number[] = [];
    for (const each of batches) {
      for (let i = 0; i < each.count; i++) {
        payloads.push(each.data(i));
        types.push(each.type(i));
      }
    }
    return proposalsOf(payloads, Uint8Array.from(types));
  }
  const first = batch!.offset;
  const last = first + batch!.count;
  return {
    count: batch!.count,
    bytes: batch!.bytes,
    starts: batch!.dataStarts.subarray(first, last),
    ends: batch!.ends.subarray(first, last),
    types: batch!.types?.subarray(first, last) ?? null,
  };
}

/** MsgProp at the leader, and proposals made there. Throws StepError 'dropped'. */
export function proposeAtLeader(raft: Raft, proposals: Proposals): void {
  if (raft.tracker.get(raft.id) === undefined) {
    throw new StepError('dropped', 'this node has been removed and leads only until that is known');
  }
  if (raft.leadTransferee !== NONE) throw new StepError('dropped', 'leadership is being transferred');
  const checked = proposals.types === null ? proposals : checkChanges(raft, proposals, proposals.types);
  if (!raft.appendProposals(checked))
    throw new StepError('dropped', 'the limit of uncommitted entries is reached');
  raft.broadcastAppend();
}

/** One membership change at a time: one that may not be proposed now becomes an empty entry. Thesis, section 4.1. */
function checkChanges(raft: Raft, proposals: Proposals, types: Uint8Array): Proposals {
  let checked = proposals;
  for (let i = 0; i < proposals.count; i++) {
    const type = types[i];
    if (type === EntryType.Normal) continue;
    const data = proposals.bytes.subarray(proposals.starts[i], proposals.ends[i]);
    const leaves = type === EntryType.ConfChangeV2 && decodeConfChangeV2(data).changes.length === 0;
    if (type === EntryType.ConfChange) decodeConfChange(data);
    const refusal = refuseChange(raft, leaves);
    if (refusal !== null && raft.config.disableConfChangeValidation !== true) {
      raft.logger.info(`${raft.name} ignores a membership change: ${refusal}`);
      if (checked === proposals) {
        checked = { ...proposals, types: types.slice(), ends: proposals.ends.slice() };
      }
      checked.types![i] = EntryType.Normal;
      checked.ends[i] = checked.starts[i]!;
    } else {
      raft.pendingConfIndex = raft.log.lastIndex() + i + 1;
    }
  }
  return checked;
}

function refuseChange(raft: Raft, leaves: boolean): string | null {
  if (raft.pendingConfIndex > raft.log.applied) {
    return `one may be unapplied at index ${raft.pendingConfIndex} (applied to ${raft.log.applied})`;
  }
  const joint = isJoint(raft.tracker.configuration);
  if (joint && !leaves) return 'the joint configuration must be left first';
  return !joint && leaves ? 'the configuration is not joint' : null;
}

/** MsgProp anywhere. Throws StepError 'dropped'. */
export function handlePropose(raft: Raft, message: Message): void {
  if (raft.state === StateType.Leader) {
    proposeAtLeader(raft, proposalsOfBatches(message.entries));
    return;
  }
  if (raft.state !== StateType.Follower || raft.lead === NONE) {
    throw new StepError('dropped', `there is no leader at term ${raft.term}`);
  }
  if (raft.config.disableProposalForwarding === true)
    throw new StepError('dropped', 'forwarding is disabled');
  raft.send({ ...message, type: MessageType.Prop, to: raft.lead, term: 0 });
}
