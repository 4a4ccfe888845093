/** The last changes of the leader that this server has seen, for whoever asks what happened. */
import type { NodeId } from '../core/node-id.ts';
import type { Clock } from './api.ts';

/** Older ones are forgotten. */
const CHANGES_KEPT = 64;

export interface LeaderChange {
  /** Of the server's clock. */
  readonly atMs: number;
  /** 0: the leader was lost. */
  readonly leader: NodeId;
  readonly term: number;
}

export class LeaderHistory {
  private readonly clock: Clock;
  private readonly kept: LeaderChange[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** The newest last. */
  get changes(): readonly LeaderChange[] {
    return this.kept;
  }

  add(leader: NodeId, term: number): void {
    this.kept.push({ atMs: this.clock.now(), leader, term });
    if (this.kept.length > CHANGES_KEPT) this.kept.shift();
  }
}
