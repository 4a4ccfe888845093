/** How etcd's tests write down what goes in and out of the core. */
import type { ProgressStatus, Ready } from '../../src-ts/core/api.ts';
import { EntryType, type EntryBatch } from '../../src-ts/core/entry-batch.ts';
import {
  LOCAL_APPEND_THREAD,
  LOCAL_APPLY_THREAD,
  NONE,
  nodeIdToBigint,
  nodeIdToHex,
  type NodeId,
} from '../../src-ts/core/node-id.ts';
import { decodeConfChange, decodeConfChangeV2 } from '../../src-ts/core/raftpb/conf-change.ts';
import {
  ConfChangeType,
  MessageType,
  StateType,
  type ConfChangeSingle,
  type ConfState,
  type HardState,
  type Message,
  type Snapshot,
  type SoftState,
} from '../../src-ts/core/types.ts';

const MESSAGE_NAMES = new Map<number, string>(
  Object.entries(MessageType).map(([name, type]) => [type, `Msg${name}`]),
);
const ENTRY_NAMES = new Map<number, string>(
  Object.entries(EntryType).map(([name, type]) => [type, `Entry${name}`]),
);
const STATE_NAMES = new Map<number, string>(
  Object.entries(StateType).map(([name, type]) => [type, `State${name}`]),
);
const CHANGE_LETTERS = new Map<ConfChangeType, string>([
  [ConfChangeType.AddNode, 'v'],
  [ConfChangeType.AddLearnerNode, 'l'],
  [ConfChangeType.RemoveNode, 'r'],
  [ConfChangeType.UpdateNode, 'u'],
]);

export function messageTypeOf(name: string): MessageType {
  for (const [type, known] of MESSAGE_NAMES) if (known === name) return type as MessageType;
  throw new Error(`unknown message type ${name}`);
}

export function stateName(state: StateType): string {
  return STATE_NAMES.get(state)!;
}

/** Go's %q of text. */
export function quoted(data: Uint8Array): string {
  return JSON.stringify(Buffer.from(data).toString('utf8'));
}

function list(ids: readonly (NodeId | number)[]): string {
  return `[${ids.map((id) => nodeIdToBigint(id)).join(' ')}]`;
}

function describeTarget(id: NodeId): string {
  if (id === NONE) return 'None';
  if (id === LOCAL_APPEND_THREAD) return 'AppendThread';
  if (id === LOCAL_APPLY_THREAD) return 'ApplyThread';
  return nodeIdToHex(id);
}

function describeChanges(changes: readonly ConfChangeSingle[]): string {
  return changes.map(({ type, nodeId }) => `${CHANGE_LETTERS.get(type)}${nodeIdToBigint(nodeId)}`).join(' ');
}

function describePayload(batch: EntryBatch, i: number): string {
  const data = batch.data(i);
  switch (batch.type(i)) {
    case EntryType.ConfChange: {
      const { type, nodeId } = decodeConfChange(data);
      return describeChanges([{ type, nodeId }]);
    }
    case EntryType.ConfChangeV2:
      return describeChanges(decodeConfChangeV2(data).changes);
    default:
      return quoted(data);
  }
}

/** One text an entry. */
export function describeEntries(batches: readonly EntryBatch[]): string[] {
  const lines: string[] = [];
  for (const batch of batches) {
    for (let i = 0; i < batch.count; i++) {
      const payload = describePayload(batch, i);
      const name = ENTRY_NAMES.get(batch.type(i))!;
      lines.push(`${batch.term}/${batch.firstIndex + i} ${name}${payload === '' ? '' : ` ${payload}`}`);
    }
  }
  return lines;
}

function describeConfState(state: ConfState): string {
  return (
    `Voters:${list(state.voters)} VotersOutgoing:${list(state.votersOutgoing)} Learners:${list(state.learners)} ` +
    `LearnersNext:${list(state.learnersNext)} AutoLeave:${state.autoLeave}`
  );
}

function describeSnapshot({ metadata }: Snapshot): string {
  return `Index:${metadata.index} Term:${metadata.term} ConfState:${describeConfState(metadata.confState)}`;
}

