import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeEntries, proposalsOf, type EntryBatch } from '../../src-ts/core/entry-batch.ts';
import { LogLedger } from '../../src-ts/server/log-ledger.ts';

const batch = (first: number, count: number, size: number): EntryBatch =>
  encodeEntries(first, 1, proposalsOf(Array.from({ length: count }, () => new Uint8Array(size))));

describe('log ledger', () => {
  test('counts what lies beyond a cursor', () => {
    const ledger = new LogLedger();
    const cursor = ledger.cursor();
    const [first, second] = [batch(1, 3, 100), batch(4, 2, 1000)];
    ledger.append([first, second]);
    expect(cursor.bytesBeyond(0)).toBe(first.encodedSize + second.encodedSize);
    expect(cursor.bytesBeyond(3)).toBe(second.encodedSize);
    expect(cursor.bytesBeyond(5)).toBe(0);
  });

  test('agrees with a plain list under appends, conflicts, compaction and snapshots', () => {
    const action = fc.oneof(
      fc.record({
        kind: fc.constant('append' as const),
        count: fc.integer({ min: 1, max: 4 }),
        back: fc.nat(6),
      }),
      fc.record({ kind: fc.constant('compact' as const), share: fc.nat(4) }),
      fc.record({ kind: fc.constant('reset' as const), ahead: fc.nat(5) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const ledger = new LogLedger();
        const cursor = ledger.cursor();
        let base = 0;
        let last = 0;
        let reached = 0;
        // Batch ends and sizes, as the ledger should hold them.
        let model: { last: number; size: number }[] = [];
        for (const step of actions) {
          if (step.kind === 'append') {
            const first = Math.max(base + 1, last + 1 - step.back, reached + 1);
            const added = batch(first, step.count, 10);
            while (model.length > 0 && model.at(-1)!.last >= first) {
              const cut = model.pop()!;
              const begin = (model.at(-1)?.last ?? base) + 1;
              if (begin < first) model.push({ last: first - 1, size: cut.size });
              if (begin < first) break;
            }
            model.push({ last: added.lastIndex, size: added.encodedSize });
            ledger.append([added]);
            last = added.lastIndex;
          } else if (step.kind === 'compact') {
            const index = base + Math.floor(((last - base) * step.share) / 4);
            ledger.compact(index);
            while (model.length > 0 && model[0]!.last <= index) model.shift();
            base = Math.max(base, index);
            reached = Math.max(reached, index);
          } else {
            base = last + step.ahead;
            last = base;
            reached = base;
            model = [];
            ledger.reset(base);
          }
          const at = Math.max(reached, base + Math.floor((last - base) / 2));
          reached = at;
          const beyond = model.filter((entry) => entry.last > at).reduce((sum, entry) => sum + entry.size, 0);
          expect(cursor.bytesBeyond(at)).toBe(beyond);
          expect(ledger.bytes).toBe(model.reduce((sum, entry) => sum + entry.size, 0));
        }
      }),
      { numRuns: 300 },
    );
  });

  test('says up to where to compact so that few bytes stay', () => {
    const ledger = new LogLedger();
    const batches = Array.from({ length: 100 }, (_, i) => batch(1 + i * 10, 10, 90));
    ledger.append(batches);
    const between = (from: number, to: number): number =>
      batches
        .filter((b) => b.firstIndex > from && b.lastIndex <= to)
        .reduce((sum, b) => sum + b.encodedSize, 0);
    expect(ledger.indexKeeping(1e9, 1000)).toBe(0);
    expect(ledger.indexKeeping(between(950, 1000), 1000)).toBe(950);
    expect(ledger.indexKeeping(between(950, 1000) + 1, 1000)).toBe(940);
    expect(ledger.indexKeeping(between(450, 500), 500)).toBe(450);
  });
});
