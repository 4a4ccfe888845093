/**
 * What the core costs an entry: proposes and commits entries through three in-memory cores, and prints entries a second
 * and bytes allocated an entry, by batch size (on a shared machine the figure a CPU second is the one to compare). Usage: commit-throughput [entries] [batch sizes...]
 */
import { getHeapStatistics } from 'node:v8';
import { proposalsOf, type Proposals } from '../../src-ts/core/entry-batch.ts';
import { InMemoryCluster } from './cluster.ts';

const PAYLOAD_BYTES = 128;
const DEFAULT_ENTRIES = 1_000_000;
/** Proposals handed to the leader before its Ready is taken, as when several arrive in one turn of an event loop. */
const PROPOSALS_A_READY = 16;

function payloads(count: number): Proposals {
  return proposalsOf(Array.from({ length: count }, (_, i) => new Uint8Array(PAYLOAD_BYTES).fill(i)));
}

function commit(entries: number, batch: number, each: () => void): void {
  const cluster = new InMemoryCluster();
  const proposals = payloads(batch);
  const begin = cluster.leader.lastIndex;
  for (let proposed = 0; proposed < entries;) {
    for (let i = 0; i < PROPOSALS_A_READY && proposed < entries; i++) {
      cluster.propose(proposals);
      proposed += batch;
    }
    cluster.settle();
    each();
  }
  const expected = begin + Math.ceil(entries / batch) * batch;
  if (cluster.applied !== expected) throw new Error(`applied ${cluster.applied} of ${expected}`);
}

function usedBytes(): number {
  const statistics = getHeapStatistics();
  return statistics.used_heap_size + statistics.external_memory;
}

/** Sum of all growth between Readys; a collection in between hides what that one Ready allocated. */
function allocatedBytes(entries: number, batch: number): number {
  let allocated = 0;
  let before = usedBytes();
  commit(entries, batch, () => {
    const now = usedBytes();
    if (now > before) allocated += now - before;
    before = now;
  });
  return allocated;
}

function main(): void {
  const [entriesText, ...batchTexts] = process.argv.slice(2);
  const entries = entriesText === undefined ? DEFAULT_ENTRIES : Number(entriesText);
  const batches = batchTexts.length > 0 ? batchTexts.map(Number) : [64, 1];
  for (const batch of batches) {
    commit(Math.min(entries, 100_000), batch, () => undefined);
    const begin = process.hrtime.bigint();
    const cpuBegin = process.cpuUsage();
    commit(entries, batch, () => undefined);
    const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
    const cpu = process.cpuUsage(cpuBegin);
    const cpuSeconds = (cpu.user + cpu.system) / 1e6;
    const allocated = allocatedBytes(entries, batch) / entries;
    console.log(
      `batch=${batch} entries=${entries} payload_bytes=${PAYLOAD_BYTES} ` +
        `entries_per_second=${Math.round(entries / seconds)} ` +
        `entries_per_cpu_second=${Math.round(entries / cpuSeconds)} allocated_bytes_per_entry=${Math.round(allocated)}`,
    );
  }
}

main();
