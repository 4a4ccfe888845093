/** What the server's rooms know of themselves, for whoever reports on it: the status JSON, and figures. */
import { StateType } from '../core/types.ts';
import type { WalStatistics } from '../storage/types.ts';
import type { LeaderChange } from './leader-history.ts';

export interface OwnFacts {
  /** Not a member any more: follower in etcd's terms, "removed" in ours. */
  readonly isRemoved: boolean;
  readonly snapshotIndex: number;
  readonly handedIndex: number;
  readonly logBytes: number;
  readonly wal: WalStatistics;
  readonly failure: string | null;
  readonly leaderChanges: readonly LeaderChange[];
}

export const ROLE_NAMES = {
  [StateType.Follower]: 'follower',
  [StateType.Candidate]: 'candidate',
  [StateType.Leader]: 'leader',
  [StateType.PreCandidate]: 'pre-candidate',
} as const satisfies Record<StateType, string>;
