/** Executes etcd's quorum data: committed index and vote result of majorities and joint majorities. */
import {
  jointCommittedIndex,
  jointIds,
  jointVoteResult,
  type JointVoters,
} from '../../src-ts/core/quorum/joint.ts';
import {
  majorityCommittedIndex,
  majorityVoteResult,
  type AckedIndex,
} from '../../src-ts/core/quorum/majority.ts';
import type { Command } from './data-driven.ts';

const RESULTS = { pending: 'VotePending', lost: 'VoteLost', won: 'VoteWon' };

function indexText(index: number): string {
  return index === Number.POSITIVE_INFINITY ? '∞' : String(index);
}

interface Case {
  readonly joint: boolean;
  readonly voters: JointVoters;
  /** Given indexes (or 2 for yes, 1 for no) by voter; voters that said nothing are absent. */
  readonly given: ReadonlyMap<number, number>;
  /** Set when the data give a wrong number of values. */
  readonly mismatch: string | null;
}

function readCase(command: Command): Case {
  const lists = new Map(command.args.map(({ key, values }) => [key, values]));
  const ids = (lists.get('cfg') ?? []).map(Number);
  const outgoing = lists.get('cfgj');
  const idsJoint = outgoing === undefined || outgoing[0] === 'zero' ? [] : outgoing.map(Number);
  const codes: Readonly<Record<string, number>> = { y: 2, n: 1, _: 0 };
  const values =
    command.name === 'vote'
      ? (lists.get('votes') ?? []).map((vote) => codes[vote]!)
      : (lists.get('idx') ?? []).map((value) => (value === '_' ? 0 : Number(value)));
  const voters = { incoming: [...new Set(ids)], outgoing: [...new Set(idsJoint)] };
  const order = [...new Set([...ids, ...idsJoint])];
  const given = new Map<number, number>();
  order.forEach((id, i) => {
    const value = values[i] ?? 0;
    if (value !== 0) given.set(id, value);
  });
  const mismatch =
    order.length === values.length
      ? null
      : `error: mismatched input (explicit or _) for voters map[${jointIds(voters)
          .map((id) => `${id}:{}`)
          .join(' ')}]: [${values.join(' ')}]`;
  return { joint: outgoing !== undefined, voters, given, mismatch };
}

/** A bar chart of the acknowledged indexes: the i-th largest has a bar of length i, equal ones have equal bars. */
function chart(ids: readonly number[], acked: AckedIndex): string {
  if (ids.length === 0) return '<empty majority quorum>';
  const rows = ids.map((id) => ({ id, index: acked(id) ?? 0, known: acked(id) !== undefined, bar: 0 }));
  rows.sort((a, b) => a.index - b.index || a.id - b.id);
  for (let i = 1; i < rows.length; i++) {
    rows[i]!.bar = rows[i - 1]!.index < rows[i]!.index ? i : rows[i - 1]!.bar;
  }
  rows.sort((a, b) => a.id - b.id);
  const width = rows.length;
  let text = `${' '.repeat(width)}    idx\n`;
  for (const { id, index, known, bar } of rows) {
    const mark = known ? `${'x'.repeat(bar)}>${' '.repeat(width - bar)}` : `?${' '.repeat(width)}`;
    text += `${mark} ${String(index).padStart(5)}    (id=${id.toString(16)})\n`;
  }
  return text;
}

/** Counting instead of sorting: the largest index that a majority has reached. */
function countedIndex(voters: readonly number[], acked: AckedIndex): number {
  if (voters.length === 0) return Number.POSITIVE_INFINITY;
  const indexes = [...voters].map((id) => acked(id) ?? 0);
  const reached = indexes.filter(
    (index) => indexes.filter((other) => other >= index).length > voters.length / 2,
  );
  return Math.max(0, ...reached);
}

/** Other ways to the same figure; each that differs adds a line, which the data do not have. */
function crossChecks(voters: readonly number[], acked: AckedIndex, index: number): string {
  let text = '';
  const check = (other: number, way: string): void => {
    if (other !== index) text += `${indexText(other)} <-- ${way}\n`;
  };
  check(countedIndex(voters, acked), 'via alternative computation');
  check(jointCommittedIndex({ incoming: voters, outgoing: [] }, acked), 'via zero-joint quorum');
  check(jointCommittedIndex({ incoming: voters, outgoing: voters }, acked), 'via self-joint quorum');
  for (const id of voters) {
    const own = acked(id) ?? 0;
    if (index <= own || own === 0) continue;
    for (const lower of [own - 1, 0]) {
      check(
        majorityCommittedIndex(voters, (other) => (other === id ? lower : acked(other))),
        `overlaying ${id}->${lower}`,
      );
    }
  }
  return text;
}

function committed({ joint, voters, given }: Case): string {
  const acked: AckedIndex = (id) => given.get(id);
  if (!joint) {
    const index = majorityCommittedIndex(voters.incoming, acked);
    const ids = [...voters.incoming].sort((a, b) => a - b);
    return `${chart(ids, acked)}${crossChecks(voters.incoming, acked, index)}${indexText(index)}\n`;
  }
  const index = jointCommittedIndex(voters, acked);
  const swapped = jointCommittedIndex({ incoming: voters.outgoing, outgoing: voters.incoming }, acked);
  const symmetry = swapped === index ? '' : `${indexText(swapped)} <-- via symmetry\n`;
  return `${chart(jointIds(voters), acked)}${symmetry}${indexText(index)}\n`;
}

function vote({ joint, voters, given }: Case): string {
  const votes = new Map([...given].map(([id, value]) => [id, value === 2]));
  if (!joint) return `${RESULTS[majorityVoteResult(voters.incoming, votes)]}\n`;
  const result = jointVoteResult(voters, votes);
  const swapped = jointVoteResult({ incoming: voters.outgoing, outgoing: voters.incoming }, votes);
  return `${swapped === result ? '' : `${RESULTS[swapped]} <-- via symmetry\n`}${RESULTS[result]}\n`;
}

export function executeQuorum(command: Command): string {
  const read = readCase(command);
  if (read.mismatch !== null) return read.mismatch;
  if (command.name === 'committed') return committed(read);
  if (command.name === 'vote') return vote(read);
  throw new Error(`line ${command.line}: unknown command ${command.name}`);
}