export function isEmptySnapshot(snapshot: Snapshot | null): snapshot is null {
  return snapshot === null || snapshot.metadata.index === 0;
}

export function describeMessage(message: Message, indent = ''): string {
  let text =
    `${indent}${describeTarget(message.from)}->${describeTarget(message.to)} ${MESSAGE_NAMES.get(message.type)} ` +
    `Term:${message.term} Log:${message.logTerm}/${message.index}`;
  if (message.reject) text += ` Rejected (Hint: ${message.rejectHint})`;
  if (message.commit !== 0) text += ` Commit:${message.commit}`;
  if (message.vote !== NONE) text += ` Vote:${nodeIdToBigint(message.vote)}`;
  const entries = describeEntries(message.entries);
  if (entries.length === 1) text += ` Entries:[${entries[0]}]`;
  else if (entries.length > 1)
    text += ` Entries:[${entries.map((entry) => `\n${indent}  ${entry}`).join('')}\n${indent}]`;
  if (!isEmptySnapshot(message.snapshot))
    text += `\n${indent}  Snapshot: ${describeSnapshot(message.snapshot!)}`;
  if (message.responses.length > 0) {
    const responses = message.responses.map((response) => `\n${describeMessage(response, `${indent}  `)}`);
    text += ` Responses:[${responses.join('')}\n${indent}]`;
  }
  return text;
}

function describeHardState({ term, vote, commit }: HardState): string {
  return `Term:${term}${vote === NONE ? '' : ` Vote:${nodeIdToBigint(vote)}`} Commit:${commit}`;
}

function describeSoftState({ lead, raftState }: SoftState): string {
  return `Lead:${nodeIdToBigint(lead)} State:${stateName(raftState)}`;
}

export function describeReady(ready: Ready): string {
  const lines: string[] = [];
  if (ready.softState !== null) lines.push(describeSoftState(ready.softState));
  if (ready.hardState !== null) lines.push(`HardState ${describeHardState(ready.hardState)}`);
  if (ready.readStates.length > 0) {
    const states = ready.readStates.map(
      ({ index, requestContext }) => `{${index} [${requestContext.join(' ')}]}`,
    );
    lines.push(`ReadStates [${states.join(' ')}]`);
  }
  if (ready.entries.length > 0) lines.push('Entries:', ...describeEntries(ready.entries));
  if (!isEmptySnapshot(ready.snapshot)) lines.push(`Snapshot ${describeSnapshot(ready.snapshot!)}`);
  if (ready.committedEntries.length > 0)
    lines.push('CommittedEntries:', ...describeEntries(ready.committedEntries));
  if (ready.messages.length > 0)
    lines.push('Messages:', ...ready.messages.map((message) => describeMessage(message)));
  if (lines.length === 0) return '<empty Ready>';
  return `Ready MustSync=${ready.mustSync}:\n${lines.join('\n')}\n`;
}

export function describeProgress(progress: ProgressStatus): string {
  let text = `${nodeIdToBigint(progress.id)}: ${progress.state} match=${progress.match} next=${progress.next}`;
  if (progress.isLearner) text += ' learner';
  if (progress.paused) text += ' paused';
  if (progress.pendingSnapshot > 0) text += ` pendingSnap=${progress.pendingSnapshot}`;
  if (!progress.recentActive) text += ' inactive';
  if (progress.inflight > 0) text += ` inflight=${progress.inflight}${progress.inflightFull ? '[full]' : ''}`;
  return `${text}\n`;
}

/** Change tokens as the test data write them: v1 makes 1 a voter, l2 a learner, r3 removes, u4 updates. */
export function parseChanges(input: string): ConfChangeSingle[] {
  return input
    .trim()
    .split(' ')
    .filter((token) => token !== '')
    .map((token) => {
      const nodeId = Number(token.slice(1));
      for (const [type, letter] of CHANGE_LETTERS) if (token[0] === letter) return { type, nodeId };
      throw new Error(`unknown change ${token}`);
    });
}
