/** The commands that look at files on disk. */
import { InvalidArgumentError, type Command } from 'commander';
import type { Disk } from '../storage/disk.ts';
import type { ExitCode, Output } from './output.ts';
import { extractSnapshot } from './snap-extract.ts';
import { snapInfo } from './snap-info.ts';
import { dumpWal } from './wal-dump.ts';
import { repairWal } from './wal-repair.ts';
import { verifyWal } from './wal-verify.ts';

export function wholeNumber(text: string): number {
  const number = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(number))
    throw new InvalidArgumentError('not a whole number');
  return number;
}

/** `done` gets the exit code of what has run. */
export function addFileCommands(
  program: Command,
  disk: Disk,
  output: Output,
  done: (code: ExitCode) => void,
): void {
  const wal = program.command('wal').description('write-ahead logs');
  wal
    .command('dump')
    .description('prints the records of a log, one a line')
    .argument('<directory>', 'the waldir of a server')
    .option('--from <index>', 'first entry to print', wholeNumber, 0)
    .option('--to <index>', 'last entry to print', wholeNumber, Number.MAX_SAFE_INTEGER)
    .option('--preview <bytes>', 'bytes of each entry to show', wholeNumber, 32)
    .option('--json', 'prints a JSON object a record, for programs', false)
    .action(
      async (directory: string, options: { from: number; to: number; preview: number; json: boolean }) => {
        const { from, to, preview: previewBytes, json: asJson } = options;
        done(await dumpWal(disk, directory, { from, to, previewBytes, asJson }, output));
      },
    );
  wal
    .command('verify')
    .description('checks frames and checksums; the status is not 0 when something is wrong')
    .argument('<directory>', 'the waldir of a server')
    .option('--json', 'prints JSON for programs')
    .action(async (directory: string, options: { json?: boolean }) => {
      done(await verifyWal(disk, directory, options.json === true, output));
    });
  wal
    .command('repair')
    .description('cuts an unfinished write off the end of a log, after a copy')
    .argument('<directory>', 'the waldir of a server that is stopped')
    .option('--discard', 'also cut at damage before the end: loses all that is behind it', false)
    .action(async (directory: string, options: { discard: boolean }) => {
      done(await repairWal(disk, directory, options, output));
    });

  const snap = program.command('snap').description('snapshots');
  snap
    .command('info')
    .description('tells what is in a snapshot file, or in a directory of them, and whether it is whole')
    .argument('<path>', 'a .snap file, or the snapdir of a server')
    .option('--json', 'prints JSON for programs')
    .action(async (path: string, options: { json?: boolean }) => {
      done(await snapInfo(disk, path, options.json === true, output));
    });
  snap
    .command('extract')
    .description('writes the state that a snapshot file holds, as the host program handed it out')
    .argument('<file>', 'a .snap file')
    .argument('<to>', 'the file to make; there must be none yet')
    .action(async (file: string, to: string) => {
      done(await extractSnapshot(disk, file, to, output));
    });
}
