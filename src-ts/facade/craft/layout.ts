/** The words of the buffer that a raft shares with its native half, float64 each. native/craft_layout.h has the same. */

/** What a step gets. Ids are the native half's handles, from 1 on. */
export const In = {
  event: 0,
  time: 1,
  /** Up to twelve arguments. */
  arguments: 2,
  runs: 14,
  changes: 15,
  /** `runs` pairs (term, count), then `changes` configurations (index, members, members times (id, role)). */
  lists: 16,
} as const;

/** What it answers. */
export const Out = {
  flags: 0,
  term: 1,
  vote: 2,
  state: 3,
  commit: 4,
  timeout: 5,
  lastIndex: 6,
  lead: 7,
  transferee: 8,
  entriesFirst: 9,
  entriesCount: 10,
  barrierTerm: 11,
  hasSnapshot: 12,
  messages: 13,
  members: 14,
  /** Members of a configuration that has become effective; -1 when that is the same as before. */
  configuration: 15,
  /** Messages of MESSAGE_WORDS, then members (id, match, catch-up), then the configuration (id, role). */
  lists: 16,
} as const;

export const MESSAGE_WORDS = 8;

export const Event = {
  start: 1,
  receive: 2,
  persistedEntries: 3,
  persistedSnapshot: 4,
  configuration: 5,
  snapshot: 6,
  timeout: 7,
  submit: 8,
  catchUp: 9,
  transfer: 10,
  settings: 100,
} as const;

export const Flag = {
  currentTerm: 1,
  votedFor: 2,
  entries: 4,
  snapshot: 8,
  messages: 16,
  state: 32,
  commitIndex: 64,
  timeout: 128,
} as const;

export const MessageCode = {
  appendEntries: 1,
  appendEntriesResult: 2,
  requestVote: 3,
  requestVoteResult: 4,
  installSnapshot: 5,
  timeoutNow: 6,
} as const;

export const Role = { standby: 0, voter: 1, spare: 2 } as const;
export const CatchUp = { none: 0, running: 1, aborted: 2, finished: 3 } as const;

export const Code = {
  badId: 2,
  badRole: 5,
  malformed: 6,
  notLeader: 7,
  shutdown: 9,
  cantChange: 11,
  busy: 17,
  notFound: 19,
  invalid: 20,
} as const;
