/** `polyraft snap info`: what is in a .snap file, or in a directory of them. */
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DecodeError } from '../core/raftpb/varint.ts';
import { crc32cPortable } from '../storage/crc32c.ts';
import type { Disk } from '../storage/disk.ts';
import { loadMembers } from '../storage/members-file.ts';
import { readBody, readLayout, type SnapshotLayout } from '../storage/snapshot/snapshot-file.ts';
import { snapshotsOf } from '../storage/snapshot/snapshot-name.ts';
import { CorruptionError, StorageError, type MembersFile } from '../storage/types.ts';
import { describeIds } from './describe.ts';
import { ExitCode, type Output } from './output.ts';

type Found = { readonly path: string } & ({ readonly layout: SnapshotLayout } | { readonly problem: string });

export async function snapInfo(disk: Disk, path: string, asJson: boolean, output: Output): Promise<ExitCode> {
  const isDirectory = (await stat(path)).isDirectory();
  const names = isDirectory ? snapshotsOf(await disk.list(path)).map(({ name }) => join(path, name)) : [path];
  const found: Found[] = [];
  for (const name of names) {
    try {
      found.push(await lookAt(disk, name, output));
    } catch (error) {
      // A running server purges old ones.
      if (!isDirectory || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  output.progress?.('');
  let members: MembersFile | null = null;
  let membersProblem: string | null = null;
  try {
    if (isDirectory) members = await loadMembers(disk, path);
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    membersProblem = error.message;
  }
  if (isDirectory && names.length === 0 && members === null && membersProblem === null)
    throw new StorageError(`${path} has no .snap file in it`, 'ENOENT');
  if (asJson) output.line(jsonOf(found, members, membersProblem));
  else print(found, members, membersProblem, output);
  const isWhole = membersProblem === null && found.every((each) => 'layout' in each);
  return isWhole ? ExitCode.Fine : ExitCode.Damaged;
}

async function lookAt(disk: Disk, path: string, output: Output): Promise<Found> {
  const file = await disk.open(path, 'read');
  try {
    const layout = await readLayout(file);
    let done = 0;
    await readBody(file, layout, crc32cPortable, ({ length }) => {
      done += length;
      output.progress?.(`of ${basename(path)} read`, done / (layout.dataEnd - layout.dataStart));
    });
    return { path, layout };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { path, problem: error.message };
  } finally {
    await file.close();
  }
}

function print(
  found: readonly Found[],
  members: MembersFile | null,
  membersProblem: string | null,
  output: Output,
): void {
  for (const each of found) {
    if ('problem' in each) {
      output.problem(`${each.path} is damaged: ${each.problem}`);
      continue;
    }
    const { metadata, dataStart, dataEnd, crc } = each.layout;
    output.line(
      `${basename(each.path)}: index=${metadata.index} term=${metadata.term} data=${dataEnd - dataStart} bytes ` +
        `${describeIds(metadata.confState)} crc=${crc.toString(16).padStart(8, '0')} whole`,
    );
  }
  if (membersProblem !== null) output.problem(membersProblem);
  if (members === null) return;
  output.line(`members.json: as of entry ${members.index}`);
  for (const { id, urls, learner } of members.members) {
    output.line(`  ${id} ${urls.join(' ')}${learner ? ' (learner)' : ''}`);
  }
  if (members.removed.length > 0) output.line(`  removed: ${members.removed.join(', ')}`);
}

function jsonOf(found: readonly Found[], members: MembersFile | null, membersProblem: string | null): string {
  const snapshots = found.map((each) =>
    'problem' in each
      ? { file: each.path, whole: false, problem: each.problem }
      : {
          file: each.path,
          whole: true,
          index: each.layout.metadata.index,
          term: each.layout.metadata.term,
          data_bytes: each.layout.dataEnd - each.layout.dataStart,
          configuration: describeIds(each.layout.metadata.confState),
        },
  );
  const text = (id: bigint): string => id.toString();
  return JSON.stringify({
    snapshots,
    members:
      members === null
        ? null
        : {
            index: members.index,
            members: members.members.map((member) => ({ ...member, id: text(member.id) })),
            removed: members.removed.map(text),
          },
    members_problem: membersProblem,
  });
}
