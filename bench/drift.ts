/** Steady load for a long time, on a cluster of each runtime side by side: what grows, and what slows down. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { residentMemoryMib } from '../scripts/tools/process-facts.ts';
import type { Failure } from './measure.ts';
import { ENTRY_BYTES } from './scenarios/scenario.ts';
import { median, slope } from './statistics.ts';
import { DrivenCluster, type Program } from './subjects/driven.ts';

export interface DriftSample {
  /** Since the load began. */
  readonly seconds: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly leaderMib: number;
  /** Of the follower that has more. */
  readonly followerMib: number;
}

export interface Drift {
  readonly subject: string;
  readonly entriesPerSecond: number;
  readonly bytes: number;
  readonly minutes: number;
  readonly samples: readonly DriftSample[];
  /** Of the last two thirds: the first third warms up. */
  readonly leaderMibPerHour: number;
  readonly followerMibPerHour: number;
  readonly p50UsPerHour: number;
  readonly p99UsPerHour: number;
  /** Medians of the second third, and of the last. */
  readonly leaderMib: readonly [number, number];
  readonly p50Us: readonly [number, number];
  readonly p99Us: readonly [number, number];
  readonly elections: number;
}

export const DRIFT_SECONDS = 1_800;
const ENTRIES_PER_SECOND = 1_000;
const WINDOW = 256;
const SAMPLE_SECONDS = 15;
const SAMPLES_MIN = 6;

type Figure = 'p50Us' | 'p99Us' | 'leaderMib' | 'followerMib';

/** What the samples say: at least six of them. */
export function driftOf(subject: string, samples: readonly DriftSample[], elections: number): Drift {
  const third = Math.floor(samples.length / 3);
  const second = samples.slice(third, 2 * third);
  const last = samples.slice(2 * third);
  const perHour = (figure: Figure): number =>
    slope([...second, ...last].map((sample) => [sample.seconds, sample[figure]] as const)) * 3600;
  const thirds = (figure: Figure): readonly [number, number] => [
    median(second.map((sample) => sample[figure])),
    median(last.map((sample) => sample[figure])),
  ];
  return {
    subject,
    entriesPerSecond: ENTRIES_PER_SECOND,
    bytes: ENTRY_BYTES,
    minutes: samples.at(-1)!.seconds / 60,
    samples,
    leaderMibPerHour: perHour('leaderMib'),
    followerMibPerHour: perHour('followerMib'),
    p50UsPerHour: perHour('p50Us'),
    p99UsPerHour: perHour('p99Us'),
    leaderMib: thirds('leaderMib'),
    p50Us: thirds('p50Us'),
    p99Us: thirds('p99Us'),
    elections,
  };
}

async function watch(
  program: Program,
  parent: string,
  seconds: number,
  tell: (text: string) => void,
): Promise<Drift> {
  const directory = mkdtempSync(join(parent, 'drift-'));
  const cluster = new DrivenCluster(program, directory);
  const sampleSeconds = Math.min(SAMPLE_SECONDS, seconds / SAMPLES_MIN);
  try {
    await cluster.start(3);
    const samples: DriftSample[] = [];
    const began = performance.now();
    const pid = (id: number): number => cluster.host(id).pid;
    const followers = cluster.ids.filter((id) => id !== cluster.leaderId);
    while (samples.length < SAMPLES_MIN || (performance.now() - began) / 1000 < seconds) {
      const { p50Us, p99Us } = await cluster.run({
        count: Math.max(100, Math.round(ENTRIES_PER_SECOND * sampleSeconds)),
        bytes: ENTRY_BYTES,
        window: WINDOW,
        rate: ENTRIES_PER_SECOND,
        proposers: 1,
      });
      const sample = {
        seconds: (performance.now() - began) / 1000,
        p50Us,
        p99Us,
        leaderMib: residentMemoryMib(pid(cluster.leaderId)),
        followerMib: Math.max(...followers.map((id) => residentMemoryMib(pid(id)))),
      };
      samples.push(sample);
      if (samples.length % 4 === 0)
        tell(
          `${program.name}: ${(sample.seconds / 60).toFixed(1)} min, p50 ${p50Us.toFixed(0)} us, ` +
            `p99 ${p99Us.toFixed(0)} us, leader ${sample.leaderMib.toFixed(1)} MiB`,
        );
    }
    return driftOf(program.name, samples, cluster.elections);
  } finally {
    await cluster.end();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** `seconds` of load on all programs at once. */
export async function measureDrift(
  programs: readonly Program[],
  parent: string,
  seconds: number,
  tell: (text: string) => void,
): Promise<{ readonly drifts: readonly Drift[]; readonly failures: readonly Failure[] }> {
  const results = await Promise.allSettled(programs.map((program) => watch(program, parent, seconds, tell)));
  return {
    drifts: results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])),
    failures: results.flatMap((result, i) =>
      result.status === 'rejected'
        ? [{ subject: programs[i]!.name, case: 'drift', why: String(result.reason) }]
        : [],
    ),
  };
}
