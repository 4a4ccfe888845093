/** Passing leadership on. */
import type { RaftNode } from '../core/api.ts';
import { ErrorCode } from '../core/codes.generated.ts';
import { nodeIdToBigint, type NodeId } from '../core/node-id.ts';
import { StateType } from '../core/types.ts';
import { ServerError } from './api.ts';
import type { Engine } from './engine.ts';
import { TRANSFER_ELECTIONS } from './limits.ts';

/** The voter that is nearest to the end of the log; 0 when none has been heard of lately. */
export function bestSuccessor(node: RaftNode): NodeId {
  let best: NodeId = 0;
  let match = -1;
  for (const peer of node.status().progress) {
    if (peer.id === node.id || peer.isLearner || !peer.recentActive || peer.match <= match) continue;
    best = peer.id;
    match = peer.match;
  }
  return best;
}

interface Transfer {
  readonly to: NodeId;
  readonly deadline: number;
  readonly resolve: () => void;
  readonly reject: (error: ServerError) => void;
}

/** One transfer at a time; the next asked for ends the one before. */
export class Leadership {
  private readonly engine: Engine;
  private pending: Transfer | null = null;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  transfer(to: NodeId): Promise<void> {
    const { node, members, environment, electionMs } = this.engine;
    const member = members.current.members.get(to);
    if (member === undefined || member.learner) {
      const name = `member ${String(nodeIdToBigint(to))}`;
      const text = member === undefined ? `${name} does not exist` : `${name} is a learner and cannot lead`;
      return Promise.reject(
        new ServerError(member === undefined ? ErrorCode.UNKNOWN_MEMBER : ErrorCode.REJECTED, text),
      );
    }
    if (node.lead === to) return Promise.resolve();
    if (node.lead === 0)
      return Promise.reject(new ServerError(ErrorCode.NO_LEADER, 'there is no leader that could hand over'));
    this.end(new ServerError(ErrorCode.REJECTED, 'another transfer of leadership was asked for'));
    return new Promise((resolve, reject) => {
      const deadline = environment.clock.now() + TRANSFER_ELECTIONS * electionMs;
      this.pending = { to, deadline, resolve, reject };
      node.transferLeader(to);
      this.engine.schedule();
    });
  }

  /** Resolves when this server no longer leads, or after an election timeout. */
  async handOver(): Promise<void> {
    const { node, environment, electionMs } = this.engine;
    if (node.state !== StateType.Leader) return;
    const successor = bestSuccessor(node);
    if (successor === 0) return;
    const deadline = environment.clock.now() + electionMs;
    node.transferLeader(successor);
    this.engine.schedule();
    while (
      node.state === StateType.Leader &&
      environment.clock.now() < deadline &&
      this.engine.phase !== 'ended'
    ) {
      await new Promise<void>((resolve) => {
        environment.clock.setTimer(this.engine.config.tickMs / 4, resolve);
      });
    }
  }

  leaderChanged(lead: NodeId): void {
    if (this.pending?.to !== lead) return;
    this.pending.resolve();
    this.pending = null;
  }

  tick(): void {
    if (this.pending === null || this.engine.environment.clock.now() < this.pending.deadline) return;
    this.end(new ServerError(ErrorCode.TIMEOUT, 'leadership was not taken over in time'));
  }

  end(error: ServerError): void {
    this.pending?.reject(error);
    this.pending = null;
  }
}
