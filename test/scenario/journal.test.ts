/** The checker itself: it must find what it is there for. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkJournals, readJournal, type Run } from './journal.ts';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'polyraft-journal-'));
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

type Record = readonly [kind: 'applied' | 'restored' | 'started', index: number, hash?: number];

function journal(records: readonly Record[], tornBytes = 0): Run[] {
  const kinds = { applied: 1n, restored: 2n, started: 3n };
  const bytes = Buffer.alloc(records.length * 32 + tornBytes);
  records.forEach(([kind, index, hash], i) => {
    bytes.writeBigUInt64LE(kinds[kind], i * 32);
    bytes.writeBigUInt64LE(BigInt(index), i * 32 + 8);
    bytes.writeBigUInt64LE(7n, i * 32 + 16);
    bytes.writeBigUInt64LE(BigInt(hash ?? index * 1000), i * 32 + 24);
  });
  const path = join(directory, 'journal');
  writeFileSync(path, bytes);
  return readJournal(path);
}

const whole = (): Run[] =>
  journal([
    ['started', 0],
    ['applied', 4],
    ['applied', 5],
    ['applied', 8],
    ['applied', 9],
  ]);

function faultsBeside(records: readonly Record[], tornBytes = 0): string[] {
  return checkJournals(
    new Map([
      ['a', whole()],
      ['b', journal(records, tornBytes)],
    ]),
  ).faults;
}

test('a restart from the beginning, one from a snapshot, a part of a record: no faults', () => {
  const records: Record[] = [
    ['started', 0],
    ['applied', 4],
    ['started', 0],
    ['applied', 4],
    ['applied', 5],
    ['started', 0],
    ['restored', 7],
    ['applied', 8],
  ];
  expect(faultsBeside(records, 12)).toEqual([]);
});

test('an entry that is applied twice', () => {
  expect(
    faultsBeside([
      ['started', 0],
      ['applied', 4],
      ['applied', 5],
      ['applied', 5],
    ]),
  ).toEqual(['b: entry 5 again, or out of order (began after 0)']);
});

test('an entry that the snapshot holds already', () => {
  expect(
    faultsBeside([
      ['started', 0],
      ['restored', 5],
      ['applied', 5],
    ]),
  ).toEqual(['b: entry 5 again, or out of order (began after 5)']);
});

test('an entry that is left out, in the middle and behind a snapshot', () => {
  expect(
    faultsBeside([
      ['started', 0],
      ['applied', 4],
      ['applied', 8],
    ]),
  ).toEqual(['b: entry 5 is left out before 8']);
  expect(
    faultsBeside([
      ['started', 0],
      ['restored', 5],
      ['applied', 9],
    ]),
  ).toEqual(['b: entry 8 is left out before 9']);
});

test('another entry at the same index', () => {
  expect(
    faultsBeside([
      ['started', 0],
      ['applied', 4, 1],
    ]),
  ).toEqual(['b: entry 4 is term 7, hash 1; elsewhere it is term 7, hash fa0']);
});
