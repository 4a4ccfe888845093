/** What happens to polyraft's own clusters beside steady load. Each figure has one value a round. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { peakMemoryMib, residentMemoryMib, resetPeakMemory } from '../scripts/tools/process-facts.ts';
import { median } from './statistics.ts';
import type { ConfigChanges, Latencies } from './subject.ts';
import { DrivenCluster, type Program } from './subjects/driven.ts';

export interface ScenarioFigure {
  readonly scenario: string;
  readonly subject: string;
  readonly figure: string;
  readonly unit: string;
  readonly median: number;
  readonly rounds: readonly number[];
}

export interface ScenarioSize {
  readonly rounds: number;
  readonly snapshotBytes: number;
  readonly walBytes: number;
  readonly entriesBehind: number;
  readonly readsPerRound: number;
}

const MIB = 1024 * 1024;
const BYTES = 512;
const POLL_MS = 20;
const WAIT_MS = 120_000;
const IDLE_MS = 2_000;
const READERS = 32;

/** Collects the rounds of a scenario's figures. */
class Figures {
  private readonly values = new Map<string, { unit: string; rounds: number[] }>();

  add(figure: string, unit: string, value: number): void {
    const row = this.values.get(figure) ?? { unit, rounds: [] };
    this.values.set(figure, row);
    row.rounds.push(value);
  }

  of(scenario: string, subject: string): ScenarioFigure[] {
    return [...this.values].map(([figure, { unit, rounds }]) => ({
      scenario,
      subject,
      figure,
      unit,
      median: median(rounds),
      rounds,
    }));
  }
}

async function inCluster(
  program: Program,
  parent: string,
  nodes: number,
  config: ConfigChanges,
  work: (cluster: DrivenCluster, directory: string) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(parent, 'scenario-'));
  const cluster = new DrivenCluster(program, directory, config);
  try {
    await cluster.start(nodes);
    await work(cluster, directory);
  } finally {
    await cluster.end();
    rmSync(directory, { recursive: true, force: true });
  }
}

function aFollower(cluster: DrivenCluster): number {
  return cluster.ids.find((id) => id !== cluster.leaderId)!;
}

/** Three nodes that nobody uses; host and engine together. */
async function idle(program: Program, parent: string): Promise<ScenarioFigure[]> {
  const figures = new Figures();
  for (let cluster = 0; cluster < 2; cluster++) {
    await inCluster(program, parent, 3, {}, async (members) => {
      await delay(IDLE_MS);
      for (const id of members.ids)
        figures.add('resident memory', 'MiB', residentMemoryMib(members.host(id).pid));
      figures.add('spurious elections', '', members.elections);
    });
  }
  return figures.of('idle', program.name);
}

async function snapshotInstall(
  program: Program,
  parent: string,
  { rounds, snapshotBytes }: ScenarioSize,
): Promise<ScenarioFigure[]> {
  const figures = new Figures();
  await inCluster(program, parent, 3, { manual_snap: true, snapshot_entries: 10 }, async (cluster) => {
    const follower = aFollower(cluster);
    await cluster.ask(cluster.leaderId, `state ${snapshotBytes}`);
    for (let round = 0; round < rounds; round++) {
      await cluster.stopNode(follower);
      await cluster.run({ count: 1_000, bytes: BYTES, window: 64 });
      await cluster.ask(cluster.leaderId, 'save');
      const sender = cluster.host(cluster.leaderId).pid;
      resetPeakMemory(sender);
      const began = performance.now();
      await cluster.startNode(follower);
      const restored = `restored ${snapshotBytes}`;
      await cluster.host(follower).waitForLine((line) => line === restored, WAIT_MS, restored);
      const seconds = (performance.now() - began) / 1000;
      figures.add('time', 's', seconds);
      figures.add('rate', 'MiB/s', snapshotBytes / MIB / seconds);
      figures.add('peak memory of the sender', 'MiB', peakMemoryMib(sender));
    }
    figures.add('spurious elections', '', cluster.elections);
  });
  return figures.of(`snapshot-install-${snapshotBytes / MIB}-MiB`, program.name);
}

function directoryBytes(directory: string): number {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.wal'))
    .reduce((sum, { name }) => sum + statSync(join(directory, name)).size, 0);
}

