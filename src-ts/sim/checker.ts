import type { EntryBatch } from '../core/entry-batch.ts';
import type { NodeId } from '../core/node-id.ts';
import type { ConfState } from '../core/types.ts';

/** A property that Raft promises does not hold. The seed in the text replays it. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation';
}

export interface DurableLog {
  readonly id: NodeId;
  /** Term of the durable entry at `index`: 0 when absent, -1 when it is covered by a durable snapshot. */
  durableTerm(index: number): number;
}

interface KnownEntry {
  readonly previousTerm: number;
  readonly hash: number;
}

/** FNV-1a over encoded bytes. */
export function hashBytes(bytes: Uint8Array, start: number, end: number, seed = 0x811c_9dc5): number {
  let hash = seed;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x0100_0193);
  return hash >>> 0;
}

const TERM_FACTOR = 2 ** 28;

/**
 * What is true of the whole cluster, checked incrementally after each step. By induction over (index, term, previous
 * term) log matching holds when no two entries of one index and term differ in content or in what precedes them.
 */
export class Checker {
  private readonly leaders = new Map<number, NodeId>();
  private readonly known = new Map<number, KnownEntry>();
  /** Term of the committed entry at each index, from the first step on. */
  private readonly committedTerms: number[] = [0];
  /** State hash after applying the entry at each index. */
  private readonly appliedHashes = new Map<number, number>([[0, 0]]);
  elections = 0;

  get committed(): number {
    return this.committedTerms.length - 1;
  }

  committedTerm(index: number): number | undefined {
    return this.committedTerms[index];
  }

  /** The entry that the first configuration came with: committed before the first step. */
  bootstrapped(index: number, term: number): void {
    this.committedTerms[index] = term;
  }

  /** Raft, section 5.2: at most one leader a term; section 5.4: it has every committed entry. */
  becameLeader(id: NodeId, term: number, termAt: (index: number) => number): void {
    const other = this.leaders.get(term);
    if (other !== undefined && other !== id) {
      throw new InvariantViolation(`election safety: nodes ${other} and ${id} both lead term ${term}`);
    }
    if (other === undefined) this.elections++;
    this.leaders.set(term, id);
    const index = this.committed;
    const mine = termAt(index);
    if (index > 0 && mine !== -1 && mine !== this.committedTerms[index]) {
      throw new InvariantViolation(
        `leader completeness: node ${id} leads term ${term} with term ${mine} at committed index ${index} (committed with term ${this.committedTerms[index]})`,
      );
    }
  }

  /** Raft, section 5.3: log matching. `termBefore` is the term of the entry before the first batch. */
  appended(id: NodeId, batches: readonly EntryBatch[], termBefore: number): void {
    let previousTerm = termBefore;
    for (const batch of batches) {
      for (let i = 0; i < batch.count; i++) {
        const index = batch.firstIndex + i;
        const key = index + batch.term * TERM_FACTOR;
        const hash = hashBytes(batch.bytes, batch.start(i), batch.end(i));
        const known = this.known.get(key);
        if (known === undefined) this.known.set(key, { previousTerm, hash });
        else if (known.hash !== hash) {
          throw new InvariantViolation(
            `log matching: node ${id} has another entry at index ${index} of term ${batch.term}`,
          );
        } else if (previousTerm !== -1 && known.previousTerm !== -1 && known.previousTerm !== previousTerm) {
          throw new InvariantViolation(
            `log matching: node ${id} has index ${index} of term ${batch.term} after term ${previousTerm}, another after ${known.previousTerm}`,
          );
        }
        previousTerm = batch.term;
      }
    }
  }

  /** Raft, section 5.4.2: a leader counts only for entries of its own term; older ones are committed along with them. */
  leaderCommitted(id: NodeId, term: number, index: number, entryTerm: number): void {
    if (entryTerm !== term) {
      throw new InvariantViolation(
        `commit rule: node ${id}, leader of term ${term}, commits index ${index} of term ${entryTerm} by counting`,
      );
    }
  }

  /**
   * A node's commit index moved to `to`. What is committed anew must be durable on a quorum of `configuration`; what
   * was committed before must be the same entry.
   */
  nodeCommitted(
    id: NodeId,
    from: number,
    to: number,
    termAt: (index: number) => number,
    logs: readonly DurableLog[],
    configuration: ConfState | null,
  ): void {
    for (let index = from + 1; index <= to; index++) {
      const term = termAt(index);
      const known = this.committedTerms[index];
      if (term === -1) {
        if (known === undefined) {
          throw new InvariantViolation(`node ${id} has a snapshot up to ${index}, which was never committed`);
        }
        continue;
      }
      if (known !== undefined) {
        if (known !== term) {
          throw new InvariantViolation(
            `state machine safety: node ${id} commits term ${term} at index ${index}, committed before with term ${known}`,
          );
        }
        continue;
      }
      if (configuration !== null) this.checkDurable(id, index, term, logs, configuration);
      this.committedTerms.push(term);
      if (this.committedTerms.length - 1 !== index) {
        throw new InvariantViolation(
          `node ${id} commits index ${index} past a gap at ${this.committedTerms.length - 1}`,
        );
      }
    }
  }

  private checkDurable(
    id: NodeId,
    index: number,
    term: number,
    logs: readonly DurableLog[],
    conf: ConfState,
  ): void {
    for (const voters of [conf.voters, conf.votersOutgoing]) {
      if (voters.length === 0) continue;
      let durable = 0;
      for (const log of logs) {
        if (!voters.includes(log.id)) continue;
        const durableTerm = log.durableTerm(index);
        if (durableTerm === -1 || durableTerm === term) durable++;
      }
      if (durable < Math.floor(voters.length / 2) + 1) {
        throw new InvariantViolation(
          `durability: node ${id} commits index ${index} of term ${term}, durable on ${durable} of the ${voters.length} voters ${voters.join(' ')}`,
        );
      }
    }
  }

  /** Every state machine goes through the same states. */
  applied(id: NodeId, index: number, stateHash: number): void {
    const known = this.appliedHashes.get(index);
    if (known === undefined) this.appliedHashes.set(index, stateHash);
    else if (known !== stateHash)
      throw new InvariantViolation(`state machine safety: node ${id} differs after index ${index}`);
  }

  /** A read index answers with at least what was committed when it was asked (thesis, section 6.4). */
  readIndex(id: NodeId, index: number, committedWhenAsked: number): void {
    if (index < committedWhenAsked) {
      throw new InvariantViolation(
        `read index: node ${id} may read at ${index}, but ${committedWhenAsked} was committed when it asked`,
      );
    }
  }
}
