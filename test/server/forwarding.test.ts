import { describe, expect, test } from 'vitest';
import { ErrorCode } from '../../src-ts/core/codes.generated.ts';
import { nodeIdFromBigint } from '../../src-ts/core/node-id.ts';
import { decodeForwardContext, encodeForwardContext } from '../../src-ts/server/forward-context.ts';
import { ForwardTable } from '../../src-ts/server/forward-table.ts';

function tableOf(): { readonly table: ForwardTable; readonly decided: [number, number, ErrorCode][] } {
  const decided: [number, number, ErrorCode][] = [];
  const table = new ForwardTable(1000, (sequences, from, count, index, _term, code) => {
    for (let i = 0; i < count; i++) decided.push([sequences[from + i]!, index === 0 ? 0 : index + i, code]);
  });
  return { table, decided };
}

describe('forward context', () => {
  test('survives the way, for every node id', () => {
    for (const id of [1n, 2n ** 53n, 2n ** 64n - 1n]) {
      const origin = nodeIdFromBigint(id);
      expect(decodeForwardContext(encodeForwardContext(origin, 2 ** 52 + 1))).toEqual({
        origin,
        sequence: 2 ** 52 + 1,
      });
    }
  });

  test('what others put there is not ours', () => {
    for (const bytes of [null, new Uint8Array(0), new Uint8Array(20), new Uint8Array(21).fill(112)]) {
      expect(decodeForwardContext(bytes)).toBeNull();
    }
    const beyond = encodeForwardContext(1, 0).fill(255, 12);
    expect(decodeForwardContext(beyond)).toBeNull();
  });
});

describe('forward table', () => {
  test('an outcome decides everything of its message up to its sequence', () => {
    const { table, decided } = tableOf();
    table.add(2, true, 3, 30, Float64Array.of(1, 2, 3), 100);
    table.add(2, true, 2, 20, Float64Array.of(4, 5), 100);
    table.take([{ sequence: 1001, index: 8, term: 1, code: ErrorCode.OK }]);
    expect(decided).toEqual([
      [1, 7, ErrorCode.OK],
      [2, 8, ErrorCode.OK],
    ]);
    table.take([{ sequence: 1004, index: 12, term: 1, code: ErrorCode.REJECTED }]);
    table.take([{ sequence: 1002, index: 9, term: 1, code: ErrorCode.OK }]);
    expect(decided.slice(2)).toEqual([
      [4, 11, ErrorCode.REJECTED],
      [5, 12, ErrorCode.REJECTED],
      [3, 9, ErrorCode.OK],
    ]);
    expect([table.size, table.openBytes, table.openMessages]).toEqual([0, 0, 0]);
  });

  test('answers to nothing, or twice, change nothing', () => {
    const { table, decided } = tableOf();
    table.add(2, true, 1, 1, Float64Array.of(1), 100);
    const answer = { sequence: 1000, index: 8, term: 1, code: ErrorCode.OK };
    table.take([{ ...answer, sequence: 5 }, answer, answer, { ...answer, sequence: 1001 }]);
    expect(decided).toHaveLength(1);
  });

  test('what is not answered ends as unknown; sooner when its leader is gone', () => {
    const { table, decided } = tableOf();
    table.add(2, true, 1, 1, Float64Array.of(1), 1000);
    table.add(3, true, 1, 1, Float64Array.of(2), 1000);
    table.leaderChanged(3, 200);
    table.expire(200);
    expect(decided).toEqual([[1, 0, ErrorCode.UNKNOWN_OUTCOME]]);
    table.expire(1000);
    expect(decided).toHaveLength(2);
    expect(table.openMessages).toBe(0);
  });

  test('a leader that never answers is not waited for when nobody asks', () => {
    const { table } = tableOf();
    table.add(2, false, 5, 50, null, 100);
    expect(table.size).toBe(0);
    table.add(2, true, 5, 50, null, 100);
    expect([table.size, table.openBytes]).toEqual([1, 50]);
  });
});
