/** Membership changes asked for by the own host: checked, proposed (or forwarded), and answered when applied here. */
import { ErrorCode } from '../core/codes.generated.ts';
import type { NodeId } from '../core/node-id.ts';
import { nodeIdToBigint } from '../core/node-id.ts';
import { isConfChangeV2 } from '../core/raftpb/conf-change.ts';
import { ConfChangeTransition, ConfChangeType, type ConfChange, type ConfChangeV2 } from '../core/types.ts';
import { noTls, parsePeerUrl } from '../transport/peer-url.ts';
import { ServerError, type Clock, type MemberChange, type MemberOperation } from './api.ts';
import { textOf } from './errors.ts';
import { decodeJointContext, encodeJointContext } from './joint-context.ts';
import { leavesJoint, type Membership } from './membership.ts';

export interface ChangeTarget {
  readonly membership: Membership;
  /**
   * Proposes the change. `appended`: the entry's index and term are known (this node leads); `forwarded`: it is on its
   * way to the leader; `no-leader`: try again later.
   */
  propose(
    change: ConfChange | ConfChangeV2,
  ): { readonly index: number; readonly term: number } | 'forwarded' | 'no-leader';
  /** Whether a change must be asked for elsewhere, or not at all. */
  readonly isBarred: boolean;
  /** Whether an id that was removed may be added again. */
  readonly reusableIds: boolean;
  /** Whether https URLs can be dialled from here. */
  readonly hasTls: boolean;
}

interface PendingChange {
  readonly change: ConfChange | ConfChangeV2;
  /** Tells it from others. */
  readonly number: number;
  readonly deadline: number;
  readonly resolve: (index: number) => void;
  readonly reject: (error: ServerError) => void;
  /** Not proposed yet, for want of a leader. */
  waits: boolean;
  /** Where the leader appended it; 0 while that is not known. */
  index: number;
  /** Index at which its joint configuration was entered; 0 before, and for a change of one member. */
  entered: number;
}

const TYPE: Record<MemberOperation, ConfChangeType> = {
  add: ConfChangeType.AddNode,
  remove: ConfChangeType.RemoveNode,
  update: ConfChangeType.UpdateNode,
  'add-learner': ConfChangeType.AddLearnerNode,
  promote: ConfChangeType.AddNode,
};

/** One at a time: the core takes a change only after the one before has been applied. */
export class MemberChanges {
  private readonly clock: Clock;
  private readonly target: ChangeTarget;
  private readonly waitMs: number;
  private nextId: number;
  private pending: PendingChange | null = null;

  /** `firstId` is random, so that no change of another node or of an earlier life has the same number. */
  constructor(clock: Clock, target: ChangeTarget, waitMs: number, firstId: number) {
    this.clock = clock;
    this.target = target;
    this.waitMs = waitMs;
    this.nextId = firstId;
  }

  change(operation: MemberOperation, id: NodeId, url: string | null): Promise<number> {
    return this.begin([{ operation, id, url }], (number) => ({
      id: number,
      type: TYPE[operation],
      nodeId: id,
      context: this.context(operation, id, url),
    }));
  }

  /** One change alone needs no joint configuration. */
  changeAll(changes: readonly MemberChange[]): Promise<number> {
    const [first] = changes;
    if (first === undefined) {
      return Promise.reject(new ServerError(ErrorCode.INVALID_ARGUMENT, 'no membership change was given'));
    }
    if (changes.length === 1) return this.change(first.operation, first.id, first.url);
    return this.begin(changes, (number) => {
      const urls = new Map<NodeId, string>();
      for (const { id, url } of changes) if (url !== null) urls.set(id, url);
      return {
        transition: ConfChangeTransition.Auto,
        changes: changes.map(({ operation, id }) => ({ type: TYPE[operation], nodeId: id })),
        context: encodeJointContext(number, urls),
      };
    });
  }

  private begin(
    changes: readonly MemberChange[],
    make: (number: number) => ConfChange | ConfChangeV2,
  ): Promise<number> {
    return new Promise((resolve, reject) => {
      const refusal = this.check(changes);
      if (refusal !== null) {
        reject(refusal);
        return;
      }
      const number = this.nextId++;
      this.pending = {
        change: make(number),
        number,
        deadline: this.clock.now() + this.waitMs,
        resolve,
        reject,
        waits: true,
        index: 0,
        entered: 0,
      };
      this.retry();
    });
  }

  private context(operation: MemberOperation, id: NodeId, url: string | null): Uint8Array | null {
    if (operation === 'remove') return null;
    const text = url ?? this.target.membership.members.get(id)?.urls[0] ?? '';
    return new TextEncoder().encode(text);
  }

  private check(changes: readonly MemberChange[]): ServerError | null {
    if (this.pending !== null) {
      return new ServerError(
        ErrorCode.CHANGE_PENDING,
        'another membership change of this server is not finished yet',
      );
    }
    const { membership, isBarred } = this.target;
    if (isBarred) return new ServerError(ErrorCode.NOT_LEADER, 'this server is not the leader');
    if (membership.members.size === 0) {
      return new ServerError(
        ErrorCode.NO_LEADER,
        'this server has not heard from the cluster that it joins yet',
      );
    }
    const ids = new Set<NodeId>();
    const urls = new Set<string>();
    for (const change of changes) {
      const refusal = this.checkOne(change);
      if (refusal !== null) return refusal;
      if (ids.has(change.id) || (change.url !== null && urls.has(change.url))) {
        return new ServerError(
          ErrorCode.INVALID_ARGUMENT,
          `member ${String(nodeIdToBigint(change.id))}: its id or URL stands in these changes twice`,
        );
      }
      ids.add(change.id);
      if (change.url !== null) urls.add(change.url);
    }
    return this.checkVoters(changes);
  }

