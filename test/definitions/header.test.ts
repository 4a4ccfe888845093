/** What the bindings are generated from is what polyraft.h says: values, layouts, prototypes. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const check = readFileSync('test/definitions/header_check_generated.c', 'utf8');

function compile(text: string): { readonly isFine: boolean; readonly errors: string } {
  const options = ['-x', 'c', '-std=c11', '-fsyntax-only', '-Wall', '-Wextra', '-Werror', '-Iinclude', '-'];
  const { status, stderr, error } = spawnSync(process.env.CC ?? 'gcc', options, {
    input: text,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  return { isFine: status === 0, errors: stderr };
}

test('the header agrees', () => {
  expect(compile(check)).toEqual({ isFine: true, errors: '' });
});

test.each([
  ['a value', 'RAFT_ERR_TIMEOUT == 2', 'RAFT_ERR_TIMEOUT == 3'],
  [
    'an offset',
    'offsetof(struct RAFT_Options, callbacks) == 16',
    'offsetof(struct RAFT_Options, callbacks) == 24',
  ],
  [
    'a callback',
    'int (*)(void*, uint64_t, void**, uint64_t*)',
    'int (*)(void*, uint64_t, void**, uint32_t*)',
  ],
  ['a prototype', 'RAFT_SetLogger(const char* log_path, int debug)', 'RAFT_SetLogger(const char* log_path)'],
])('%s that differs is found', (_what, right, wrong) => {
  expect(check).toContain(right);
  const { isFine, errors } = compile(check.replace(right, wrong));
  expect(isFine).toBe(false);
  expect(errors).toMatch(/static assertion failed|conflicting types/);
});

test('nothing of the header is left out', () => {
  const header = readFileSync('include/polyraft.h', 'utf8').replace(/\/\*[^]*?\*\//g, '');
  const functions = [...header.matchAll(/^DLL_EXPORTS [^(]*?(\w+)\(/gm)].map((match) => match[1]!);
  expect(functions.length).toBeGreaterThan(15);
  expect(functions.filter((name) => !check.includes(` ${name}(`))).toEqual([]);
  const defined = [
    ...header.matchAll(/^#define (RAFT_\w+) |^struct (RAFT_\w+) \{|^typedef [^;(]*\(\*(\w+)\)/gm),
  ];
  const names = defined.map((match) => match[1] ?? match[2] ?? match[3]!);
  expect(names.length).toBeGreaterThan(8);
  expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(check))).toEqual([]);
});
