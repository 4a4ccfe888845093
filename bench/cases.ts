/** What is measured of every subject: sessions with fresh clusters, and in each the workloads one after the other. */
import type { ConfigChanges } from './subject.ts';

export interface Case {
  readonly id: string;
  readonly bytes: number;
  readonly window: number;
  readonly proposers: number;
  /** Of the time that there is, how much a run of this case has. */
  readonly weight: number;
  readonly isTarget: boolean;
}

export interface Session {
  readonly nodes: number;
  readonly bytes: number;
  readonly config: ConfigChanges;
  readonly cases: readonly Case[];
}

/** What the targets compare comes first: it is never left out. */
const BYTES = [512, 128, 4096, 65_536];
const WINDOWS = [1, 16, 256, 4096, Infinity];
const PROPOSERS = [1, 8];
/** A window that is larger is a whole run already. */
const WINDOW_BYTES_MAX = 64 * 1024 * 1024;
const TARGET_WEIGHT = 6;

export function caseId(nodes: number, bytes: number, window: number, proposers: number): string {
  const open = Number.isFinite(window) ? `window-${window}` : 'unbounded';
  return `${nodes}-node${nodes === 1 ? '' : 's'}-${bytes}-${open}${proposers === 1 ? '' : `-${proposers}-proposers`}`;
}

/** The cases that the numbered targets compare. */
export const TARGET_CASES = {
  oneNodeSingle: caseId(1, 512, 1, 1),
  threeNodesSingle: caseId(3, 512, 1, 1),
  oneNodeDeep: caseId(1, 512, 4096, 1),
  threeNodesDeep: caseId(3, 512, 4096, 1),
} as const;

function isTarget(id: string): boolean {
  return Object.values<string>(TARGET_CASES).includes(id);
}

/** A log that outlasts the window, so that no follower that is a little behind needs a snapshot; bounded in bytes. */
export function configFor(bytes: number): ConfigChanges {
  const fitting = (total: number, min: number, max: number): number =>
    Math.max(min, Math.min(max, Math.floor(total / bytes)));
  return {
    snap_count: fitting(64 * 1024 * 1024, 1_000, 10_000),
    snapshot_entries: fitting(128 * 1024 * 1024, 2_048, 100_000),
  };
}

export function caseOf(nodes: number, bytes: number, window: number, proposers: number): Case {
  const id = caseId(nodes, bytes, window, proposers);
  const target = isTarget(id);
  return { id, bytes, window, proposers, weight: target ? TARGET_WEIGHT : 1, isTarget: target };
}

function casesOf(nodes: number, bytes: number): Case[] {
  return WINDOWS.flatMap((window) =>
    PROPOSERS.flatMap((proposers) => {
      const isSmaller = window === 1 && proposers > 1;
      const isLarger = Number.isFinite(window) && window * bytes > WINDOW_BYTES_MAX;
      return isSmaller || isLarger ? [] : [caseOf(nodes, bytes, window, proposers)];
    }),
  );
}

/** Quick: those that the targets need, futures in flight as programs have them, and the largest entries. */
export function sessions(isQuick: boolean): Session[] {
  const others = [caseId(3, 512, 256, 1), caseId(3, 65_536, 256, 1)];
  return BYTES.flatMap((bytes) =>
    [1, 3].map((nodes) => {
      const all = casesOf(nodes, bytes);
      const cases = isQuick ? all.filter((one) => one.isTarget || others.includes(one.id)) : all;
      return { nodes, bytes, config: configFor(bytes), cases };
    }),
  ).filter(({ cases }) => cases.length > 0);
}
