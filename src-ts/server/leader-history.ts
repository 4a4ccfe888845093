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
  /** How long the leader before had not been heard of; 0 without one. */
  readonly silentMs: number;
  /** The leader before handed over. */
  readonly handedOver: boolean;
}

export class LeaderHistory {
  private readonly clock: Clock;
  /** When a node was last heard of, by the clock; null when never, or when it is this one. */
  private readonly lastHeardMs: (node: NodeId) => number | null;
  private readonly kept: LeaderChange[] = [];
  /** The newest term that a transfer of leadership began, as far as this server was told. */
  private transferTerm = 0;

  constructor(clock: Clock, lastHeardMs: (node: NodeId) => number | null) {
    this.clock = clock;
    this.lastHeardMs = lastHeardMs;
  }

  /** The newest last. */
  get changes(): readonly LeaderChange[] {
    return this.kept;
  }

  /** A candidate of that term was asked to take over. */
  transfer(term: number): void {
    this.transferTerm = Math.max(this.transferTerm, term);
  }

  add(leader: NodeId, term: number): void {
    const now = this.clock.now();
    const before = this.kept[this.kept.length - 1]?.leader ?? 0;
    const heardMs = before === 0 ? null : this.lastHeardMs(before);
    const silentMs = heardMs === null ? 0 : Math.max(0, now - heardMs);
    const handedOver = leader !== 0 && term === this.transferTerm;
    this.kept.push({ atMs: now, leader, term, silentMs, handedOver });
    if (this.kept.length > CHANGES_KEPT) this.kept.shift();
  }
}
