/** `polyraft wal repair`: cuts what cannot be read, after a copy. */
import { join } from 'node:path';
import type { Disk } from '../storage/disk.ts';
import type { SegmentName } from '../storage/wal/wal-name.ts';
import { backUp, cutTornTail } from '../storage/wal/wal-tail.ts';
import { ExitCode, type Output } from './output.ts';
import { WalCheck } from './wal-check.ts';
import { isInUse } from './wal-use.ts';
import { describeProblem, walkWal } from './wal-walk.ts';

export interface RepairOptions {
  /** Also cut at damage before the tail, with all that is behind it. */
  readonly discard: boolean;
}

export async function repairWal(
  disk: Disk,
  directory: string,
  options: RepairOptions,
  output: Output,
): Promise<ExitCode> {
  const isRefused = async (): Promise<boolean> => {
    if (!(await isInUse(disk, directory))) return false;
    output.problem(`${directory} is in use: stop the server first`);
    return true;
  };
  // What a server writes just now looks like an unfinished write.
  if (await isRefused()) return ExitCode.Refused;
  const { segments, problem } = await walkWal(disk, directory, new WalCheck().check, ({ name }, share) =>
    output.progress?.(`of the log read: ${name}`, share),
  );
  output.progress?.('');
  if (problem === null) {
    output.line(`${directory} is whole: there is nothing to repair`);
    return ExitCode.Fine;
  }
  output.problem(describeProblem(directory, problem));
  if (problem.kind === 'damaged' && !options.discard) {
    output.problem(
      'This is not an unfinished write: what is behind it may have been acknowledged. Restore this node from its ' +
        'peers if there are any (empty its directories and add it as a new member). To give up everything from ' +
        `there on, keeping a copy: polyraft wal repair --discard ${directory}`,
    );
    return ExitCode.Refused;
  }
  // It may have been started meanwhile.
  if (await isRefused()) return ExitCode.Refused;
  const later = segments.slice(segments.indexOf(problem.segment) + 1);
  await cut(disk, directory, problem.segment, problem.offset, problem.kind === 'torn', output);
  for (const { name } of later) {
    await disk.rename(join(directory, name), join(directory, `${name}.broken`));
    output.line(`renamed ${name} to ${name}.broken`);
  }
  await disk.syncDirectory(directory);
  return ExitCode.Fine;
}

async function cut(
  disk: Disk,
  directory: string,
  { name }: SegmentName,
  offset: number,
  torn: boolean,
  output: Output,
): Promise<void> {
  const file = await disk.open(join(directory, name), 'read-write');
  try {
    const size = await file.size();
    if (torn) await cutTornTail(disk, directory, name, file, offset, size);
    else {
      await backUp(disk, directory, name, file, size);
      await file.truncate(offset);
      await file.sync();
    }
  } finally {
    await file.close();
  }
  output.line(`cut ${name} at byte ${offset}; as it was, it is ${name}.broken`);
}
