import { changeConfiguration, decodeChange, leavesJoint } from '../confchange/apply-change.ts';
import { ConfChangeError } from '../confchange/changer.ts';
import { EntryType, proposalsOf, type EntryBatch, type Proposals } from '../entry-batch.ts';
import { StepError } from '../errors.ts';
import { NONE } from '../node-id.ts';
import { DecodeError, internTold } from '../raftpb/varint.ts';
import type { Raft } from '../raft.ts';
import { broadcastAppend } from '../replication.ts';
import { isJoint } from '../tracker/configuration.ts';
import { StateType, type ConfChangeV2, type Message } from '../types.ts';

/** MsgProp. Throws StepError 'dropped'. */
export function handlePropose(raft: Raft, message: Message): void {
  if (raft.state === StateType.Leader) proposeAtLeader(raft, proposalsOfBatches(message.entries));
  else forward(raft, message);
}

function forward(raft: Raft, message: Message): void {
  assertMayForward(raft);
  const { type, from, entries, context } = message;
  raft.send({ type, to: raft.lead, from, entries, context });
}

/** Throws StepError 'dropped' when a proposal made here would not reach a leader. */
export function assertMayForward(raft: Raft): void {
  if (raft.state !== StateType.Follower || raft.lead === NONE) {
    throw new StepError('dropped', `no leader is known at term ${raft.term}`);
  }
  if (raft.config.disableProposalForwarding === true) {
    throw new StepError('dropped', 'this node does not lead, and forwarding is disabled');
  }
}

/** Payloads of a forwarded MsgProp, seen as proposals without a copy: its entries carry no index and term yet. */
function proposalsOfBatches(batches: readonly EntryBatch[]): Proposals {
  const [batch] = batches;
  if (batch === undefined || batches.length > 1) return gather(batches);
  const first = batch.offset;
  const last = first + batch.count;
  return {
    count: batch.count,
    bytes: batch.bytes,
    starts: batch.dataStarts.subarray(first, last),
    ends: batch.ends.subarray(first, last),
    types: batch.types?.subarray(first, last) ?? null,
  };
}

function gather(batches: readonly EntryBatch[]): Proposals {
  const payloads: Uint8Array[] = [];
  const types: number[] = [];
  for (const batch of batches) {
    for (let i = 0; i < batch.count; i++) {
      payloads.push(batch.data(i));
      types.push(batch.type(i));
    }
  }
  return proposalsOf(payloads, Uint8Array.from(types));
}

/** Proposals at the leader: one append, sent to everybody. Throws StepError 'dropped'. */
export function proposeAtLeader(raft: Raft, proposals: Proposals): void {
  if (proposals.count === 0) throw new StepError('dropped', 'there is nothing in the proposal');
  if (raft.tracker.get(raft.id) === undefined) {
    throw new StepError('dropped', 'this node has been removed and leads only until that is known');
  }
  if (raft.leadTransferee !== NONE) throw new StepError('dropped', 'leadership is being transferred');
  const isChecked = proposals.types === null || raft.config.configurationAt !== undefined;
  const checked = isChecked ? proposals : checkChanges(raft, proposals, proposals.types);
  if (!raft.appendProposals(checked)) {
    throw new StepError('dropped', 'the limit of uncommitted entries is reached');
  }
  broadcastAppend(raft);
}

/** One membership change at a time: one that may not be proposed now becomes an empty entry. Thesis, section 4.1. */
function checkChanges(raft: Raft, proposals: Proposals, types: Uint8Array): Proposals {
  const { count, starts, ends, bytes } = proposals;
  let refused: { types: Uint8Array; ends: Uint32Array } | null = null;
  for (let i = 0; i < count; i++) {
    const type = types[i] as EntryType;
    if (type === EntryType.Normal) continue;
    const change = decode(type, bytes.subarray(starts[i], ends[i]));
    const reason = raft.config.disableConfChangeValidation === true ? null : refusalOf(raft, change);
    if (reason === null) {
      raft.pendingConfIndex = raft.log.lastIndex() + i + 1;
      continue;
    }
    raft.logger.info(`${raft.name} proposes an empty entry instead of a membership change: ${reason}`);
    refused ??= { types: types.slice(), ends: ends.slice() };
    refused.types[i] = EntryType.Normal;
    refused.ends[i] = starts[i]!;
  }
  return refused === null ? proposals : { ...proposals, ...refused };
}

function decode(type: EntryType, data: Uint8Array): ConfChangeV2 {
  try {
    return decodeChange(type, data, internTold);
  } catch (error) {
    if (error instanceof DecodeError) throw new StepError('dropped', `membership change: ${error.message}`);
    throw error;
  }
}

/** Null when the change may be proposed. */
function refusalOf(raft: Raft, change: ConfChangeV2): string | null {
  if (raft.pendingConfIndex > raft.log.applied) {
    return `another may be pending at index ${raft.pendingConfIndex} (applied: ${raft.log.applied})`;
  }
  const joint = isJoint(raft.tracker.configuration);
  if (joint && !leavesJoint(change)) return 'the joint configuration must be left first';
  try {
    changeConfiguration(raft.tracker, raft.log.lastIndex(), change);
    return null;
  } catch (error) {
    if (error instanceof ConfChangeError) return error.message;
    throw error;
  }
}
