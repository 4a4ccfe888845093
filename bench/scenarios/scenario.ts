/** What the scenarios share: a cluster of their own, rounds within their time, and figures with one value a round. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { median } from '../statistics.ts';
import type { ConfigChanges } from '../subject.ts';
import { DrivenCluster, type Program } from '../subjects/driven.ts';

export const MIB = 1024 * 1024;
export const ENTRY_BYTES = 512;
/** The interval that a target compares the delay of the event loop with. */
export const HEARTBEAT_MS = 100;

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
  /** Rounds after these are left out when the scenario's time is over. */
  readonly roundsMin: number;
  readonly secondsWished: number;
  /** Then the scenario is given up; what it has measured stays. */
  readonly secondsMax: number;
  /** For all scenarios of all programs: what is left of it bounds the next one, too. */
  readonly secondsAll: number;
  readonly snapshotBytes: number;
  readonly walBytes: number;
  readonly entriesBehind: number;
  readonly reads: number;
  readonly loadSeconds: number;
}

/** Collects the rounds of a scenario's figures. */
export class Figures {
  private readonly values = new Map<string, { unit: string; rounds: number[] }>();
  private isClosed = false;

  add(figure: string, unit: string, value: number): void {
    if (this.isClosed) return;
    const row = this.values.get(figure) ?? { unit, rounds: [] };
    this.values.set(figure, row);
    row.rounds.push(value);
  }

  /** What comes later is of processes that were killed. */
  close(): void {
    this.isClosed = true;
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

/** One scenario of one program, under way. */
export class Scene {
  readonly program: Program;
  readonly size: ScenarioSize;
  readonly figures = new Figures();
  private readonly parent: string;
  private readonly began = performance.now();
  private readonly clusters = new Set<DrivenCluster>();
  private isOver = false;

  constructor(program: Program, parent: string, size: ScenarioSize) {
    this.program = program;
    this.parent = parent;
    this.size = size;
  }

  /** Numbers of the rounds: as many as wished, or as the time allows. */
  *rounds(): Generator<number> {
    const { rounds, roundsMin, secondsWished } = this.size;
    for (let round = 0; round < rounds; round++) {
      const seconds = (performance.now() - this.began) / 1000;
      if (this.isOver || (round >= roundsMin && seconds > secondsWished)) return;
      yield round;
    }
  }

  /** Fresh nodes for `work`, which are ended after it. */
  async inCluster(
    nodes: number,
    config: ConfigChanges,
    work: (cluster: DrivenCluster, directory: string) => Promise<void>,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    if (this.isOver) throw new Error('the scenario is over');
    const directory = mkdtempSync(join(this.parent, 'scenario-'));
    const cluster = new DrivenCluster(this.program, directory, config, environment);
    this.clusters.add(cluster);
    try {
      await cluster.start(nodes);
      await work(cluster, directory);
      this.figures.add('spurious elections', '', cluster.elections);
    } finally {
      await cluster.end();
      this.clusters.delete(cluster);
      rmSync(directory, { recursive: true, force: true });
    }
  }

  /** Whatever goes on fails soon. */
  stop(): void {
    this.isOver = true;
    this.figures.close();
    for (const cluster of this.clusters) cluster.kill();
  }
}

export interface Scenario {
  /** As the figures have it. */
  readonly title: (size: ScenarioSize) => string;
  readonly play: (scene: Scene) => Promise<void>;
}

export function aFollower(cluster: DrivenCluster): number {
  return cluster.ids.find((id) => id !== cluster.leaderId)!;
}
