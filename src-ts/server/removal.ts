/** What happens when this server is removed from its cluster: it tells the host and leaves the consensus, but lives on. */
import { nodeIdToHex, type NodeId } from '../core/node-id.ts';
import { StateType } from '../core/types.ts';
import type { Engine } from './engine.ts';
import { bestSuccessor } from './leadership.ts';
import { REMOVAL_ELECTIONS } from './limits.ts';

export interface RemovalTarget {
  /** The server is out: event, outcomes, state. Called once. `index` is the change's, 0 when peers told us. */
  removed(index: number): void;
  /** Nothing keeps it in the consensus any more. Called once, after `removed`. */
  detached(): void;
}

export class Removal {
  private readonly engine: Engine;
  private readonly target: RemovalTarget;
  private readonly witnesses = new Set<NodeId>();
  private index = 0;
  private isOut = false;
  private isDetached = false;
  private deadline = 0;

  constructor(engine: Engine, target: RemovalTarget) {
    this.engine = engine;
    this.target = target;
  }

  /** No longer steps the core. */
  get detached(): boolean {
    return this.isDetached;
  }

  /** The entry that removes this server has been applied here (or had been, before a restart). */
  applied(index: number): void {
    if (this.isOut) return;
    this.index = index;
    this.isOut = true;
    const { engine } = this;
    this.deadline = engine.environment.clock.now() + REMOVAL_ELECTIONS * engine.electionMs;
    this.target.removed(index);
    // A leader stays until the others have the entry: else they would have to wait for an election.
    if (engine.node.state !== StateType.Leader) this.detach();
  }

  /**
   * A peer refuses us as a removed member. One peer may be wrong (or of a cluster that was rebuilt): believed once more
   * than half of the other voters say so, which is a quorum of what the cluster is without us.
   */
  toldBy(peer: NodeId): void {
    if (this.isOut) return;
    const others = this.otherVoters();
    if (!others.includes(peer)) return;
    this.witnesses.add(peer);
    const agreeing = others.filter((id) => this.witnesses.has(id)).length;
    this.engine.environment.logger.warning(
      `peer ${nodeIdToHex(peer)} says that this server has been removed`,
    );
    if (agreeing <= others.length / 2) return;
    this.isOut = true;
    this.target.removed(0);
    this.detach();
  }

  /** One that joins and has heard nothing yet knows the configured ones only. */
  private otherVoters(): NodeId[] {
    const { members, config } = this.engine;
    const known = [...members.current.members.values()].filter((member) => !member.learner);
    const voters = known.length > 0 ? known : config.peers;
    return voters.map((voter) => voter.id).filter((id) => id !== config.id);
  }

  /** A message of the consensus from this peer: it does not think so (any more). */
  contradictedBy(peer: NodeId): void {
    if (this.witnesses.size > 0) this.witnesses.delete(peer);
  }

  tick(): void {
    if (!this.isOut || this.isDetached) return;
    const { node, environment } = this.engine;
    if (node.state !== StateType.Leader || environment.clock.now() >= this.deadline) {
      this.detach();
      return;
    }
    const { progress } = node.status();
    const others = progress.filter((peer) => peer.id !== node.id && !peer.isLearner);
    if (others.every((peer) => peer.match >= this.index || !peer.recentActive)) {
      const successor = bestSuccessor(node);
      if (successor !== 0) node.transferLeader(successor);
      this.engine.schedule();
    }
  }

  private detach(): void {
    this.isDetached = true;
    this.target.detached();
  }
}
