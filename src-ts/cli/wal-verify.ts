/** `polyraft wal verify`: frames, checksum chain, sequence of segments and entries. Changes nothing. */
import type { Disk } from '../storage/disk.ts';
import { ExitCode, type Output } from './output.ts';
import { WalCheck } from './wal-check.ts';
import { describeProblem, walkWal } from './wal-walk.ts';

export async function verifyWal(
  disk: Disk,
  directory: string,
  asJson: boolean,
  output: Output,
): Promise<ExitCode> {
  const check = new WalCheck();
  let shown = '';
  const { records, segments, problem } = await walkWal(disk, directory, (segment, reader) => {
    if (segment.name !== shown) output.progress?.(`reading ${(shown = segment.name)}`);
    return check.check(segment, reader);
  });
  output.progress?.('');
  if (asJson) {
    output.line(
      JSON.stringify({
        whole: problem === null,
        records,
        segments: segments.length,
        entries: check.entries,
        last_term: check.lastTerm,
        last_index: check.lastIndex,
        commit: check.commit,
        problem:
          problem === null
            ? null
            : { kind: problem.kind, file: problem.segment.name, offset: problem.offset, text: problem.text },
      }),
    );
    return problem === null ? ExitCode.Fine : ExitCode.Damaged;
  }
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
      `last index ${check.lastIndex} of term ${check.lastTerm}, commit ${check.commit}`,
  );
  return ExitCode.Fine;
}
