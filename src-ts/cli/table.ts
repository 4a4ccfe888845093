/** Tables and paragraphs for people, in the columns that there are. */

/** A last column of prose with less is no pleasure to read. */
const PROSE_LEAST = 24;
const GAP = 2;
/** Of help that no terminal shows. */
export const HELP_COLUMNS = 100;

/**
 * Columns for people; those that are numbers throughout stand to the right. Where they do not fit into `columns`, the last
 * one is broken into lines, or, if that leaves it hardly any room, each row becomes a paragraph.
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  columns = Number.POSITIVE_INFINITY,
): string[] {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const before = widths.slice(0, -1).reduce((sum, width) => sum + width + GAP, 0);
  const room = columns - before;
  const isWide = widths.at(-1)! > room;
  if (isWide && room < PROSE_LEAST) return rows.flatMap((row) => paragraph(head, row, columns));
  const isNumeric = head.map((_, i) => rows.length > 0 && rows.every((row) => /^([\d,.]+|-)$/.test(row[i]!)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (isNumeric[i] === true ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join(' '.repeat(GAP))
      .trimEnd();
  return [head, ...rows].flatMap((row) => (isWide ? wrapped(line(row), columns, before) : [line(row)]));
}

/** Names and values, as many a line as there is room for. */
function paragraph(head: readonly string[], row: readonly string[], columns: number): string[] {
  const pairs = row.map((cell, i) => `${head[i]!} ${cell}`.replaceAll(' ', '\0'));
  return wrapped(pairs.join(' '.repeat(GAP)), columns, GAP).map((line) => line.replaceAll('\0', ' '));
}

/** Broken at spaces; the lines after the first begin with `indent` spaces. What has no space is left whole. */
export function wrapped(text: string, columns = Number.POSITIVE_INFINITY, indent = 0): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > columns) {
    // Not within the first word, or what an earlier line has been indented by.
    const first = indent + 1;
    const at = rest.lastIndexOf(' ', columns);
    const end = at > first ? at : rest.indexOf(' ', Math.max(first, columns));
    if (end === -1) break;
    lines.push(rest.slice(0, end).trimEnd());
    rest = ' '.repeat(indent) + rest.slice(end).trimStart();
  }
  return [...lines, rest];
}

/** Paragraphs behind the options of a command's help. */
export function helpText(text: string, columns = HELP_COLUMNS): string {
  const lines = text.split('\n').flatMap((line) => wrapped(line, columns, line.startsWith(' ') ? 5 : 0));
  return ['', ...lines].join('\n');
}

/** 1 segment, 2 segments */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
