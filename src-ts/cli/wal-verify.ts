/** `polyraft wal verify`: frames, checksum chain, sequence of segments and entries. Changes nothing. */
import type { Disk } from '../storage/disk.ts';
import { ExitCode, type Output } from './output.ts';
import { counted } from './table.ts';
import { WalCheck } from './wal-check.ts';
import { isInUse } from './wal-use.ts';
import { describeProblem, walkWal, type WalWalk } from './wal-walk.ts';

/** A log that is written to meanwhile is read again so often before what is found there is believed. */
const LOOKS_MAX = 3;

interface Look extends WalWalk {
  readonly check: WalCheck;
}

export async function verifyWal(
  disk: Disk,
  directory: string,
  asJson: boolean,
  output: Output,
): Promise<ExitCode> {
  const wasInUse = await isInUse(disk, directory);
  let found = await look(disk, directory, wasInUse, output);
  const isUsed = wasInUse || (await isInUse(disk, directory));
  for (let looks = 1; isUsed && found.problem !== null && looks < LOOKS_MAX; looks++)
    found = await look(disk, directory, true, output);
  output.progress?.('');
  const { check, records, segments } = found;
  // The server's own next write.
  const problem = isUsed && found.problem?.kind === 'torn' ? null : found.problem;
  if (asJson) {
    output.line(
      JSON.stringify({
        whole: problem === null,
        in_use: isUsed,
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
        : `${counted(records, 'record')} before it are whole, up to entry ${check.lastIndex}`,
    );
    return ExitCode.Damaged;
  }
  output.line(
    `${directory} is whole: ${counted(records, 'record')} in ${counted(segments.length, 'segment')}, ` +
      `${check.entries} entries, last index ${check.lastIndex} of term ${check.lastTerm}, commit ${check.commit}` +
      (isUsed ? '; a server is writing to it' : ''),
  );
  return ExitCode.Fine;
}

async function look(disk: Disk, directory: string, isUsed: boolean, output: Output): Promise<Look> {
  for (let looks = 1; ; looks++) {
    const check = new WalCheck();
    try {
      const walk = await walkWal(disk, directory, check.check, ({ name }, share) =>
        output.progress?.(`of the log read: ${name}`, share),
      );
      return { ...walk, check };
    } catch (error) {
      // The server has purged a segment that had been listed.
      if (!isUsed || looks === LOOKS_MAX || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}
