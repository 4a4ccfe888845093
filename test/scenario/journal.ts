/** Reads the journals that hosts write (host/machine.h), and checks them against each other. */
import { readFileSync } from 'node:fs';

const RECORD_BYTES = 32;
const APPLIED = 1n;
const RESTORED = 2n;

/** What one process did between two restores: entries in the order in which they were applied. */
export interface Run {
  /** The index of the snapshot it began with; 0 for the empty state. */
  readonly after: number;
  readonly indexes: number[];
  readonly terms: number[];
  readonly hashes: bigint[];
}

export function readJournal(path: string): Run[] {
  const bytes = readFileSync(path);
  const runs: Run[] = [];
  // A process that was killed may have left a part of a record, and nothing was told of that one.
  let at = 0;
  while (at + RECORD_BYTES <= bytes.length) {
    const kind = bytes.readBigUInt64LE(at);
    const index = Number(bytes.readBigUInt64LE(at + 8));
    if (kind === APPLIED) {
      const run = runs.at(-1);
      if (run === undefined) throw new Error(`${path}: an entry before the start`);
      run.indexes.push(index);
      run.terms.push(Number(bytes.readBigUInt64LE(at + 16)));
      run.hashes.push(bytes.readBigUInt64LE(at + 24));
    } else {
      runs.push({ after: kind === RESTORED ? index : 0, indexes: [], terms: [], hashes: [] });
    }
    at += RECORD_BYTES;
  }
  return runs;
}

export interface JournalReport {
  /** Entries that any state machine has seen. */
  readonly entries: number;
  readonly runs: number;
  readonly faults: string[];
}

const FAULTS_MAX = 20;

/**
 * All runs of all nodes must tell one story: an index has one entry everywhere; within a run indexes rise, so that
 * nothing is applied twice; and none is left out that another state machine applied in between.
 */
export function checkJournals(journals: ReadonlyMap<string, readonly Run[]>): JournalReport {
  const faults: string[] = [];
  const fault = (text: string): void => {
    if (faults.length < FAULTS_MAX) faults.push(text);
  };
  const entries = new Map<number, string>();
  for (const [name, runs] of journals) {
    for (const run of runs) {
      run.indexes.forEach((index, i) => {
        const entry = `term ${run.terms[i]!}, hash ${run.hashes[i]!.toString(16)}`;
        const known = entries.get(index);
        if (known === undefined) entries.set(index, entry);
        else if (known !== entry) fault(`${name}: entry ${index} is ${entry}; elsewhere it is ${known}`);
      });
    }
  }
  const order = [...entries.keys()].sort((a, b) => a - b);
  const places = new Map(order.map((index, place) => [index, place]));
  let runCount = 0;
  for (const [name, runs] of journals) {
    for (const run of runs) {
      runCount++;
      checkRun(name, run, order, places, fault);
    }
  }
  return { entries: order.length, runs: runCount, faults };
}

function checkRun(
  name: string,
  run: Run,
  order: readonly number[],
  places: ReadonlyMap<number, number>,
  fault: (text: string) => void,
): void {
  let expected = firstAbove(order, run.after);
  for (const index of run.indexes) {
    const place = places.get(index)!;
    if (place < expected) fault(`${name}: entry ${index} again, or out of order (began after ${run.after})`);
    else if (place > expected) fault(`${name}: entry ${order[expected]!} is left out before ${index}`);
    expected = place + 1;
  }
}

/** The first place in an ascending list whose value is above `limit`. */
function firstAbove(order: readonly number[], limit: number): number {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (order[middle]! <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
