import type { NodeId } from '../core/node-id.ts';
import type { Message } from '../core/types.ts';
import type { SeededRandom } from './random.ts';

/** Most messages under way at once; beyond it the oldest slots are lost, as a full queue would lose them. */
const MAX_IN_FLIGHT = 400;

/** Messages under way between simulated nodes: taken in any order, lost, repeated, cut off in one or both directions. */
export class SimNetwork {
  private readonly inFlight: Message[] = [];
  private readonly blocked = new Set<string>();
  lossProbability = 0;
  duplicateProbability = 0;
  /** Probability that the message taken is a random one, not the oldest. */
  reorderProbability = 0;
  private readonly random: SeededRandom;

  constructor(random: SeededRandom) {
    this.random = random;
  }

  get size(): number {
    return this.inFlight.length;
  }

  send(message: Message): void {
    if (this.inFlight.length >= MAX_IN_FLIGHT) this.inFlight.shift();
    this.inFlight.push(message);
    if (this.duplicateProbability > 0 && this.random.chance(this.duplicateProbability))
      this.inFlight.push(message);
  }

  /** The next message to deliver, or null when it was lost or blocked on the way. */
  take(): Message | null {
    if (this.inFlight.length === 0) return null;
    const reorder = this.reorderProbability > 0 && this.random.chance(this.reorderProbability);
    const at = reorder ? this.random.below(this.inFlight.length) : 0;
    const message = this.inFlight[at]!;
    this.inFlight.splice(at, 1);
    if (this.lossProbability > 0 && this.random.chance(this.lossProbability)) return null;
    return this.blocked.has(`${message.from}>${message.to}`) ? null : message;
  }

  block(from: NodeId, to: NodeId): void {
    this.blocked.add(`${from}>${to}`);
  }

  /** Cuts the nodes in `side` off from all others, in both directions or only outwards. */
  partition(side: readonly NodeId[], others: readonly NodeId[], oneWay: boolean): void {
    for (const a of side) {
      for (const b of others) {
        this.block(a, b);
        if (!oneWay) this.block(b, a);
      }
    }
  }

  heal(): void {
    this.blocked.clear();
  }

  get partitioned(): boolean {
    return this.blocked.size > 0;
  }

  calm(): void {
    this.heal();
    this.lossProbability = 0;
    this.duplicateProbability = 0;
    this.reorderProbability = 0;
  }
}
