/** The commands that look at this machine. */
import { InvalidArgumentError, type Command } from 'commander';
import { bench, type BenchOptions } from './bench.ts';
import { doctor } from './doctor.ts';
import { wholeNumber } from './file-commands.ts';
import type { ExitCode, Output } from './output.ts';
import { helpText } from './table.ts';

function between(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = wholeNumber(text);
    if (number < least || number > most) throw new InvalidArgumentError(`not in ${least}..${most}`);
    return number;
  };
}

/** `done` gets the exit code of what has run. */
export function addMachineCommands(program: Command, output: Output, done: (code: ExitCode) => void): void {
  program
    .command('doctor')
    .description(
      'checks what a node stands on: configuration, clock, processor, disk, ports, peers; changes nothing',
    )
    .argument('<configuration>', "the JSON file of the node's configuration")
    .option('--json', 'prints JSON for programs')
    .addHelpText(
      'after',
      helpText(
        'Run it as the user and in the working directory of the server: relative paths of the configuration are meant ' +
          'so. It may run beside the server.',
        output.columns,
      ),
    )
    .action(async (path: string, options: { json?: boolean }) => {
      done(await doctor(path, options.json === true, output));
    });
  program
    .command('bench')
    .description('measures a short load on a cluster in this process')
    .option('--nodes <count>', 'nodes of the cluster', between(1, 7), 3)
    .option('--seconds <seconds>', 'length of each of its two parts', between(1, 600), 5)
    .option('--bytes <bytes>', 'size of a proposal', between(0, 1024 * 1024), 100)
    .option('--window <count>', 'proposals in flight in the second part', between(1, 100_000), 1000)
    .option(
      '--directory <directory>',
      'where the logs lie: on the disk that is to be measured (default: TMPDIR)',
    )
    .option('--json', 'prints JSON for programs')
    .addHelpText(
      'after',
      helpText(
        'What it measures: commits a second, and the time from a proposal to its outcome, first with one proposal in ' +
          'flight, then with many. All nodes run in this process, on its one thread, with real files that are synced ' +
          'and real loopback sockets; there is no host program and no bridge to one, and network and processor of ' +
          'other machines are not in it. So it tells how good this disk and this processor are, not what a cluster ' +
          'of machines will do: that is what npm run bench is for.',
        output.columns,
      ),
    )
    .action(
      async (options: Omit<BenchOptions, 'json' | 'directory'> & { json?: boolean; directory?: string }) => {
        done(await bench({ ...options, directory: options.directory, json: options.json === true }, output));
      },
    );
}
