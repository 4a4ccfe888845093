/** Proposals of the own host and of other nodes, from the core's door to their outcome. */
import { ErrorCode } from '../core/codes.generated.ts';
import type { Proposals } from '../core/entry-batch.ts';
import type { NodeId } from '../core/node-id.ts';
import { encodeConfChange, encodeConfChangeV2, isConfChangeV2 } from '../core/raftpb/conf-change.ts';
import { EntryType, proposalsOf } from '../core/entry-batch.ts';
import { StateType, type ConfChange, type ConfChangeV2, type Message } from '../core/types.ts';
import type { ForwardedOutcome } from '../transport/types.ts';
import type { Outcome } from './api.ts';
import { isPolyraft, type Engine } from './engine.ts';
import { decodeForwardContext, encodeForwardContext } from './forward-context.ts';
import { ForwardTable } from './forward-table.ts';
import {
  BLIND_FORWARDS,
  FORWARD_BLIND_ELECTIONS,
  FORWARD_ELECTIONS,
  FORWARDED_BYTES,
  FORWARDED_MESSAGES,
  TRACKED_RANGES,
  TURN_BYTES,
  UNDECIDED_ELECTIONS,
} from './limits.ts';
import { OutcomeTracker, type CommittedLog } from './outcome-tracker.ts';
import { OwnProposals } from './own-proposals.ts';
import type { ProposeResult } from './proposal-intake.ts';
import { isDropped } from './step-error.ts';

/** Stands for a membership change among the numbers of proposals. */
const CHANGE = -2;
const NOBODY = -1;

export interface ProposingTarget {
  /** Room for more entries in the log: uncommitted and unapplied bytes are below their bounds. */
  hasRoom(): boolean;
  readonly committedLog: CommittedLog;
  /** The outcome of a proposed membership change; index 0 when it has none. */
  changeDecided(index: number, code: ErrorCode): void;
}

export class Proposing {
  private readonly engine: Engine;
  private readonly target: ProposingTarget;
  private readonly tracker: OutcomeTracker;
  private readonly forwards: ForwardTable;
  /** With outcomesWithEntries: proposals whose outcome comes with their entry. */
  readonly own: OwnProposals | null;
  private outcomes: Outcome[] = [];
  private readonly answers = new Map<NodeId, ForwardedOutcome[]>();
  /** Proposed in this turn, and not yet part of a Ready. */
  turnBytes = 0;

  constructor(engine: Engine, target: ProposingTarget) {
    this.engine = engine;
    this.target = target;
    const local = this.decidedLocally.bind(this);
    this.tracker = new OutcomeTracker({ local, forwarded: this.decidedForwarded.bind(this) });
    const { random } = engine.environment;
    this.forwards = new ForwardTable(random(2 ** 30) * 2 ** 22 + 1, local);
    const { outcomesWithEntries } = engine.config;
    this.own =
      outcomesWithEntries === true
        ? new OwnProposals((sequence, code) => {
            this.outcomes.push({ sequence, index: 0, term: 0, code });
          })
        : null;
  }

  /** False when this turn has had its share, or the leader has not answered what was forwarded. */
  get hasRoom(): boolean {
    return (
      this.turnBytes < TURN_BYTES &&
      this.forwards.openBytes < FORWARDED_BYTES &&
      this.forwards.openMessages < FORWARDED_MESSAGES &&
      this.forwards.size < BLIND_FORWARDS
    );
  }

  propose(proposals: Proposals, sequences: Float64Array | null, bytes: number): ProposeResult {
    const { node, config } = this.engine;
    if (config.leaderOnly === true && node.state !== StateType.Leader) return 'not-leader';
    if (node.lead === 0) return 'no-leader';
    if (!this.hasRoom) return 'no-room';
    return node.state === StateType.Leader
      ? this.append(proposals, sequences, bytes)
      : this.forward(proposals, sequences, bytes);
  }

  private append(proposals: Proposals, sequences: Float64Array | null, bytes: number): ProposeResult {
    if (!this.target.hasRoom()) return 'no-room';
    const { node } = this.engine;
    const firstIndex = node.lastIndex + 1;
    if (!this.accepted(() => node.propose(proposals)))
      return this.engine.config.leaderOnly === true ? 'not-leader' : 'no-leader';
    if (sequences !== null) {
      if (this.own !== null && proposals.types === null) this.own.track(firstIndex, node.term, sequences);
      else this.tracker.trackLocal(firstIndex, node.term, sequences);
    }
    this.turnBytes += bytes;
    this.engine.schedule();
    return 'done';
  }

  private forward(proposals: Proposals, sequences: Float64Array | null, bytes: number): ProposeResult {
    const { node, environment, electionMs, transport, config } = this.engine;
    const { lead } = node;
    const answers = isPolyraft(transport, lead) !== false;
    const context = encodeForwardContext(config.id, this.forwards.sequence);
    if (!this.accepted(() => node.propose(proposals, context))) return 'no-leader';
    const elections = answers ? FORWARD_ELECTIONS : FORWARD_BLIND_ELECTIONS;
    const deadline = environment.clock.now() + elections * electionMs;
    this.forwards.add(lead, answers, proposals.count, bytes, sequences, deadline);
    this.turnBytes += bytes;
    this.engine.schedule();
    return 'done';
  }

