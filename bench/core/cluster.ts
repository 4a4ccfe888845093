import type { Logger, RaftNode } from '../../src-ts/core/api.ts';
import type { Proposals } from '../../src-ts/core/entry-batch.ts';
import { MemoryStorage } from '../../src-ts/core/log/memory-storage.ts';
import { LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD, type NodeId } from '../../src-ts/core/node-id.ts';
import { createRaftNode } from '../../src-ts/core/raft-node.ts';
import { EMPTY_CONF_STATE, StateType, type Message } from '../../src-ts/core/types.ts';

const QUIET: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warning: () => undefined,
  error: () => undefined,
};

/** Entries kept behind the applied index before the log is compacted. */
const ENTRIES_KEPT = 10_000;

interface Member {
  readonly raft: RaftNode;
  readonly storage: MemoryStorage;
}

/** Three cores in one process: messages by reference, durable at once, asynchronous storage mode as the server uses it. */
export class InMemoryCluster {
  private readonly members: readonly Member[];
  readonly leader: RaftNode;
  private readonly queue: Message[] = [];
  /** Entries applied at the leader. */
  applied = 0;

  constructor() {
    const voters = [1, 2, 3];
    const confState = { ...EMPTY_CONF_STATE, voters };
    this.members = voters.map((id) => {
      const storage = new MemoryStorage();
      storage.applySnapshot({ data: new Uint8Array(0), metadata: { confState, index: 1, term: 1 } });
      const raft = createRaftNode({
        id,
        electionTick: 10,
        heartbeatTick: 1,
        storage,
        applied: 1,
        asyncStorageWrites: true,
        maxSizePerMsg: 1_048_576,
        maxInflightMsgs: 256,
        maxInflightBytes: 64 * 1_048_576,
        checkQuorum: true,
        preVote: true,
        random: () => id,
        logger: QUIET,
      });
      return { raft, storage };
    });
    this.leader = this.members[0]!.raft;
    this.leader.campaign();
    this.settle();
    if (this.leader.state !== StateType.Leader) throw new Error('no leader was elected');
  }

  propose(proposals: Proposals): void {
    this.leader.propose(proposals);
  }

  /** Runs Readys, storage work and messages until nothing is left. */
  settle(): void {
    let busy = true;
    while (busy) {
      busy = false;
      for (const member of this.members) {
        if (!member.raft.hasReady()) continue;
        busy = true;
        this.handleReady(member);
      }
      this.deliver();
    }
  }

  private handleReady(member: Member): void {
    const { messages } = member.raft.ready();
    for (const message of messages) {
      if (message.to === LOCAL_APPEND_THREAD) this.appended(member, message);
      else if (message.to === LOCAL_APPLY_THREAD) this.appliedBy(member, message);
      else this.queue.push(message);
    }
  }

  private appended({ storage }: Member, message: Message): void {
    if (message.entries.length > 0) storage.append(message.entries);
    if (message.term !== 0)
      storage.setHardState({ term: message.term, vote: message.vote, commit: message.commit });
    for (const response of message.responses) this.queue.push(response);
  }

  private appliedBy({ raft, storage }: Member, message: Message): void {
    const last = message.entries[message.entries.length - 1]!.lastIndex;
    if (raft === this.leader) this.applied = last;
    for (const response of message.responses) this.queue.push(response);
    const compactTo = last - ENTRIES_KEPT;
    if (compactTo >= storage.firstIndex() + ENTRIES_KEPT) storage.compact(compactTo);
  }

  private deliver(): void {
    const { queue } = this;
    for (let i = 0; i < queue.length; i++) {
      const message = queue[i]!;
      this.member(message.to).raft.step(message);
    }
    queue.length = 0;
  }

  private member(id: NodeId): Member {
    return this.members[id - 1]!;
  }
}
