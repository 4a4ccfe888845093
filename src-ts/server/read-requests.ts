/** Linearizable reads: a quorum round each turn for all that ask in it, and a lease from the last round where allowed. */
import { ErrorCode } from '../core/codes.generated.ts';
import type { ReadState } from '../core/types.ts';
import { ServerError, type Clock } from './api.ts';
import { WAITING_READS } from './limits.ts';

export interface ReadTarget {
  readonly hasLeader: boolean;
  /** The term in which this node leads and has committed an entry of its own; 0 when not. */
  readonly servingTerm: number;
  readonly committed: number;
  /** Why no lease may be trusted now, because of what a member is known to be; null when nothing speaks against it. */
  readonly leaseObstacle: string | null;
  request(context: Uint8Array): void;
}

interface Waiter {
  readonly resolve: (index: number) => void;
  readonly reject: (error: ServerError) => void;
}

/** Reads that share one quorum round. */
interface Round {
  readonly number: number;
  readonly begun: number;
  readonly term: number;
  readonly deadline: number;
  readonly waiters: Waiter[];
  sentAt: number;
}

/** Bound: WAITING_READS in all rounds together; one round a turn. */
export class ReadRequests {
  private readonly clock: Clock;
  private readonly target: ReadTarget;
  private readonly waitMs: number;
  private readonly retryMs: number;
  private readonly leaseMs: number;
  private readonly prefix: number;
  private nextNumber = 1;
  private rounds: Round[] = [];
  private waiting = 0;
  private collecting: Waiter[] = [];
  private leaseTerm = 0;
  private leaseEnd = 0;
  private leaseBarredUntil = 0;

  /** `prefix` (32 bits) tells this node's rounds from those of others in the contexts. `leaseMs` 0: no leases. */
  constructor(
    clock: Clock,
    target: ReadTarget,
    times: { readonly waitMs: number; readonly retryMs: number; readonly leaseMs: number },
    prefix: number,
  ) {
    this.clock = clock;
    this.target = target;
    this.waitMs = times.waitMs;
    this.retryMs = times.retryMs;
    this.leaseMs = times.leaseMs;
    this.prefix = prefix;
  }

  read(kind: 'safe' | 'lease'): Promise<number> {
    if (kind === 'lease') {
      if (this.leaseMs === 0) {
        return Promise.reject(
          new ServerError(
            ErrorCode.UNSUPPORTED,
            'lease reads are not allowed by the configuration; use a safe read',
          ),
        );
      }
      const obstacle = this.target.leaseObstacle;
      if (obstacle !== null)
        return Promise.reject(new ServerError(ErrorCode.UNSUPPORTED, `${obstacle}; use a safe read`));
      if (this.leaseHolds()) return Promise.resolve(this.target.committed);
    }
    if (this.waiting >= WAITING_READS) {
      return Promise.reject(
        new ServerError(ErrorCode.BUSY, `${WAITING_READS} reads wait for their index already`),
      );
    }
    return new Promise((resolve, reject) => {
      this.waiting++;
      this.collecting.push({ resolve, reject });
    });
  }

  private leaseHolds(): boolean {
    const { target } = this;
    return (
      target.servingTerm !== 0 && target.servingTerm === this.leaseTerm && this.clock.now() < this.leaseEnd
    );
  }

  /** A transfer of leadership may depose a leader within its lease. */
  suspendLease(forMs: number): void {
    this.leaseEnd = 0;
    this.leaseBarredUntil = this.clock.now() + forMs;
  }

  /** Starts the round of those that asked in this turn. */
  flush(): void {
    if (this.collecting.length === 0 || !this.target.hasLeader) return;
    const now = this.clock.now();
    const round: Round = {
      number: this.nextNumber++,
      begun: now,
      term: this.target.servingTerm,
      deadline: now + this.waitMs,
      waiters: this.collecting,
      sentAt: now,
    };
    this.collecting = [];
    this.rounds.push(round);
    this.target.request(this.contextOf(round.number));
  }

  private contextOf(number: number): Uint8Array {
    const context = new Uint8Array(12);
    const view = new DataView(context.buffer);
    view.setUint32(0, this.prefix);
    view.setBigUint64(4, BigInt(number));
    return context;
  }

  private numberOf(context: Uint8Array): number {
    if (context.length !== 12) return 0;
    const view = new DataView(context.buffer, context.byteOffset, 12);
    return view.getUint32(0) === this.prefix ? Number(view.getBigUint64(4)) : 0;
  }

  /** A round that is answered answers all before it, too: its index is not below theirs. */
  answered(states: readonly ReadState[]): void {
    for (const state of states) {
      const number = this.numberOf(state.requestContext);
      while (this.rounds.length > 0 && this.rounds[0]!.number <= number) {
        const round = this.rounds.shift()!;
        if (round.number === number) this.renewLease(round);
        this.waiting -= round.waiters.length;
        for (const waiter of round.waiters) waiter.resolve(state.index);
      }
    }
  }

  /** Followers refuse votes for an election timeout after they heard the leader, which was after the round began. */
  private renewLease(round: Round): void {
    if (this.clock.now() < this.leaseBarredUntil) return;
    if (round.term === 0 || round.term !== this.target.servingTerm) return;
    this.leaseTerm = round.term;
    this.leaseEnd = Math.max(this.leaseEnd, round.begun + this.leaseMs);
  }

  /** Every tick: requests are messages that may be lost, and a new leader knows nothing of them. */
  tick(): void {
    const now = this.clock.now();
    this.flush();
    while (this.rounds.length > 0 && this.rounds[0]!.deadline <= now) this.rejectRound(this.rounds.shift()!);
    const last = this.rounds[this.rounds.length - 1];
    if (last !== undefined && this.target.hasLeader && now - last.sentAt >= this.retryMs) {
      last.sentAt = now;
      this.target.request(this.contextOf(last.number));
    }
    if (this.collecting.length > 0 && !this.target.hasLeader) {
      this.rounds.push({
        number: this.nextNumber++,
        begun: now,
        term: 0,
        deadline: now + this.waitMs,
        waiters: this.collecting,
        sentAt: -Infinity,
      });
      this.collecting = [];
    }
  }

  private rejectRound(round: Round): void {
    this.waiting -= round.waiters.length;
    const error = this.target.hasLeader
      ? new ServerError(ErrorCode.TIMEOUT, 'no quorum confirmed the leader in time')
      : new ServerError(ErrorCode.NO_LEADER, 'the cluster has no leader now');
    for (const waiter of round.waiters) waiter.reject(error);
  }

  end(error: ServerError): void {
    for (const round of this.rounds.splice(0)) for (const waiter of round.waiters) waiter.reject(error);
    for (const waiter of this.collecting.splice(0)) waiter.reject(error);
    this.waiting = 0;
  }
}
