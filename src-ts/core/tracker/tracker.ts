import type { NodeId } from '../node-id.ts';
import { jointCommittedIndex, jointVoteResult, type JointVoters } from '../quorum/joint.ts';
import type { AckedIndex, VoteResult } from '../quorum/majority.ts';
import { EMPTY_CONFIGURATION, type Configuration } from './configuration.ts';
import { Inflights } from './inflights.ts';
import { Progress } from './progress.ts';

export type ProgressMap = ReadonlyMap<NodeId, Progress>;

/** The active configuration with what is known of each member, and the votes of the running election. */
export class ProgressTracker {
  configuration: Configuration = EMPTY_CONFIGURATION;
  private progressById: ProgressMap = new Map();
  /** Members in ascending order of id: everything that is sent to all is sent in this order. */
  ids: readonly NodeId[] = [];
  /** The voters of both halves, in the form that counting needs. */
  voters: JointVoters = { incoming: [], outgoing: [] };
  votes = new Map<NodeId, boolean>();
  readonly maxInflightMsgs: number;
  readonly maxInflightBytes: number;
  private readonly matchOf: AckedIndex = (id) => this.progressById.get(id)?.match;

  constructor(maxInflightMsgs: number, maxInflightBytes: number) {
    this.maxInflightMsgs = maxInflightMsgs;
    this.maxInflightBytes = maxInflightBytes;
  }

  get progress(): ProgressMap {
    return this.progressById;
  }

  get(id: NodeId): Progress | undefined {
    return this.progressById.get(id);
  }

  /** Takes over a configuration that the changer has checked. */
  replace(configuration: Configuration, progress: ProgressMap): void {
    this.configuration = configuration;
    this.progressById = progress;
    this.voters = { incoming: [...configuration.incoming], outgoing: [...configuration.outgoing] };
    this.ids = [...progress.keys()].sort((a, b) => a - b);
  }

  newProgress(match: number, next: number, isLearner: boolean): Progress {
    return new Progress(match, next, new Inflights(this.maxInflightMsgs, this.maxInflightBytes), isLearner);
  }

  /** Forgets all positions: a new term begins. `own` is durable nowhere but here. */
  resetAll(own: NodeId, lastIndex: number): void {
    const fresh = new Map<NodeId, Progress>();
    for (const [id, progress] of this.progressById) {
      fresh.set(id, this.newProgress(id === own ? lastIndex : 0, lastIndex + 1, progress.isLearner));
    }
    this.progressById = fresh;
    this.votes = new Map();
  }

  get isSingleton(): boolean {
    return this.configuration.incoming.size === 1 && this.configuration.outgoing.size === 0;
  }

  committedIndex(): number {
    return jointCommittedIndex(this.voters, this.matchOf);
  }

  quorumActive(): boolean {
    const votes = new Map<NodeId, boolean>();
    for (const [id, progress] of this.progressById)
      if (!progress.isLearner) votes.set(id, progress.recentActive);
    return jointVoteResult(this.voters, votes) === 'won';
  }

  /** The first vote of a node counts. */
  recordVote(id: NodeId, granted: boolean): void {
    if (!this.votes.has(id)) this.votes.set(id, granted);
  }

  voteResult(): VoteResult {
    return jointVoteResult(this.voters, this.votes);
  }
}
