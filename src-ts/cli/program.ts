/** The commands and their options. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { NodeDisk } from '../storage/node-disk.ts';
import { ExitCode, type Output } from './output.ts';
import { snapInfo } from './snap-info.ts';
import { dumpWal } from './wal-dump.ts';
import { repairWal } from './wal-repair.ts';
import { verifyWal } from './wal-verify.ts';

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(number))
    throw new InvalidArgumentError('not a whole number');
  return number;
}

/** Runs one command line (without node and script); resolves to the exit code, and never throws for bad input. */
export async function run(parameters: readonly string[], output: Output): Promise<number> {
  let code: number = ExitCode.Fine;
  const disk = new NodeDisk();
  const program = new Command('polyraft').description(
    'looks after the files of a polyraft (or easyraft) server',
  );
  const strip = (text: string): string => text.replace(/\n$/, '');
  program.exitOverride().configureOutput({
    writeOut: (text) => output.line(strip(text)),
    writeErr: (text) => output.problem(strip(text)),
  });

  const wal = program.command('wal').description('write-ahead logs');
  wal
    .command('dump')
    .description('prints the records of a log, one a line')
    .argument('<directory>', 'the waldir of a server')
    .option('--from <index>', 'first entry to print', wholeNumber, 0)
    .option('--to <index>', 'last entry to print', wholeNumber, Number.MAX_SAFE_INTEGER)
    .option('--preview <bytes>', 'bytes of each entry to show', wholeNumber, 32)
    .action(async (directory: string, options: { from: number; to: number; preview: number }) => {
      const { from, to, preview: previewBytes } = options;
      code = await dumpWal(disk, directory, { from, to, previewBytes }, output);
    });
  wal
    .command('verify')
    .description('checks frames and checksums; the status is not 0 when something is wrong')
    .argument('<directory>', 'the waldir of a server')
    .action(async (directory: string) => {
      code = await verifyWal(disk, directory, output);
    });
  wal
    .command('repair')
    .description('cuts an unfinished write off the end of a log, after a copy')
    .argument('<directory>', 'the waldir of a server that is stopped')
    .option('--discard', 'also cut at damage before the end: loses all that is behind it', false)
    .action(async (directory: string, options: { discard: boolean }) => {
      code = await repairWal(disk, directory, options, output);
    });

  program
    .command('snap')
    .description('snapshots')
    .command('info')
    .description('tells what is in a snapshot file, or in a directory of them, and whether it is whole')
    .argument('<path>', 'a .snap file, or the snapdir of a server')
    .action(async (path: string) => {
      code = await snapInfo(disk, path, output);
    });

  try {
    await program.parseAsync([...parameters], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.Fine : ExitCode.Refused;
    output.problem(error instanceof Error ? error.message : String(error));
    return ExitCode.Refused;
  }
  return code;
}
