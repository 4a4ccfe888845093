import { parse } from 'lossless-json';
import { publicId } from './machine-port.ts';
import type { Member, Status } from './types.ts';

interface StatusText {
  readonly id: string;
  readonly role: Status['role'];
  readonly leader: Status['leader'];
  readonly term: number;
  readonly commit: number;
  readonly applied_by_host: number;
  readonly first_index: number;
  readonly last_index: number;
  readonly snapshot_index: number;
  readonly members: readonly {
    readonly id: Member['id'];
    readonly urls: readonly string[];
    readonly learner: boolean;
    readonly active: boolean;
    readonly last_contact: number;
  }[];
  readonly failure: string | null;
  readonly version: string;
}

/** From the text of RAFT_GetStatus, which holds ids of 64 bits as digits. */
export function readStatus(text: string): Status {
  const number = (digits: string): number | bigint =>
    Number.isSafeInteger(Number(digits)) ? Number(digits) : BigInt(digits);
  const status = parse(text, null, number) as StatusText;
  return {
    id: publicId(BigInt(`0x${status.id}`)),
    role: status.role,
    leader: status.leader,
    term: status.term,
    committedIndex: status.commit,
    appliedIndex: status.applied_by_host,
    firstIndex: status.first_index,
    lastIndex: status.last_index,
    snapshotIndex: status.snapshot_index,
    members: status.members.map(({ id, urls, learner, active, last_contact }) => ({
      id,
      urls,
      learner,
      active,
      lastContactSeconds: last_contact,
    })),
    failure: status.failure,
    version: status.version,
  };
}
