/** docs/operating.md, as the tests take it: what it prints is what they carry out. */
import { readFileSync } from 'node:fs';

const text = readFileSync('docs/operating.md', 'utf8');

/** The text below a heading, up to the next one. */
export function section(title: string): string {
  const [, found] = text.split(`\n## ${title}\n`);
  if (found === undefined) throw new Error(`docs/operating.md has no section "${title}"`);
  return found.split('\n## ')[0]!;
}

/** The indented lines of a section, in order, without what a line says about itself behind " # ". */
export function printedLines(title: string): string[] {
  return [...section(title).matchAll(/^ {4}(\S.*)$/gm)].map((match) => match[1]!.replace(/ +# .*/, ''));
}

/** The one command in backticks of a section that begins so. */
export function inlineCommand(title: string, beginning: string): string {
  const flat = section(title).replaceAll('\n', ' ');
  const found = [...flat.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
  const commands = new Set(found.filter((command) => command.startsWith(beginning)));
  if (commands.size !== 1) throw new Error(`"${title}" has ${commands.size} commands "${beginning} ..."`);
  return [...commands][0]!;
}

/** The words of a printed `polyraft` command behind its name, with what stands for something put in. */
export function wordsOf(command: string, values: Readonly<Record<string, string>> = {}): string[] {
  const [name, ...words] = command.split(/\s+/);
  if (name !== 'polyraft') throw new Error(`not a polyraft command: ${command}`);
  return words.map((word) => values[word] ?? word);
}

export const guide = text;
