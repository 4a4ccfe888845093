/** The text format of etcd's data-driven tests: commands with arguments, input and the output that is expected. */

export interface Argument {
  readonly key: string;
  readonly values: readonly string[];
}

export interface Command {
  readonly name: string;
  readonly args: readonly Argument[];
  readonly input: string;
  readonly expected: string;
  /** Line of the command in its file, from 1. */
  readonly line: number;
}

/** Splits the inside of a parenthesised value at its top-level commas. */
function splitValues(text: string): string[] {
  const values: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '(') depth++;
    else if (character === ')') depth--;
    else if (character === ',' && depth === 0) {
      values.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  values.push(text.slice(start).trim());
  return values;
}

/** Position behind the parenthesis that closes the one at `open`. */
function closing(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === '(') depth++;
    else if (text[at] === ')' && --depth === 0) return at + 1;
  }
  throw new Error(`unclosed parenthesis in: ${text}`);
}

function takeWord(text: string, stops: RegExp): string {
  const end = text.search(stops);
  return end === -1 ? text : text.slice(0, end);
}

export function parseDirective(line: string): { name: string; args: Argument[] } {
  let rest = line.trim();
  const name = takeWord(rest, / /);
  rest = rest.slice(name.length).trim();
  const args: Argument[] = [];
  while (rest !== '') {
    const key = takeWord(rest, /[ =]/);
    if (key === '') throw new Error(`argument without a name in: ${line}`);
    rest = rest.slice(key.length);
    if (!rest.startsWith('=')) {
      args.push({ key, values: [] });
    } else if (rest.startsWith('=(')) {
      const end = closing(rest, 1);
      args.push({ key, values: splitValues(rest.slice(2, end - 1)) });
      rest = rest.slice(end);
    } else {
      const value = takeWord(rest.slice(1), / /);
      args.push({ key, values: [value] });
      rest = rest.slice(1 + value.length);
    }
    rest = rest.trim();
  }
  return { name, args };
}

/** Expected output ends at the first blank line; between double separators it may hold blank lines. */
function readExpected(lines: readonly string[], from: number): { text: string; next: number } {
  let at = from;
  const taken: string[] = [];
  if (lines[at] === '----') {
    at++;
    while (at < lines.length && !(lines[at] === '----' && lines[at + 1] === '----')) taken.push(lines[at++]!);
    return { text: taken.join('\n'), next: at + 2 };
  }
  while (at < lines.length && lines[at]!.trim() !== '') taken.push(lines[at++]!);
  return { text: taken.join('\n'), next: at };
}

export function parseDataDriven(text: string): Command[] {
  const lines = text.split('\n');
  const commands: Command[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = at + 1;
    let directive = lines[at++]!.trim();
    if (directive === '' || directive.startsWith('#')) continue;
    while (directive.endsWith('\\')) directive = `${directive.slice(0, -1)} ${(lines[at++] ?? '').trim()}`;
    const { name, args } = parseDirective(directive);
    const input: string[] = [];
    while (at < lines.length && lines[at] !== '----') input.push(lines[at++]!);
    const expected = readExpected(lines, at + 1);
    at = expected.next;
    commands.push({ name, args, input: input.join('\n').trim(), expected: expected.text, line });
  }
  return commands;
}
