/** TAB in real shells: bash everywhere, zsh and fish where they are. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { POLYRAFT, runCommand } from './command.ts';
import { Terminal } from './terminal.ts';

const SHELLS = [
  { name: 'bash', start: 'bash --norc --noprofile -i', load: 'source <(polyraft complete bash)' },
  {
    name: 'zsh',
    start: 'zsh -f -i',
    load: 'autoload -U compinit; compinit -D -u; source <(polyraft complete zsh)',
  },
  { name: 'fish', start: 'fish --no-config -i', load: 'polyraft complete fish | source' },
];
const path = process.env['PATH'] ?? '';
const here = SHELLS.filter(({ name }) => path.split(delimiter).some((each) => existsSync(join(each, name))));

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'polyraft-completion-'));
  mkdirSync(join(directory, 'wal-one'));
  writeFileSync(join(directory, 'config one.json'), '{}');
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

it('bash is here', () => {
  expect(here.map(({ name }) => name)).toContain('bash');
});

describe.concurrent.each(here)('$name', ({ start, load }) => {
  // What is typed, and what then stands in the line.
  it('completes commands, options, values and files', { timeout: 60_000 }, async () => {
    const environment = { PATH: `${dirname(POLYRAFT)}${delimiter}${path}`, HOME: directory, PS1: '' };
    const terminal = new Terminal(`cd '${directory}' && exec ${start}`, { columns: 200 }, environment);
    try {
      terminal.type(`${load}; printf 'loaded-%s\\n' 42\n`);
      await terminal.waitFor('loaded-42');
      for (const [typed, completed] of [
        ['polyraft st', /status /],
        ['polyraft wal ver', /verify /],
        ['polyraft doctor --js', /--json /],
        ['polyraft members add 4 http://a:1 --lea', /--learner /],
        ['polyraft complete pow', /powershell /],
        ['polyraft wal verify wal-o', /wal-one\//],
        ['polyraft doctor conf', /config\\ one\.json/],
        ['polyraft status --cacert conf', /config\\ one\.json/],
      ] as const) {
        const from = terminal.raw.length;
        terminal.type(`${typed}\t`);
        await terminal.waitFor(completed, from);
        // Away with the line.
        const after = terminal.raw.length;
        terminal.type("\u0015printf 'next-%s\\n' 42\n");
        await terminal.waitFor('next-42', after);
      }
    } finally {
      await terminal.end();
    }
  });
});

it('runs nothing that has been typed', async () => {
  const { out } = await runCommand(['complete', 'bash']);
  expect(out).not.toMatch(/\beval\b/);
  // Twice, as a shell that reads its start-up file again does it.
  const twice = 'source <(polyraft complete bash); source <(polyraft complete bash)';
  const terminal = new Terminal(
    `cd '${directory}' && exec bash --norc --noprofile -i`,
    { columns: 200 },
    { PATH: `${dirname(POLYRAFT)}${delimiter}${path}`, HOME: directory },
  );
  try {
    terminal.type(`${twice}; printf 'loaded-%s\\n' 42\n`);
    await terminal.waitFor('loaded-42');
    expect(terminal.raw).not.toContain('readonly');
    terminal.type('polyraft wal verify $(touch typed) --js\t');
    await terminal.waitFor('--json ');
    expect(existsSync(join(directory, 'typed'))).toBe(false);
  } finally {
    await terminal.end();
  }
});

it('tells of a shell that it does not know', async () => {
  expect(await runCommand(['complete', 'tcsh'])).toMatchObject({
    code: 2,
    problems: expect.stringContaining('Allowed choices are zsh, bash, fish, powershell') as string,
  });
  for (const shell of ['zsh', 'fish', 'powershell']) {
    const { code, out } = await runCommand(['complete', shell]);
    expect(code).toBe(0);
    expect(out).toMatch(/polyraft[^]*complete/);
  }
});
