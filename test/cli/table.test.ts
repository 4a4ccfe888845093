import { describe, expect, it } from 'vitest';
import { ProgressLine } from '../../src-ts/cli/progress-line.ts';
import { counted, table, wrapped } from '../../src-ts/cli/table.ts';

const HEAD = ['node', 'entries', 'what was found'];
const ROWS = [
  ['1', '1,234', 'all is well with this one'],
  ['22', '5', 'it is far behind, and has been for a long while'],
];

describe('a table', () => {
  it('stands in columns, numbers to the right', () => {
    expect(table(HEAD, ROWS)).toEqual([
      'node  entries  what was found',
      '   1    1,234  all is well with this one',
      '  22        5  it is far behind, and has been for a long while',
    ]);
    expect(table(HEAD, ROWS, 62)).toEqual(table(HEAD, ROWS));
  });

  it('breaks its last column where it is narrow', () => {
    expect(table(HEAD, ROWS, 40)).toEqual([
      'node  entries  what was found',
      '   1    1,234  all is well with this one',
      '  22        5  it is far behind, and has',
      '               been for a long while',
    ]);
  });

  it('becomes paragraphs where it is narrower still', () => {
    expect(table(HEAD, [['1', '1,234', 'fine']], 20)).toEqual([
      'node 1',
      '  entries 1,234',
      '  what was found fine',
    ]);
  });
});

describe('lines', () => {
  it('are broken at spaces, and what has none is whole', () => {
    expect(wrapped('one two three four', 8)).toEqual(['one two', 'three', 'four']);
    expect(wrapped('one two three four', 9, 2)).toEqual(['one two', '  three', '  four']);
    expect(wrapped('/a/very/long/path is in use', 10)).toEqual(['/a/very/long/path', 'is in use']);
    expect(wrapped('  ! /a/very/long/path is in use', 10, 4)).toEqual([
      '  ! /a/very/long/path',
      '    is in',
      '    use',
    ]);
    expect(wrapped('', 10)).toEqual(['']);
    for (let columns = 1; columns < 40; columns++)
      for (const indent of [0, 3, 30])
        expect(
          wrapped('it is far behind, and has been for a long while', columns, indent)
            .map((line) => line.trim())
            .join(' '),
        ).toBe('it is far behind, and has been for a long while');
  });

  it('count', () => {
    expect([0, 1, 2].map((count) => counted(count, 'node'))).toEqual(['0 nodes', '1 node', '2 nodes']);
  });
});

describe('the line that tells what goes on', () => {
  const drawn = (columns: number): { written: string[]; line: ProgressLine; pass: (ms: number) => void } => {
    const written: string[] = [];
    let now = 0;
    const line = new ProgressLine({ columns, write: (text: string) => written.push(text) }, () => now);
    return { written, line, pass: (ms) => (now += ms) };
  };

  it('fits, is drawn now and then, and goes away once', () => {
    const { written, line, pass } = drawn(31);
    line.clear();
    line.show('reading', 0);
    line.show('reading', 0.1);
    pass(200);
    line.show('reading a file with a long name', 0.5);
    line.show('waiting');
    line.clear();
    line.clear();
    expect(written).toEqual([
      '\r\u001b[K[          ]   0 % reading',
      '\r\u001b[K[#####     ]  50 % reading a f',
      '\r\u001b[Kwaiting',
      '\r\u001b[K',
    ]);
  });

  it('is for terminals that tell no size, too', () => {
    const { written, line } = drawn(0);
    line.show('x'.repeat(100));
    expect(written).toEqual([`\r\u001b[K${'x'.repeat(79)}`]);
  });
});
