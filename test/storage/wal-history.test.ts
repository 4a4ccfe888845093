/**
 * Logs with a past: entries that were replaced, snapshots of our own and from leaders, some recorded just before the
 * process ended. Opened at any snapshot that it may start from, a log gives the entries behind it that count, and never
 * one that was replaced: not even where the entries that replaced it lie before the snapshot.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryDisk } from '../../src-ts/storage/memory-disk.ts';
import { createWal, openWal, UnknownSnapshotError } from '../../src-ts/storage/wal/open-wal.ts';
import { committedSnapshots } from '../../src-ts/storage/wal/wal-reader.ts';
import { crc32cPortable } from '../../src-ts/storage/crc32c.ts';
import { entriesOf, plain, type PlainEntry, walSettings } from './helpers.ts';

const CONF = { voters: [1, 2, 3], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };

const step = fc.record({
  kind: fc.constantFrom('append', 'append', 'overwrite', 'commit', 'snapshot', 'install', 'orphan', 'reopen'),
  amount: fc.integer({ min: 1, max: 8 }),
  size: fc.integer({ min: 0, max: 600 }),
});

describe('WAL with a past', () => {
  it('gives what counts behind any snapshot that it may start from', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
        const disk = new MemoryDisk();
        await disk.makeDirectory('/data', 0o700);
        const settings = walSettings(disk, { segmentBytes: 4096 });
        let { wal } = await createWal(settings, new Uint8Array(0));
        // The log as a node has it: entries after `base`, all that is below is in a snapshot.
        let entries: PlainEntry[] = [];
        let base = { index: 0, term: 0 };
        let term = 1;
        let commit = 0;
        // What the cluster has committed, as far as this node could know: never replaced.
        let settled = 0;
        // Snapshots that may be started from, with what the log held when they were recorded.
        let own = [base];
        const last = (): number => entries.at(-1)?.index ?? base.index;
        const termAt = (index: number): number =>
          index === base.index ? base.term : (entries.find((entry) => entry.index === index)?.term ?? 0);

        for (const { kind, amount, size } of steps) {
          switch (kind) {
            case 'append':
            case 'overwrite': {
              const first = kind === 'append' ? last() + 1 : Math.max(settled + 1, last() + 1 - amount);
              if (kind === 'overwrite') term++;
              const batch = entriesOf(
                first,
                term,
                Array.from({ length: amount }, (_, i) => new Uint8Array(size).fill(first + i + term)),
              );
              await wal.save(kind === 'append' ? null : { term, vote: 0, commit }, [batch], true);
              entries = [...entries.filter(({ index }) => index < first), ...plain([batch])];
              break;
            }
            case 'commit':
              commit = Math.min(last(), commit + amount);
              settled = Math.max(settled, commit);
              await wal.save({ term, vote: 0, commit }, [], false);
              break;
            case 'snapshot': {
              const index = Math.max(base.index, commit - (amount % 3));
              if (index <= own.at(-1)!.index) break;
              const made = { index, term: termAt(index) };
              await wal.save({ term, vote: 0, commit }, [], false);
              await wal.saveSnapshot({ ...made, confState: CONF });
              own.push(made);
              break;
            }
            case 'install':
            case 'orphan': {
              // From a leader: beyond what is committed, inside or beyond the log, not an entry that the log has.
              term++;
              const before = settled;
              const index = before + 1 + ((amount * 3) % 12);
              settled = index;
              const record = wal.saveSnapshot({ index, term, confState: CONF });
              if (kind === 'install') {
                commit = index;
                await Promise.all([record, wal.save({ term, vote: 0, commit }, [], true)]);
                base = { index, term };
                entries = [];
                own = [base];
                break;
              }
              // The process ends before the hard state is saved; later the entries come one by one after all.
              await record;
              const batch = entriesOf(
                before + 1,
                term,
                Array.from({ length: index - before }, () => new Uint8Array(size).fill(term)),
              );
              await wal.save({ term, vote: 0, commit }, [batch], true);
              entries = [...entries.filter((entry) => entry.index <= before), ...plain([batch])];
              break;
            }
            case 'reopen':
              await wal.close();
              ({ wal } = await openWal(settings, own.at(-1)!, () => undefined));
              break;
          }
        }
        await wal.close();
        const known = await committedSnapshots(disk, settings.directory, crc32cPortable);
        for (const snapshot of own) {
          expect(known).toContainEqual(expect.objectContaining(snapshot));
          const opened = await openWal(settings, snapshot, () => undefined);
          expect(plain(opened.contents.batches)).toEqual(
            entries.filter(({ index }) => index > snapshot.index),
          );
          await opened.wal.close();
        }
        for (const { index, term: recordedTerm } of known) {
          if (own.some((snapshot) => snapshot.index === index && snapshot.term === recordedTerm)) continue;
          // From before the log was replaced, or one that was never installed: a clear no, or the log from there on.
          try {
            const opened = await openWal(settings, { index, term: recordedTerm }, () => undefined);
            await opened.wal.close();
            expect(plain(opened.contents.batches)).toEqual(entries.filter((entry) => entry.index > index));
          } catch (error) {
            expect(error).toBeInstanceOf(UnknownSnapshotError);
          }
        }
      }),
      { numRuns: Number(process.env['POLYRAFT_RUNS'] ?? 300) },
    );
  });
});
