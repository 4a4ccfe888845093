import { EventCode } from '../core/codes.generated.ts';
import type { NodeId } from '../core/node-id.ts';
import { StateType, type SoftState } from '../core/types.ts';
import type { StateMachinePort } from './api.ts';
import type { Counters } from './counters.ts';

export interface LeadershipTarget {
  /** This node led, and does not any more; before the host is told. */
  leadershipLost(): void;
  leaderChanged(lead: NodeId): void;
}

/** Tells the host of its role and of the leader, once a change. */
export class Reporter {
  private readonly port: StateMachinePort;
  private readonly counters: Counters;
  private readonly target: LeadershipTarget;
  private state: StateType = StateType.Follower;
  private lead: NodeId = 0;

  constructor(port: StateMachinePort, counters: Counters, target: LeadershipTarget) {
    this.port = port;
    this.counters = counters;
    this.target = target;
  }

  report(soft: SoftState): void {
    if (soft.raftState !== this.state) {
      if (this.state === StateType.Leader) this.target.leadershipLost();
      this.state = soft.raftState;
      this.port.stateChanged(soft.raftState);
    }
    if (soft.lead !== this.lead) {
      if (soft.lead === 0) this.counters.leaderLosses++;
      else this.counters.leaderChanges++;
      this.lead = soft.lead;
      this.target.leaderChanged(soft.lead);
      this.port.event(EventCode.LEADER_CHANGED, soft.lead, '');
    }
  }
}
