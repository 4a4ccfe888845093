/**
 * Whatever is saved, cut, crashed and opened again, in any order: what was acknowledged is there, and what is there was
 * saved, in order and whole. The log's records are a sequence; a reading must be a prefix of it that reaches at least
 * to the last acknowledged record.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EntryBatch } from '../../src-ts/core/entry-batch.ts';
import type { HardState } from '../../src-ts/core/types.ts';
import { MemoryDisk } from '../../src-ts/storage/memory-disk.ts';
import type { SegmentedLog } from '../../src-ts/storage/wal/write-ahead-log.ts';
import { createWal, openWal, walExists } from '../../src-ts/storage/wal/open-wal.ts';
import { entriesOf, plain, type PlainEntry, randomFrom, walSettings } from './helpers.ts';

type LoggedRecord =
  | { readonly kind: 'entry'; readonly entry: PlainEntry }
  | { readonly kind: 'state'; readonly state: HardState };

interface Picture {
  readonly entries: PlainEntry[];
  readonly state: HardState;
}

function replay(records: readonly LoggedRecord[]): Picture {
  let entries: PlainEntry[] = [];
  let state: HardState = { term: 0, vote: 0, commit: 0 };
  for (const record of records) {
    if (record.kind === 'state') state = record.state;
    else entries = [...entries.slice(0, record.entry.index - 1), record.entry];
  }
  return { entries, state };
}

const step = fc.record({
  kind: fc.constantFrom(
    'append',
    'append',
    'append',
    'overwrite',
    'commit',
    'vote',
    'await',
    'reopen',
    'crash',
  ),
  sizes: fc.array(fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 400, max: 3000 })), {
    minLength: 1,
    maxLength: 5,
  }),
  back: fc.integer({ min: 1, max: 6 }),
});

const scenario = fc.record({
  seed: fc.integer({ min: 0, max: 0x7fffffff }),
  crashAfterOperations: fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 4 }),
  powerFails: fc.boolean(),
  steps: fc.array(step, { minLength: 1, maxLength: 40 }),
});

/** Data that looks like frames (a length of eight, then no protobuf), so that what is left behind does harm. */
function lookalike(size: number, mark: number): Uint8Array {
  const bytes = new Uint8Array(size).fill(0x80 | mark);
  for (let at = 0; at + 8 <= size; at += 16) bytes.fill(0, at + 1, at + 8)[at] = 8;
  return bytes;
}

class Harness {
  readonly random: (bound: number) => number;
  readonly disk: MemoryDisk;
  /** Records handed to `save`, as far as they can still be on the disk. */
  records: LoggedRecord[] = [];
  acknowledged = 0;
  term = 1;
  wal: SegmentedLog | null = null;
  inFlight: Promise<void>[] = [];
  private readonly crashes: number[];
  private readonly powerFails: boolean;
  private untilCrash: number;

  private readonly directoryIsThere: boolean;
  private readonly allocateStepBytes: number;
  private readonly inlineBytesMax: number;

  constructor(seed: number, crashes: readonly number[], powerFails: boolean) {
    this.random = randomFrom(seed);
    this.allocateStepBytes = [1 << 20, 2048, 5000][seed % 3]!;
    this.inlineBytesMax = [0, 700, 6000][(seed >> 8) % 3]!;
    this.directoryIsThere = seed % 2 === 1;
    this.crashes = [...crashes];
    this.powerFails = powerFails;
    this.untilCrash = this.crashes.shift() ?? Infinity;
    this.disk = new MemoryDisk({
      delay: async () => {
        for (let turns = this.random(4); turns > 0; turns--) await Promise.resolve();
        if (--this.untilCrash > 0) return;
        this.untilCrash = this.crashes.shift() ?? Infinity;
        this.crash();
      },
    });
  }

  crash(): void {
    if (this.powerFails) this.disk.crash(this.random);
    else this.disk.kill();
    this.wal = null;
  }

  async open(): Promise<SegmentedLog> {
    for (;;) {
      await this.settle();
      const disk = this.disk.mount();
      const settings = walSettings(disk, {
        allocateStepBytes: this.allocateStepBytes,
        inlineBytesMax: this.inlineBytesMax,
      });
      // A log is created differently where its directory is there already.
      await disk.makeDirectory(this.directoryIsThere ? '/data/wal' : '/data', 0o700);
      await disk.syncDirectory('/').catch(() => undefined);
      try {
        const opened = (await walExists(settings))
          ? await openWal(settings, { index: 0, term: 0 }, () => undefined)
          : await createWal(settings, Uint8Array.of(8, 1, 16, 7));
        this.compare({ entries: plain(opened.contents.batches), state: opened.contents.hardState });
        this.wal = opened.wal;
        return opened.wal;
      } catch (error) {
        if (!String(error).includes('the machine crashed')) throw error;
      }
    }
  }

