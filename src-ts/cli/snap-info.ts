/** `polyraft snap info`: what is in a .snap file, or in a directory of them. */
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DecodeError } from '../core/raftpb/varint.ts';
import { crc32cPortable } from '../storage/crc32c.ts';
import type { Disk } from '../storage/disk.ts';
import { loadMembers } from '../storage/members-file.ts';
import { readBody, readLayout } from '../storage/snapshot/snapshot-file.ts';
import { snapshotsOf } from '../storage/snapshot/snapshot-name.ts';
import { CorruptionError, StorageError } from '../storage/types.ts';
import { describeIds } from './describe.ts';
import { ExitCode, type Output } from './output.ts';

export async function snapInfo(disk: Disk, path: string, output: Output): Promise<ExitCode> {
  if (!(await stat(path)).isDirectory()) return await describeFile(disk, path, output);
  const names = snapshotsOf(await disk.list(path));
  let result: ExitCode = ExitCode.Fine;
  for (const { name } of names) {
    if ((await describeFile(disk, join(path, name), output)) !== ExitCode.Fine) result = ExitCode.Damaged;
  }
  try {
    const members = await loadMembers(disk, path);
    if (members !== null) {
      output.line(`members.json: as of entry ${members.index}`);
      for (const { id, urls, learner } of members.members) {
        output.line(`  ${id} ${urls.join(' ')}${learner ? ' (learner)' : ''}`);
      }
      if (members.removed.length > 0) output.line(`  removed: ${members.removed.join(', ')}`);
    } else if (names.length === 0) throw new StorageError(`${path} has no .snap file in it`, 'ENOENT');
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    output.problem(error.message);
    result = ExitCode.Damaged;
  }
  return result;
}

async function describeFile(disk: Disk, path: string, output: Output): Promise<ExitCode> {
  const file = await disk.open(path, 'read');
  try {
    const layout = await readLayout(file);
    const { metadata } = layout;
    await readBody(file, layout, crc32cPortable, null);
    output.line(
      `${basename(path)}: index=${metadata.index} term=${metadata.term} data=${layout.dataEnd - layout.dataStart} bytes ` +
        `${describeIds(metadata.confState)} crc=${layout.crc.toString(16).padStart(8, '0')} whole`,
    );
    return ExitCode.Fine;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    output.problem(`${path} is damaged: ${error.message}`);
    return ExitCode.Damaged;
  } finally {
    await file.close();
  }
}
