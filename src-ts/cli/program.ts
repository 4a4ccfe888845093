/** The commands and their options. */
import { Command, CommanderError } from 'commander';
import { VERSION } from '../facade/version.ts';
import { NodeDisk } from '../storage/node-disk.ts';
import { UnreachableError } from './admin-client.ts';
import { addClusterCommands } from './cluster-commands.ts';
import { addCompletion, completeOurselves } from './completion.ts';
import { addFileCommands } from './file-commands.ts';
import { addMachineCommands } from './machine-commands.ts';
import { problemText } from './problem-text.ts';
import { EXIT_CODES_HELP, ExitCode, type Output } from './output.ts';
import { HELP_COLUMNS, helpText } from './table.ts';

/** All commands; `done` gets the exit code of the one that has run. */
export function makeProgram(output: Output, done: (code: ExitCode) => void): Command {
  const program = new Command('polyraft').description(
    'looks after polyraft servers: what they do, who belongs to them, and their files (also those of easyraft)',
  );
  program.version(VERSION, '-V, --version', 'prints the version');
  const strip = (text: string): string => text.replace(/\n$/, '');
  program
    .configureHelp({ minWidthToWrap: 20 })
    .exitOverride()
    .configureOutput({
      getOutHelpWidth: () => output.columns ?? HELP_COLUMNS,
      getErrHelpWidth: () => output.columns ?? HELP_COLUMNS,
      writeOut: (text) => output.line(strip(text)),
      writeErr: (text) => output.problem(strip(text)),
    });
  program.addHelpText('after', helpText(EXIT_CODES_HELP, output.columns));
  addClusterCommands(program, output, done);
  addFileCommands(program, new NodeDisk(), output, done);
  addMachineCommands(program, output, done);
  addCompletion(program);
  return program;
}

/** Runs one command line (without node and script); resolves to the exit code, and never throws for bad input. */
export async function run(parameters: readonly string[], output: Output): Promise<number> {
  let code: number = ExitCode.Fine;
  const program = makeProgram(output, (result) => {
    code = result;
  });
  if (completeOurselves(program, parameters, output)) return code;

  try {
    await program.parseAsync([...parameters], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.Fine : ExitCode.Refused;
    output.problem(problemText(error));
    return error instanceof UnreachableError ? ExitCode.Unreachable : ExitCode.Refused;
  }
  return code;
}