  /** The reading must be the picture after some number of records, not fewer than are acknowledged. */
  private compare(found: Picture): void {
    for (let count = this.records.length; count >= this.acknowledged; count--) {
      const expected = replay(this.records.slice(0, count));
      if (JSON.stringify(expected) === JSON.stringify(found)) {
        this.records = this.records.slice(0, count);
        this.acknowledged = count;
        return;
      }
    }
    expect(found).toEqual(replay(this.records.slice(0, this.acknowledged)));
  }

  save(
    state: HardState | null,
    payloads: readonly Uint8Array[],
    firstIndex: number,
    mustSync: boolean,
  ): void {
    const batches = payloads.length === 0 ? [] : [entriesOf(firstIndex, this.term, payloads)];
    for (const entry of plain(batches)) this.records.push({ kind: 'entry', entry });
    if (state !== null) this.records.push({ kind: 'state', state });
    const upTo = this.records.length;
    const { records } = this;
    if (this.savesNow(state, batches, mustSync)) {
      if (mustSync) this.acknowledged = Math.max(this.acknowledged, upTo);
      return;
    }
    this.inFlight.push(
      this.wal!.save(state, batches, mustSync).then(
        () => {
          if (mustSync && this.records === records) this.acknowledged = Math.max(this.acknowledged, upTo);
        },
        () => undefined,
      ),
    );
  }

  /** As the server does: on this thread when nothing else is under way. What fails may be there all the same. */
  private savesNow(state: HardState | null, batches: EntryBatch[], mustSync: boolean): boolean {
    if (batches.length === 0 && !mustSync) return false;
    try {
      return this.wal!.saveNow(state, batches, mustSync);
    } catch {
      return false;
    }
  }

  async settle(): Promise<void> {
    await Promise.all(this.inFlight.splice(0));
  }
}

async function run(input: {
  seed: number;
  crashAfterOperations: number[];
  powerFails: boolean;
  steps: readonly { kind: string; sizes: number[]; back: number }[];
}): Promise<void> {
  const harness = new Harness(input.seed, input.crashAfterOperations, input.powerFails);
  let filler = 0;
  await harness.open();
  for (const { kind, sizes, back } of input.steps) {
    if (harness.wal === null) await harness.open();
    const { entries, state } = replay(harness.records);
    const payloads = sizes.map((size) => lookalike(size, (filler = (filler % 120) + 1)));
    switch (kind) {
      case 'append':
        harness.save(null, payloads, entries.length + 1, true);
        break;
      case 'overwrite':
        harness.term++;
        harness.save(
          { term: harness.term, vote: 0, commit: state.commit },
          payloads,
          Math.max(1, entries.length + 1 - back),
          true,
        );
        break;
      case 'commit':
        harness.save(
          { term: Math.max(1, state.term), vote: state.vote, commit: entries.length },
          [],
          0,
          false,
        );
        break;
      case 'vote':
        harness.term++;
        harness.save({ term: harness.term, vote: 1 + harness.random(3), commit: state.commit }, [], 0, true);
        break;
      case 'await':
        await harness.settle();
        break;
      case 'crash':
        // Some of what was saved is on its way, none of it need be there.
        for (let turns = harness.random(12); turns > 0; turns--) await Promise.resolve();
        harness.crash();
        break;
      case 'reopen':
        if (harness.wal !== null) await harness.wal.close().catch(() => undefined);
        await harness.open();
        break;
    }
    if (harness.random(3) === 0) await Promise.resolve();
  }
  await harness.settle();
  if (harness.wal !== null) await (harness.wal as SegmentedLog).close().catch(() => undefined);
  await harness.open();
  await harness.settle();
}

describe('WAL under crashes', () => {
  it('keeps what was acknowledged and invents nothing', async () => {
    await fc.assert(fc.asyncProperty(scenario, run), {
      numRuns: Number(process.env['POLYRAFT_RUNS'] ?? 300),
    });
  });
});