  /** Where the change was appended when this node leads. */
  proposeChange(
    change: ConfChange | ConfChangeV2,
  ): { readonly index: number; readonly term: number } | 'forwarded' | 'no-leader' {
    const { node } = this.engine;
    if (node.lead === 0) return 'no-leader';
    const proposals = isConfChangeV2(change)
      ? proposalsOf([encodeConfChangeV2(change)], Uint8Array.of(EntryType.ConfChangeV2))
      : proposalsOf([encodeConfChange(change)], Uint8Array.of(EntryType.ConfChange));
    const index = node.lastIndex + 1;
    const { term } = node;
    const leads = node.state === StateType.Leader;
    const sequences = Float64Array.of(CHANGE);
    const result = leads ? this.append(proposals, sequences, 0) : this.forward(proposals, sequences, 0);
    if (result !== 'done') return 'no-leader';
    return leads ? { index, term } : 'forwarded';
  }

  private accepted(propose: () => void): boolean {
    try {
      propose();
      return true;
    } catch (error) {
      if (isDropped(error)) return false;
      throw error;
    }
  }

  /** A MsgProp from another node. */
  stepForwarded(message: Message): void {
    const { engine } = this;
    const { node } = engine;
    let count = 0;
    for (const batch of message.entries) count += batch.count;
    if (count === 0) return;
    const context = decodeForwardContext(message.context);
    const firstIndex = node.lastIndex + 1;
    const leads = node.state === StateType.Leader;
    const full = leads && (!this.target.hasRoom() || this.tracker.size >= TRACKED_RANGES);
    if (full || engine.step(message) !== 'ok') {
      const code = full ? ErrorCode.BUSY : ErrorCode.REJECTED;
      if (context !== null) this.answer(context.origin, context.sequence + count - 1, 0, 0, code);
      return;
    }
    const appended = leads && node.lastIndex === firstIndex + count - 1;
    if (appended) engine.counters.forwardedTaken += count;
    if (context !== null && appended) {
      this.tracker.trackForwarded(firstIndex, node.term, count, context.origin, context.sequence);
    }
  }

  takeForwardedOutcomes(outcomes: readonly ForwardedOutcome[]): void {
    this.forwards.take(outcomes);
  }

  private decidedLocally(
    sequences: Float64Array,
    from: number,
    count: number,
    index: number,
    term: number,
    code: ErrorCode,
  ): void {
    for (let i = 0; i < count; i++) {
      const sequence = sequences[from + i]!;
      if (sequence >= 0) this.outcomes.push({ sequence, index: index === 0 ? 0 : index + i, term, code });
      else if (sequence === CHANGE) this.target.changeDecided(index, code);
    }
  }

  private decidedForwarded(
    origin: NodeId,
    lastSequence: number,
    lastIndex: number,
    term: number,
    code: ErrorCode,
  ): void {
    this.answer(origin, lastSequence, lastIndex, term, code);
  }

  private answer(origin: NodeId, sequence: number, index: number, term: number, code: ErrorCode): void {
    const outcome = { sequence, index, term, code };
    const waiting = this.answers.get(origin);
    if (waiting === undefined) this.answers.set(origin, [outcome]);
    else waiting.push(outcome);
  }

  /** Ends proposals that never reached the core. */
  refuse(sequences: Float64Array, code: ErrorCode): void {
    for (const sequence of sequences) {
      if (sequence > NOBODY) this.outcomes.push({ sequence, index: 0, term: 0, code });
    }
    this.engine.schedule();
  }

  /** Decides what the log decides. Only when the core has nothing more to hand out: see CommittedLog. */
  settle(): void {
    if (this.tracker.size > 0) this.tracker.settle(this.target.committedLog);
  }

  /** This node has ceased to lead. */
  leadershipLost(): void {
    this.own?.leadershipLost(this.engine.node.committed);
  }

  leaderChanged(lead: NodeId): void {
    const { environment, electionMs } = this.engine;
    this.forwards.leaderChanged(lead, environment.clock.now() + FORWARD_BLIND_ELECTIONS * electionMs);
  }

  tick(): void {
    const { environment, electionMs } = this.engine;
    const now = environment.clock.now();
    this.forwards.expire(now);
    this.tracker.expire(this.target.committedLog.leadingTerm, now, UNDECIDED_ELECTIONS * electionMs);
  }

  /** What may or may not be committed later ends as unknown. */
  endAll(): void {
    this.tracker.endAll(ErrorCode.UNKNOWN_OUTCOME);
    this.own?.endAll(ErrorCode.UNKNOWN_OUTCOME);
    this.forwards.endAll(ErrorCode.UNKNOWN_OUTCOME);
  }

  private count(outcomes: readonly Outcome[]): void {
    const { counters } = this.engine;
    for (const { code } of outcomes) {
      if (code === ErrorCode.OK) counters.committed++;
      else if (code === ErrorCode.UNKNOWN_OUTCOME) counters.unknown++;
      else counters.rejected++;
    }
  }

  /** One call a turn with everything that was decided in it. */
  flush(): void {
    if (this.outcomes.length > 0) {
      const { outcomes } = this;
      this.count(outcomes);
      this.outcomes = [];
      this.engine.port.outcomes(outcomes);
    }
    if (this.answers.size > 0) {
      for (const [origin, outcomes] of this.answers)
        this.engine.transport.sendForwardedOutcomes(origin, outcomes);
      this.answers.clear();
    }
  }
}
