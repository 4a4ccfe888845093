/** What the README promises about files of this repository. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { FIELDS } from '../../src-ts/facade/config/fields.ts';

const readme = readFileSync('README.md', 'utf8');
const documents = [
  'README.md',
  'DESIGN.md',
  'docs/THREADS.md',
  'docs/ERRORS.md',
  'docs/craft.md',
  'docs/libraft.md',
  ...['c', 'cpp', 'node', 'python', 'rust'].map((language) => `docs/getting-started-${language}.md`),
];

test('hello_raft.c stands in the README as it is, in at most 40 lines', () => {
  const hello = readFileSync('examples-c/hello_raft.c', 'utf8');
  expect(readme).toContain(`\`\`\`c\n${hello}\`\`\`\n`);
  expect(hello.trimEnd().split('\n').length).toBeLessThanOrEqual(40);
});

test.each(['craft', 'libraft'])('the program in docs/%s.md is the one that is built and run', (name) => {
  const program = readFileSync(`test/native/${name}/programs/document.c`, 'utf8');
  expect(readFileSync(`docs/${name}.md`, 'utf8')).toContain(`\`\`\`c\n${program}\`\`\`\n`);
});

test('docs/libraft.md names each function and each option, and none that there is not', () => {
  const header = readFileSync('include/libraft/raft_c_if.h', 'utf8');
  const declared = [...header.matchAll(/^RAFT_EXPORT [^(]*?\b(\w+)\(/gm)].map((match) => match[1]!);
  expect(declared.length).toBeGreaterThan(30);
  const text = readFileSync('docs/libraft.md', 'utf8');
  const former = ['raft_future_get_ptr', 'raft_default_config', 'raft_is_leader', 'raft_state'];
  expect(declared.filter((name) => !text.includes(name) && !former.includes(name))).toEqual([]);
  const named = [...text.matchAll(/`((?:raft_|is_raft_|alloc_raft_|free_raft_)[a-z_]+)[`(]/g)].map(
    (m) => m[1]!,
  );
  expect(named.filter((name) => !declared.includes(name) && name !== 'raft_future')).toEqual([]);
  const source = readFileSync('src-native/api/libraft_config.cc', 'utf8');
  const options = [...source.matchAll(/^ {4}\{"([a-z-]+)", /gm)].map((match) => match[1]!);
  expect(options).toHaveLength(8);
  expect(options.filter((name) => !text.includes(`| \`--${name}`))).toEqual([]);
});

test('every configuration key is in the table', () => {
  const table = readme.slice(readme.indexOf('## Configuration'), readme.indexOf('## Two runtimes'));
  const missing = Object.keys(FIELDS).filter((key) => !table.includes(`\`${key}\``));
  expect(missing).toEqual([]);
});

test('npm scripts that are named exist', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
  const named = [...readme.matchAll(/npm (?:run )?(test|[a-z]+(?::[a-z]+)?)\b/g)].map((match) => match[1]!);
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
});

describe.each(documents)('%s', (document) => {
  const text = readFileSync(document, 'utf8');
  const directory = document.includes('/') ? 'docs/' : '';

  test('links to files that exist', () => {
    const links = [...text.matchAll(/\]\(([^)#]+)\)/g)].map((match) => match[1]!);
    const local = links.filter((link) => !/^https?:/.test(link));
    expect(local.filter((link) => !existsSync(`${directory}${link}`))).toEqual([]);
  });

  test('names functions that the headers declare', () => {
    const headers = [
      'polyraft.h',
      'easyraft.h',
      'polyraft_codes.h',
      'craft/raft.h',
      'libraft/raft_c_if.h',
      'libraft/raft_defs.h',
    ]
      .map((name) => readFileSync(`include/${name}`, 'utf8'))
      .join('\n');
    const names = [...text.matchAll(/\bRAFT2?_[A-Za-z_]+\b/g)]
      .map((match) => match[0])
      .filter((name) => !name.endsWith('_'));
    expect([...new Set(names)].filter((name) => !headers.includes(name))).toEqual([]);
  });
});
