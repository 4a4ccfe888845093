/** Where the time of three nodes under full load goes: profiles of their engines, and what the kernel counts of them. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { processorSeconds, workOf, type Work } from '../../scripts/tools/process-facts.ts';
import { withDeadline } from '../deadline.ts';
import { aFollower } from '../scenarios/scenario.ts';
import { DrivenCluster, type Program } from '../subjects/driven.ts';
import { PHASES, moduleLines, phaseTimes, type CpuProfile, type Phase } from './phases.ts';

export interface NodeProfile {
  readonly role: 'leader' | 'follower';
  /** Parts of the engine thread's time; together 1. */
  readonly phases: Record<Phase, number>;
  /** Of host and engine, for a thousand entries. */
  readonly processorMsPerThousand: number;
  readonly wakeUpsPerThousand: number;
  readonly readCallsPerThousand: number;
  readonly writeCallsPerThousand: number;
}

export interface Profile {
  readonly entries: number;
  readonly bytes: number;
  readonly window: number;
  readonly commitsPerSecond: number;
  readonly syncsPerThousand: number;
  readonly logBytesPerEntry: number;
  readonly nodes: readonly NodeProfile[];
}

const BYTES = 512;
const WINDOW = 4096;
const PROBE_COUNT = 20_000;
const TIMEOUT_MS = 90_000;
const WRITTEN_MS = 20_000;
const POLL_MS = 200;

function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** The engine writes it while it ends. */
async function readProfile(path: string): Promise<CpuProfile> {
  const until = performance.now() + WRITTEN_MS;
  for (;;) {
    try {
      return JSON.parse(readFileSync(path, 'utf8')) as CpuProfile;
    } catch (error) {
      if (performance.now() > until) throw new Error(`${path}: no profile was written: ${String(error)}`);
    }
    await delay(POLL_MS);
  }
}

interface Span {
  readonly work: Work;
  readonly seconds: number;
}

function spanOf(pid: number): Span {
  return { work: workOf(pid), seconds: processorSeconds(pid) };
}

function nodeProfile(
  role: NodeProfile['role'],
  times: Record<Phase, number>,
  before: Span,
  after: Span,
  entries: number,
): NodeProfile {
  const total = Math.max(
    1,
    PHASES.reduce((sum, phase) => sum + times[phase], 0),
  );
  const perThousand = (of: (span: Span) => number): number => ((of(after) - of(before)) / entries) * 1000;
  return {
    role,
    phases: Object.fromEntries(PHASES.map((phase) => [phase, times[phase] / total])) as Record<Phase, number>,
    processorMsPerThousand: perThousand(({ seconds }) => seconds * 1000),
    wakeUpsPerThousand: perThousand(({ work }) => work.wakeUps),
    readCallsPerThousand: perThousand(({ work }) => work.readCalls),
    writeCallsPerThousand: perThousand(({ work }) => work.writeCalls),
  };
}

async function record(
  cluster: DrivenCluster,
  directory: string,
  bundle: string,
  seconds: number,
): Promise<Profile> {
  await cluster.start(3);
  const load = { bytes: BYTES, window: WINDOW };
  const probe = await cluster.run({ ...load, count: PROBE_COUNT });
  const count = Math.max(PROBE_COUNT, Math.round((probe.count / probe.seconds) * seconds));
  await cluster.run({ ...load, count: Math.ceil(count / 2) });
  const ids = [cluster.leaderId, aFollower(cluster)];
  const spans = (): Span[] => ids.map((id) => spanOf(cluster.host(id).pid));
  const countedBefore = (await cluster.counted())!;
  const before = spans();
  const fromUs = monotonicUs();
  const run = await cluster.run({ ...load, count });
  const toUs = monotonicUs();
  const after = spans();
  const counted = (await cluster.counted())!;
  await cluster.end();
  const modules = moduleLines(readFileSync(bundle, 'utf8'));
  const nodes = await Promise.all(
    ids.map(async (id, i) => {
      const profile = await readProfile(join(directory, `node${id}.cpuprofile`));
      const times = phaseTimes(profile, modules, fromUs, toUs);
      return nodeProfile(i === 0 ? 'leader' : 'follower', times, before[i]!, after[i]!, count);
    }),
  );
  return {
    entries: count,
    bytes: BYTES,
    window: WINDOW,
    commitsPerSecond: count / run.seconds,
    syncsPerThousand: ((counted.syncs - countedBefore.syncs) / count) * 1000,
    logBytesPerEntry: (counted.writtenBytes - countedBefore.writtenBytes) / count,
    nodes,
  };
}

/** `program` runs its engine in a child process, `bundle` is what the child runs. */
export async function recordProfile(
  program: Program,
  bundle: string,
  parent: string,
  seconds: number,
): Promise<Profile> {
  const directory = mkdtempSync(join(parent, 'profile-'));
  const environment = {
    POLYRAFT_NODE: resolve('bench/profile/node-with-profile.sh'),
    BENCH_PROFILE_NODE: process.execPath,
    BENCH_PROFILE_DIRECTORY: directory,
  };
  const cluster = new DrivenCluster(program, directory, {}, environment);
  try {
    return await withDeadline(record(cluster, directory, bundle, seconds), TIMEOUT_MS, 'the profile', () => {
      cluster.kill();
    });
  } finally {
    await cluster.end();
    rmSync(directory, { recursive: true, force: true });
  }
}