async function restart(
  program: Program,
  parent: string,
  { rounds, walBytes }: ScenarioSize,
): Promise<ScenarioFigure[]> {
  const figures = new Figures();
  await inCluster(program, parent, 1, { manual_snap: true }, async (cluster, directory) => {
    const perRun = Math.ceil((32 * MIB) / BYTES);
    while (directoryBytes(join(directory, 'node1/wal1')) < walBytes)
      await cluster.run({ count: perRun, bytes: BYTES, window: 4096 });
    for (let round = 0; round < rounds; round++) {
      await cluster.stopNode(1);
      const bytes = directoryBytes(join(directory, 'node1/wal1'));
      const leader = cluster.nextLeader();
      const ms = await cluster.startNode(1);
      figures.add('time to ready', 's', ms / 1000);
      figures.add('rate', 'MiB/s', bytes / MIB / (ms / 1000));
      figures.add('peak memory', 'MiB', peakMemoryMib(cluster.host(1).pid));
      await leader;
    }
  });
  return figures.of(`restart-${walBytes / MIB}-MiB`, program.name);
}

async function applied(cluster: DrivenCluster, id: number): Promise<number> {
  return Number(await cluster.ask(id, 'applied'));
}

async function catchUp(
  program: Program,
  parent: string,
  { rounds, entriesBehind }: ScenarioSize,
): Promise<ScenarioFigure[]> {
  const figures = new Figures();
  await inCluster(program, parent, 3, { manual_snap: true }, async (cluster) => {
    const follower = aFollower(cluster);
    for (let round = 0; round < rounds; round++) {
      await cluster.stopNode(follower);
      await cluster.run({ count: entriesBehind, bytes: BYTES, window: 4096 });
      const target = await applied(cluster, cluster.leaderId);
      await cluster.startNode(follower);
      // What it has on its own disk is no catching up.
      const begin = Math.min(target - entriesBehind, await applied(cluster, follower));
      const began = performance.now();
      const served: Latencies[] = [];
      const until = performance.now() + WAIT_MS;
      let isBehind = true;
      const serving = (async () => {
        while (isBehind) served.push(await cluster.run({ count: 500, bytes: BYTES, window: 64 }));
      })();
      try {
        while ((await applied(cluster, follower)) < target) {
          if (performance.now() > until) throw new Error(`the follower is behind after ${WAIT_MS} ms`);
          await delay(POLL_MS);
        }
      } finally {
        isBehind = false;
        await serving;
      }
      const seconds = (performance.now() - began) / 1000;
      figures.add('catch-up rate', 'entries/s', (target - Math.max(begin, target - entriesBehind)) / seconds);
      const seconds64 = served.reduce((sum, one) => sum + one.seconds, 0);
      const count = served.reduce((sum, one) => sum + one.count, 0);
      figures.add('rate of the leader meanwhile', 'commits/s', count / seconds64);
    }
    figures.add('spurious elections', '', cluster.elections);
  });
  return figures.of(`${entriesBehind}-entries-behind`, program.name);
}

async function readIndex(
  program: Program,
  parent: string,
  { rounds, readsPerRound }: ScenarioSize,
): Promise<ScenarioFigure[]> {
  const figures = new Figures();
  await inCluster(program, parent, 3, {}, async (cluster) => {
    await cluster.run({ count: 100, bytes: BYTES, window: 1 });
    for (let round = 0; round < rounds; round++) {
      const answer = await cluster.ask(cluster.leaderId, `read ${readsPerRound} ${READERS}`);
      const { count, seconds, p50Us, p99Us } = JSON.parse(answer) as Latencies;
      figures.add('reads', 'reads/s', count / seconds);
      figures.add('p50', 'us', p50Us);
      figures.add('p99', 'us', p99Us);
    }
    figures.add('spurious elections', '', cluster.elections);
  });
  return figures.of(`read-index-${READERS}-readers`, program.name);
}

export interface ScenarioResult {
  readonly figures: readonly ScenarioFigure[];
  readonly failures: readonly { readonly subject: string; readonly case: string; readonly why: string }[];
}

/** All scenarios, each for all programs before the next. */
export async function measureScenarios(
  programs: readonly Program[],
  parent: string,
  size: ScenarioSize,
  onDone: (name: string, figures: readonly ScenarioFigure[]) => void,
): Promise<ScenarioResult> {
  const all = { idle, snapshotInstall, restart, catchUp, readIndex };
  const figures: ScenarioFigure[] = [];
  const failures: { subject: string; case: string; why: string }[] = [];
  for (const [name, measure] of Object.entries(all)) {
    for (const program of programs) {
      try {
        const result = await measure(program, parent, size);
        figures.push(...result);
        onDone(`${name}, ${program.name}`, result);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        failures.push({ subject: program.name, case: name, why });
        onDone(`${name}, ${program.name}: failed: ${why}`, []);
      }
    }
  }
  return { figures, failures };
}
