/** The bounds of one server's queues and waits. Times are in milliseconds or in election timeouts. */

const MIB = 1024 * 1024;

/** Proposed bytes in one turn of the event loop; what comes beyond waits for the next, so that a turn stays short. */
export const TURN_BYTES = 2 * MIB;
/** Bytes of the log that are not committed; above it no more proposals are accepted (one always may be under way). */
export const UNCOMMITTED_BYTES = 64 * MIB;
/** Committed bytes that the host has not applied: above it a server accepts no proposals and a follower no appends. */
export const UNAPPLIED_BYTES = 64 * MIB;
/** Bytes of proposals that wait for a leader. */
export const WAITING_BYTES = 16 * MIB;
/** Chunks of proposals that wait for a leader (many small ones cost more than their bytes). */
export const WAITING_CHUNKS = 4096;
/** Bytes forwarded to a leader that answers, and not yet answered. */
export const FORWARDED_BYTES = 16 * MIB;
/** Messages of forwarded proposals whose outcome is open; the next one waits. */
export const FORWARDED_MESSAGES = 1024;
/** The same for leaders that do not answer: each ends as unknown a little later. */
export const BLIND_FORWARDS = 16_384;
/** Ranges of appended proposals that other nodes forwarded and that are undecided; beyond it they are refused. */
export const TRACKED_RANGES = 65_536;
/** Bytes of committed entries that the core hands out before their application is acknowledged. */
export const APPLYING_BYTES = 8 * MIB;
/** Bytes in flight to one follower; never below one append message. */
export const INFLIGHT_BYTES = 32 * MIB;
/** Log bytes behind the last snapshot that trigger one although snap_count is not reached. */
export const SNAPSHOT_LOG_BYTES = 256 * MIB;
/** Log bytes kept behind a snapshot for slow followers, whatever snapshot_entries says. */
export const KEPT_LOG_BYTES = 128 * MIB;
/** Log bytes kept, beyond the above, for a follower that a snapshot is being sent to. */
export const PINNED_LOG_BYTES = 512 * MIB;
/** Readys handled in one turn; more wait for the next turn, so that I/O is not starved. */
export const READYS_PER_TURN = 64;
/** Reads that wait for their index. */
export const WAITING_READS = 65_536;
/** Pause after a snapshot that failed, before the next automatic one. */
export const SNAPSHOT_RETRY_MS = 5_000;
/** A snapshot that could not be read or sent is reported to the core after this, so that it is not tried in a loop. */
export const SNAPSHOT_REPORT_MS = 500;

/** Election timeouts that an appended proposal may stay undecided after leadership was lost. */
export const UNDECIDED_ELECTIONS = 10;
/** Election timeouts that a forwarded proposal waits for its outcome from a leader that answers. */
export const FORWARD_ELECTIONS = 10;
/** Election timeouts after which a forward to another kind of leader, or to a leader of the past, ends as unknown. */
export const FORWARD_BLIND_ELECTIONS = 2;
/** Election timeouts within which a membership change must be applied, and its least time. */
export const CHANGE_ELECTIONS = 10;
export const CHANGE_LEAST_MS = 5_000;
/** Election timeouts for a transfer of leadership. */
export const TRANSFER_ELECTIONS = 3;
/** Election timeouts for a read index. */
export const READ_ELECTIONS = 3;
/** Election timeouts that a leader stays on after its own removal, so that the others learn of it. */
export const REMOVAL_ELECTIONS = 2;
/** Of the election timeout less two ticks, counted from the begin of a quorum round: how long a lease is trusted. */
export const LEASE_SHARE = 0.9;
/** Peers that are known from their requests only (we have fallen behind the change that added them). */
export const LEARNED_PEERS = 64;
/** While proposals wait for the host to apply, its progress is looked at this often. */
export const ROOM_POLL_MS = 5;
/** WAL writes up to this size are made on the engine's thread when nothing else is under way (a hop costs as much). */
export const INLINE_WAL_BYTES = 96 * 1024;
/** Election timeouts for which the log behind a snapshot that a follower has taken is kept. */
export const SNAPSHOT_GRACE_ELECTIONS = 10;
/** Election timeouts that proposals wait for a leader: an election takes between one and two when one died. */
export const WAIT_FOR_LEADER_ELECTIONS = 2;
