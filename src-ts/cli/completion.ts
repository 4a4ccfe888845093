/** `polyraft complete`: completion by the shell. A library makes the suggestions; which words are files it cannot say. */
import tab from '@bomb.sh/tab/commander';
import type { Argument, Command, Option } from 'commander';
import { BASH_COMPLETION } from './completion-bash.ts';
import type { Output } from './output.ts';

const COMMAND = 'complete';
const SHELLS = ['bash', 'zsh', 'fish', 'powershell'];
/** What arguments and values of options are called that are files or directories. */
const FILES = new Set(['directory', 'path', 'configuration', 'file', 'to']);
/** The protocol's last line: the shell completes file names. */
const LET_SHELL_COMPLETE_FILES = ':0';

export function addCompletion(program: Command): void {
  const suggestions = tab(program);
  const command = program.commands.find((each) => each.name() === COMMAND)!;
  command.description('prints a script for completion by the shell: source <(polyraft complete bash)');
  const suggested = suggestions.commands.get(COMMAND)!;
  suggested.description = command.description();
  suggested.argument('shell', (add) => {
    for (const shell of SHELLS) add(shell, '');
  });
}

/** Whether the library is not needed for this command line; then all is said. */
export function completeOurselves(program: Command, parameters: readonly string[], output: Output): boolean {
  if (parameters[0] !== COMMAND) return false;
  if (parameters.length === 2 && parameters[1] === 'bash') {
    // The library's needs the package bash-completion, and evaluates what has been typed.
    output.line(BASH_COMPLETION);
    return true;
  }
  if (parameters[1] !== '--' || !isFile(program, parameters.slice(2))) return false;
  output.line(LET_SHELL_COMPLETE_FILES);
  return true;
}

/** Whether the last of the words, which is being typed, is to be a file. */
function isFile(program: Command, words: readonly string[]): boolean {
  const typed = words.at(-1) ?? '';
  let command = program;
  let positionals = 0;
  /** Whose value comes next. */
  let option: Option | undefined;
  for (const word of words.slice(0, -1)) {
    if (option !== undefined) option = undefined;
    else if (word.startsWith('-')) option = valued(command, word);
    else {
      const next = positionals === 0 ? command.commands.find((each) => each.name() === word) : undefined;
      if (next === undefined) positionals++;
      else command = next;
    }
  }
  if (option !== undefined) return isNamedFile(option);
  if (typed.startsWith('-')) return false;
  return isNamedFile(command.registeredArguments[positionals]);
}

/** The option, if it takes a value that is not in the word itself. */
function valued(command: Command, word: string): Option | undefined {
  const found = command.options.find(({ long, short }) => word === long || word === short);
  return found?.required === true ? found : undefined;
}

function isNamedFile(named: Argument | Option | undefined): boolean {
  if (named === undefined) return false;
  const name = 'flags' in named ? /<(.+)>/.exec(named.flags)?.[1] : named.name();
  return name !== undefined && FILES.has(name);
}
