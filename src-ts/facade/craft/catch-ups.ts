import type { RaftNode } from '../../core/api.ts';
import { StateType } from '../../core/types.ts';
import { CatchUp } from './layout.ts';
import type { Settings } from './settings.ts';

interface Round {
  readonly id: number;
  readonly number: number;
  /** The leader's last index when the round began. */
  readonly target: number;
  readonly startedAt: number;
}

/** How servers that do not vote yet catch up with the leader, in rounds. Thesis, section 4.2.1. */
export class CatchUps {
  private readonly results = new Map<number, number>();
  private round: Round | null = null;

  get isRunning(): boolean {
    return this.round !== null;
  }

  isRunningFor(id: number): boolean {
    return this.round?.id === id;
  }

  statusOf(id: number): number {
    return this.results.get(id) ?? CatchUp.none;
  }

  /** The leadership is over, and what was known with it. */
  forget(): void {
    if (this.results.size === 0) return;
    this.results.clear();
    this.round = null;
  }

  start(node: RaftNode, id: number, now: number): void {
    this.round = { id, number: 1, target: node.lastIndex, startedAt: now };
    this.results.set(id, CatchUp.running);
  }

  /** The member has answered. */
  advance(node: RaftNode, now: number, settings: Settings): void {
    const { round } = this;
    if (round === null) return;
    const progress = node.progressOf(round.id);
    if (progress === undefined) {
      this.end(CatchUp.aborted);
      return;
    }
    if (progress.match < round.target) return;
    const isFast = now - round.startedAt < settings.electionTimeoutMs;
    if (progress.match === node.lastIndex || isFast) this.end(CatchUp.finished);
    else this.round = { id: round.id, number: round.number + 1, target: node.lastIndex, startedAt: now };
  }

  passTime(node: RaftNode, now: number, settings: Settings): void {
    const { round } = this;
    if (round === null || node.state !== StateType.Leader) return;
    const duration = now - round.startedAt;
    const isTooSlow = round.number >= settings.maxCatchUpRounds && duration > settings.electionTimeoutMs;
    if (isTooSlow || duration > settings.maxCatchUpRoundMs) this.end(CatchUp.aborted);
  }

  private end(result: number): void {
    this.results.set(this.round!.id, result);
    this.round = null;
  }
}
