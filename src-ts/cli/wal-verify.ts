/** `polyraft wal verify`: frames, checksum chain, sequence of segments and entries. Changes nothing. */
import type { Disk } from '../storage/disk.ts';
import { ExitCode, type Output } from './output.ts';
import { WalCheck } from './wal-check.ts';
import { describeProblem, walkWal } from './wal-walk.ts';

export async function verifyWal(disk: Disk, directory: string, output: Output): Promise<ExitCode> {
  const check = new WalCheck();
  const { records, segments, problem } = await walkWal(disk, directory, check.check);
  if (problem !== null) {
    output.problem(describeProblem(directory, problem));
    output.problem(
      problem.kind === 'torn'
        ? `The next start cuts it, and so does \`polyraft wal repair ${directory}\``
        : `${records} records before it are whole, up to entry ${check.lastIndex}`,
    );
    return ExitCode.Damaged;
  }
  output.line(
    `${directory} is whole: ${records} records in ${segments.length} segments, ${check.entries} entries, ` +
      `last index ${check.lastIndex}, commit ${check.commit}`,
  );
  return ExitCode.Fine;
}
