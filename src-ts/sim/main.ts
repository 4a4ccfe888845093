/**
 * `npm run sim -- --seeds A-B --steps N`: runs seeds in parallel on the cores there are, with progress and a rate.
 * A failing seed is printed with the command that replays it; `--trace` prints every step of the first seed.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { runSeed, type SimResult } from './cluster.ts';

/** Seeds handed to a worker at a time. */
const CHUNK = 10;

type Dialect = 'apply' | 'append' | 'both';

interface Job {
  readonly seeds: readonly number[];
  readonly steps: number;
  readonly dialect: Dialect;
}

interface Report {
  readonly results: readonly SimResult[];
  readonly failures: readonly { readonly seed: number; readonly text: string }[];
}

function work(job: Job): Report {
  const results: SimResult[] = [];
  const failures: { seed: number; text: string }[] = [];
  for (const seed of job.seeds) {
    try {
      results.push(runSeed(seed, job.steps, job.dialect));
    } catch (error) {
      failures.push({ seed, text: error instanceof Error ? error.message : String(error) });
    }
  }
  return { results, failures };
}

class UsageError extends Error {}

const USAGE = `npm run sim -- [options]
  --seeds A-B      seeds to run (1-200)
  --steps N        steps of each, before faults stop (5000)
  --dialect NAME   membership changes take effect when applied (apply), when appended (append), or by the seed (both)
  --workers N      threads (one a processor)
  --trace          every step of seed A, and no other seed
  --help           prints this
`;

function parseRange(text: string): [number, number] {
  const match = /^(\d+)-(\d+)$/.exec(text) ?? /^(\d+)$/.exec(text);
  if (match === null) throw new UsageError(`--seeds ${text}: expected A-B`);
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  if (last < first) throw new UsageError(`--seeds ${text}: the last is before the first`);
  return [first, last];
}

function parseCount(name: string, text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1)
    throw new UsageError(`--${name} ${text}: expected a number above 0`);
  return count;
}

function parseDialect(text: string): Dialect {
  if (text === 'apply' || text === 'append' || text === 'both') return text;
  throw new UsageError(`--dialect ${text}: expected apply, append or both`);
}

interface Arguments {
  readonly seeds: string;
  readonly steps: string;
  readonly dialect: string;
  readonly workers: string;
  readonly trace: boolean;
  readonly help: boolean;
}

function readArguments(): Arguments {
  try {
    return parseArgs({
      options: {
        seeds: { type: 'string', default: '1-200' },
        steps: { type: 'string', default: '5000' },
        dialect: { type: 'string', default: 'both' },
        workers: { type: 'string', default: String(availableParallelism()) },
        trace: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function main(): Promise<number> {
  const values = readArguments();
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [first, last] = parseRange(values.seeds);
  const steps = parseCount('steps', values.steps);
  const workerCount = parseCount('workers', values.workers);
  const dialect = parseDialect(values.dialect);
  if (values.trace) {
    runSeed(first, steps, dialect, (line) => process.stdout.write(`${line}\n`));
    return 0;
  }
  const queue: number[][] = [];
  for (let seed = first; seed <= last; seed += CHUNK) {
    queue.push(Array.from({ length: Math.min(CHUNK, last - seed + 1) }, (_, i) => seed + i));
  }
  const total = last - first + 1;
  const started = performance.now();
  let done = 0;
  let failed = 0;
  let committed = 0;
  let elections = 0;
  const progress = (): void => {
    const seconds = (performance.now() - started) / 1000;
    const rate = Math.round((done * steps) / seconds);
    process.stderr.write(`\r${done}/${total} seeds, ${failed} failed, ${rate} steps/s `);
  };
  const drain = (worker: Worker): Promise<void> =>
    new Promise((resolve, reject) => {
      const next = (): void => {
        const seeds = queue.shift();
        if (seeds === undefined) {
          void worker.terminate().then(() => {
            resolve();
          });
          return;
        }
        worker.postMessage({ seeds, steps, dialect } satisfies Job);
      };
      worker.on('message', (report: Report) => {
        done += report.results.length + report.failures.length;
        for (const result of report.results) {
          committed += result.committed;
          elections += result.elections;
        }
        for (const failure of report.failures) {
          failed++;
          process.stdout.write(
            `\n${failure.text}\n  replay: npm run sim -- --seeds ${failure.seed}-${failure.seed} --steps ${steps} --dialect ${dialect} --trace\n`,
          );
        }
        if (process.stderr.isTTY || done === total) progress();
        next();
      });
      worker.on('error', reject);
      next();
    });
  const workers = Array.from(
    { length: workerCount },
    () => new Worker(new URL(import.meta.url), { workerData: 'sim' }),
  );
  await Promise.all(workers.map(drain));
  const seconds = (performance.now() - started) / 1000;
  process.stdout.write(
    `\n${total} seeds of ${steps} steps in ${seconds.toFixed(1)} s (${Math.round((total * steps) / seconds)} steps/s on ${workers.length} workers), ${committed} entries committed, ${elections} elections\n`,
  );
  process.stdout.write(`${total - failed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

if (isMainThread) {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`sim: ${error.message}\n\n${USAGE}`);
    process.exitCode = 2;
  }
} else if (workerData === 'sim') {
  parentPort!.on('message', (job: Job) => {
    parentPort!.postMessage(work(job));
  });
}
