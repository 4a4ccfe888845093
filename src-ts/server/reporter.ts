import { EventCode } from '../core/codes.generated.ts';
import type { NodeId } from '../core/node-id.ts';
import { StateType, type SoftState } from '../core/types.ts';
import type { StateMachinePort } from './api.ts';

/** Tells the host of its role and of the leader, once a change. */
export class Reporter {
  private readonly port: StateMachinePort;
  private readonly leaderChanged: (lead: NodeId) => void;
  private state: StateType = StateType.Follower;
  private lead: NodeId = 0;

  constructor(port: StateMachinePort, leaderChanged: (lead: NodeId) => void) {
    this.port = port;
    this.leaderChanged = leaderChanged;
  }

  report(soft: SoftState): void {
    if (soft.raftState !== this.state) {
      this.state = soft.raftState;
      this.port.stateChanged(soft.raftState);
    }
    if (soft.lead !== this.lead) {
      this.lead = soft.lead;
      this.leaderChanged(soft.lead);
      this.port.event(EventCode.LEADER_CHANGED, soft.lead, '');
    }
  }
}