  private checkVoters(changes: readonly MemberChange[]): ServerError | null {
    const voters = new Set<NodeId>();
    for (const member of this.target.membership.members.values()) if (!member.learner) voters.add(member.id);
    let last: NodeId = 0;
    for (const { operation, id } of changes) {
      if (operation === 'add' || operation === 'promote') voters.add(id);
      else if (operation === 'remove' && voters.delete(id)) last = id;
    }
    if (voters.size > 0) return null;
    const name = `member ${String(nodeIdToBigint(last))}`;
    return new ServerError(ErrorCode.REJECTED, `${name} is the last voter; a cluster cannot do without`);
  }

  private checkOne({ operation, id, url }: MemberChange): ServerError | null {
    const { membership } = this.target;
    const member = membership.members.get(id);
    const name = `member ${String(nodeIdToBigint(id))}`;
    if (id === 0) return new ServerError(ErrorCode.INVALID_ARGUMENT, 'a member id must not be 0');
    if (operation === 'add' || operation === 'add-learner') {
      if (member !== undefined) return new ServerError(ErrorCode.DUPLICATE_MEMBER, `${name} exists already`);
      if (membership.removed.has(id) && !this.target.reusableIds) {
        return new ServerError(
          ErrorCode.REJECTED,
          `${name} has been removed; a removed id cannot be used again`,
        );
      }
    } else if (member === undefined)
      return new ServerError(ErrorCode.UNKNOWN_MEMBER, `${name} does not exist`);
    else if (operation === 'promote' && !member.learner) {
      return new ServerError(ErrorCode.DUPLICATE_MEMBER, `${name} is a voter already`);
    }
    return operation === 'remove' || operation === 'promote' ? null : this.checkUrl(id, url);
  }

  private checkUrl(id: NodeId, url: string | null): ServerError | null {
    if (url === null)
      return new ServerError(
        ErrorCode.URL,
        'the member has no URL; give one as http://host:port or https://host:port',
      );
    try {
      if (parsePeerUrl(url).secure && !this.target.hasTls) throw noTls(url);
    } catch (error) {
      return new ServerError(ErrorCode.URL, textOf(error));
    }
    for (const other of this.target.membership.members.values()) {
      if (other.id !== id && other.urls.includes(url)) {
        return new ServerError(
          ErrorCode.URL,
          `${url} is the URL of member ${String(nodeIdToBigint(other.id))}`,
        );
      }
    }
    return null;
  }

  /** Proposes what waits for a leader; ends what has waited too long. Called on every tick and change of leader. */
  retry(): void {
    const { pending } = this;
    if (pending === null) return;
    if (pending.waits) {
      const result = this.target.propose(pending.change);
      if (result !== 'no-leader') {
        pending.waits = false;
        if (result !== 'forwarded') pending.index = result.index;
      }
    }
    if (this.clock.now() < pending.deadline) return;
    this.finish(
      pending.waits
        ? new ServerError(ErrorCode.NO_LEADER, 'the cluster has no leader that could change its members')
        : new ServerError(ErrorCode.TIMEOUT, 'the membership change is not applied yet; it may still be'),
    );
  }

  /** The outcome of the entry that holds the change. */
  decided(index: number, code: ErrorCode): void {
    const { pending } = this;
    if (pending === null || pending.waits) return;
    if (code === ErrorCode.OK) pending.index = index;
    else if (code !== ErrorCode.UNKNOWN_OUTCOME) {
      // Lost for certain: it is proposed again.
      pending.waits = true;
      pending.index = 0;
    }
  }

  /** A membership change was applied. */
  applied(index: number, change: ConfChange | ConfChangeV2): void {
    const { pending } = this;
    if (pending === null) return;
    if (pending.entered > 0) {
      if (leavesJoint(change)) this.done(pending.entered);
      return;
    }
    const ours = pending.change;
    if (isConfChangeV2(ours)) {
      if (isConfChangeV2(change) && decodeJointContext(change.context)?.number === pending.number)
        pending.entered = index;
      return;
    }
    if (isConfChangeV2(change)) return;
    if (change.id === ours.id && change.nodeId === ours.nodeId && change.type === ours.type) this.done(index);
  }

  private done(index: number): void {
    const { pending } = this;
    this.pending = null;
    pending?.resolve(index);
  }

  /**
   * Entries up to `index` have been applied. A change that should be among them and is not was refused: the core puts an
   * empty entry in the place of a change that comes while another is not applied.
   */
  progress(index: number): void {
    const { pending } = this;
    if (pending === null || pending.index === 0 || index < pending.index || pending.entered > 0) return;
    this.finish(new ServerError(ErrorCode.CHANGE_PENDING, 'another membership change is not finished yet'));
  }

  end(error: ServerError): void {
    this.finish(error);
  }

  private finish(error: ServerError): void {
    const { pending } = this;
    this.pending = null;
    pending?.reject(error);
  }
}
