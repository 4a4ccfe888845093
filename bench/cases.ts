import type { Workload } from './subject.ts';

export interface Case {
  readonly id: string;
  readonly nodes: number;
  readonly workload: Workload;
}

/** `size` scales the counts: 1 in full. */
export function cases(size: number): Case[] {
  const count = (full: number): number => Math.max(200, Math.round(full * size));
  return [
    { id: '1-node-one-by-one', nodes: 1, workload: { count: count(5_000), bytes: 512, window: 1 } },
    { id: '3-nodes-one-by-one', nodes: 3, workload: { count: count(5_000), bytes: 512, window: 1 } },
    { id: '1-node-deep', nodes: 1, workload: { count: count(400_000), bytes: 512, window: 4096 } },
    { id: '3-nodes-window-64', nodes: 3, workload: { count: count(100_000), bytes: 512, window: 64 } },
    { id: '3-nodes-deep', nodes: 3, workload: { count: count(400_000), bytes: 512, window: 4096 } },
    { id: '3-nodes-large', nodes: 3, workload: { count: count(5_000), bytes: 65_536, window: 64 } },
  ];
}
