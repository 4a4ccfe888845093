/** `members.json` beside the snapshots: who is in the cluster, where, and who was removed. */
import { join } from 'node:path';
import { isLosslessNumber, parse } from 'lossless-json';
import { writeWhole } from './atomic-file.ts';
import type { Disk } from './disk.ts';
import { CorruptionError, type MembersFile } from './types.ts';

export const MEMBERS_FILE_NAME = 'members.json';

const FORMAT_VERSION = 1;
/** Far above any cluster; a file beyond it is not one of ours. */
const FILE_BYTES_MAX = 16 << 20;
const UINT64_MAX = 0xffff_ffff_ffff_ffffn;

/** Text of a membership, as it is kept in the file and sent along with a snapshot. One line. */
export function encodeMembers(members: MembersFile): string {
  return JSON.stringify({
    version: FORMAT_VERSION,
    index: members.index,
    members: members.members.map(({ id, urls, learner }) => ({ id: id.toString(), urls, learner })),
    removed: members.removed.map((id) => id.toString()),
  });
}

/** Throws an Error that names the field when the text is not a membership. */
export function decodeMembers(text: string): MembersFile {
  const root = record(parse(text), 'the text');
  const version = integer(root['version'], 'version');
  if (version !== FORMAT_VERSION)
    throw new Error(`version is ${version}, this release knows ${FORMAT_VERSION}`);
  return {
    index: integer(root['index'], 'index'),
    members: list(root['members'], 'members').map((value, i) => {
      const member = record(value, `members[${i}]`);
      return {
        id: identifier(member['id'], `members[${i}].id`),
        urls: list(member['urls'], `members[${i}].urls`).map((url, j) => {
          if (typeof url !== 'string') throw new Error(`members[${i}].urls[${j}] is not a text`);
          return url;
        }),
        learner: truth(member['learner'], `members[${i}].learner`),
      };
    }),
    removed: list(root['removed'], 'removed').map((id, i) => identifier(id, `removed[${i}]`)),
  };
}

function record(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${field} is not an object`);
  return value as Record<string, unknown>;
}

function list(value: unknown, field: string): unknown[] {
  if (!Array.isArray(value)) throw new Error(`${field} is not a list`);
  return value;
}

function truth(value: unknown, field: string): boolean {
  if (typeof value !== 'boolean') throw new Error(`${field} is not true or false`);
  return value;
}

function integer(value: unknown, field: string): number {
  const number = isLosslessNumber(value) ? Number(value.value) : Number.NaN;
  if (!Number.isSafeInteger(number) || number < 0)
    throw new Error(`${field} is not a whole number below 2^53`);
  return number;
}

function identifier(value: unknown, field: string): bigint {
  const text = isLosslessNumber(value) ? value.value : value;
  if (typeof text !== 'string' || !/^[0-9]{1,20}$/.test(text) || BigInt(text) > UINT64_MAX) {
    throw new Error(`${field} is not an unsigned 64-bit number`);
  }
  return BigInt(text);
}

/** Null when there is none. Throws CorruptionError when it is not what `saveMembers` wrote. */
export async function loadMembers(disk: Disk, directory: string): Promise<MembersFile | null> {
  const path = join(directory, MEMBERS_FILE_NAME);
  if (!(await disk.exists(path))) return null;
  const file = await disk.open(path, 'read');
  try {
    const bytes = new Uint8Array(Math.min(await file.size(), FILE_BYTES_MAX));
    await file.read(bytes, 0, bytes.length, 0);
    try {
      return decodeMembers(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    } catch (error) {
      throw new CorruptionError(
        path,
        0,
        `it is not a membership (${(error as Error).message})`,
        'Copy it from another member of the cluster, or restore this node from its peers',
      );
    }
  } finally {
    await file.close();
  }
}

/** Durable when resolved; a crash leaves the old file or the new one. */
export async function saveMembers(disk: Disk, directory: string, members: MembersFile): Promise<void> {
  await writeWhole(
    disk,
    directory,
    MEMBERS_FILE_NAME,
    new TextEncoder().encode(`${encodeMembers(members)}\n`),
    0o644,
  );
}
