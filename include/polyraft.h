/**
 * polyraft: a Raft consensus engine behind a C interface.
 *
 * Conventions, true for every function unless it says otherwise:
 *  - Any thread may call. On a callback thread nothing waits: functions marked "waits" return
 *    RAFT_ERR_WOULD_DEADLOCK there, and proposals return RAFT_ERR_BUSY at once instead of waiting for room.
 *  - Strings are UTF-8, ended by NUL, and copied before the call returns. Data handed in is copied too.
 *  - Memory handed to a callback is valid until that callback returns.
 *  - int results are codes of enum RAFT_Error; RAFT_LastError has a text that names what was wrong.
 *  - Indexes and terms are below 2^53. timeout_ms < 0 means no limit; 0 means: do not wait.
 *  - No function changes the host's signal handlers, resource limits, standard streams or locale, and none
 * lets a C++ exception out. Threads of the library have all signals blocked but those that a fault raises
 * (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT).
 *  - After fork(), the child gets RAFT_ERR_FORKED from every function when the library was in use before; the
 * parent goes on. Exec in the child is fine: no descriptor is inherited.
 */
#ifndef POLYRAFT_H
#define POLYRAFT_H

#include <stddef.h>
#include <stdint.h>

#include "polyraft_codes.h"

#ifndef DLL_EXPORTS
#if defined(__GNUC__)
#define DLL_EXPORTS __attribute__((visibility("default")))
#else
#define DLL_EXPORTS
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** A server: table index and generation, never 0, never a pointer, never reused while the process lives. */
typedef uint64_t RAFT_Handle;

/**
 * Callbacks of one server. Set struct_size to sizeof(struct RAFT_Callbacks); members may be NULL. New members
 * are added at the end.
 *
 * Threads: apply, restore, take_snapshot (and free_memory for it) run on the server's apply thread, one at a
 * time, in log order. state_change, message (and free_memory for it), event and completions run on its event
 * thread, one at a time. So the two groups may run at the same moment, and free_memory with itself. Callbacks
 * may block as long as they like: the engine never waits for them. They may call RAFT_* functions.
 */
struct RAFT_Callbacks {
  size_t struct_size;
  /**
   * A committed entry, durable on this node. Each is handed out once, in log order; empty proposals and
   * membership changes are not handed out, so indexes have gaps. Not 0: the server stops for good, and
   * reports the code by event.
   */
  int (*apply)(void* context, uint64_t index, uint64_t term, const void* data, uint64_t size);
  /** Replace the whole state by this one, which is the state after entry `index`. Not 0: as for apply. */
  int (*restore)(void* context, uint64_t index, uint64_t term, const void* data, uint64_t size);
  /**
   * Hand out the state as it is now, after entry `index`: *data, freed by free_memory (may be NULL when *size
   * is 0). Not 0: this snapshot fails, nothing is freed, the server goes on. NULL member: no snapshots.
   */
  int (*take_snapshot)(void* context, uint64_t index, void** data, uint64_t* size);
  /** Frees what take_snapshot or message handed out (never called with NULL). NULL member: nothing is freed.
   */
  void (*free_memory)(void* context, void* data);
  /** A role: STATE_FOLLOWER, STATE_CANDIDATE, STATE_LEADER or STATE_PRE_CANDIDATE. Only real changes. */
  void (*state_change)(void* context, int state);
  /**
   * A message that RAFT_SendMessage of another node sent; *answer is freed by free_memory, and may be left
   * NULL. Not 0: the sender gets HTTP 500, nothing is freed. NULL member: the same.
   */
  int (*message)(void* context, const void* data, uint64_t size, void** answer, uint64_t* answer_size);
  /** enum RAFT_Event with its value and text (never NULL). */
  void (*event)(void* context, int event, uint64_t value, const char* text);
};

/** How to start a server. Set struct_size to sizeof(struct RAFT_Options), and what you do not use to zero. */
struct RAFT_Options {
  size_t struct_size;
  /** JSON text; keys in docs/CONFIGURATION.md. */
  const char* config;
  /** Copied. */
  struct RAFT_Callbacks callbacks;
  /** Given to every callback. */
  void* context;
  /**
   * The last index whose effect the host's own durable state already holds; 0 when the state is empty.
   * Entries up to it are not applied again; a snapshot at or below it is not restored.
   */
  uint64_t applied_index;
};

/**
 * Starts a server: checks the configuration, locks the directories, replays the log, binds the address. Waits
 * for that, never for a callback; callbacks may come before it returns, and *handle is stored before the
 * first of them. On failure *handle is 0. The first server of a process also starts the engine's runtime
 * (config key "runtime": "embedded" or "process", else the environment's POLYRAFT_RUNTIME, else embedded
 * where that is installed and the program is not Node itself). Errors: CONFIG, IN_USE, ADDRESS, IO, CORRUPT,
 * IDENTITY, RUNTIME, ENGINE_DIED, FORKED, INVALID_ARGUMENT, NO_MEMORY, UNSUPPORTED (more than 64 servers in
 * one runtime).
 */
DLL_EXPORTS int RAFT_NewRaftServerWith(const struct RAFT_Options* options, RAFT_Handle* handle);

/**
 * Stops a server and forgets its handle: ends calls that are blocked in it with STOPPED, waits for the
 * running callbacks, syncs, closes. Completions still due are called before it returns (UNKNOWN_OUTCOME where
 * the outcome is not known); after it no callback comes. Waits as long as a callback runs. Errors:
 * UNKNOWN_HANDLE, WOULD_DEADLOCK, FORKED.
 */
DLL_EXPORTS int RAFT_StopServer(RAFT_Handle handle);

/**
 * Hands the leadership to the member that is nearest to the end of the log, if this server leads (waits for
 * one election timeout at most: a cluster without another voter that answers stays without a leader), then
 * does what RAFT_StopServer does. Proposals end with STOPPED from its begin on. Errors: as RAFT_StopServer.
 */
DLL_EXPORTS int RAFT_HandOverAndStopServer(RAFT_Handle handle);

/**
 * Outcome of a proposal: RAFT_OK (committed at index, term), RAFT_ERR_REJECTED, _REMOVED, _NO_LEADER or
 * another code (will not take effect), or RAFT_ERR_UNKNOWN_OUTCOME (may still take effect). Called exactly
 * once, on the event thread of the server. Committed may come before or after the entry's apply callback,
 * which runs on another thread.
 */
typedef void (*RAFT_Completion)(void* user, int code, uint64_t index, uint64_t term);

/**
 * Submits a proposal and returns once it is queued; accepted is not committed: the outcome comes by
 * completion (NULL: not wanted). size may be 0: an empty entry, which uses an index and is not handed to
 * apply. Proposals of one thread keep their order while the leadership is stable. A follower forwards. Codes:
 * OK, UNKNOWN_HANDLE, INVALID_ARGUMENT, TOO_LARGE, STOPPED, REMOVED, BUSY (no room within timeout_ms, or more
 * than a million completions due), FORKED. Unless OK, the completion is not called.
 */
DLL_EXPORTS int RAFT_ProposeAsync(RAFT_Handle handle, const void* data, size_t size, int timeout_ms,
                                  RAFT_Completion completion, void* user);

/** Bytes of one proposal. data may be NULL when size is 0. */
struct RAFT_Buffer {
  const void* data;
  size_t size;
};

/**
 * Submits `count` proposals in this order, each as RAFT_ProposeAsync does; timeout_ms is for all of them.
 * *accepted (may be NULL) is how many were queued: these have their completion called, users[i] (users may be
 * NULL) each. Codes: OK when all were queued, else what stopped the first that was not.
 */
DLL_EXPORTS int RAFT_ProposeBatch(RAFT_Handle handle, const struct RAFT_Buffer* proposals, size_t count,
                                  int timeout_ms, RAFT_Completion completion, void* const* users,
                                  size_t* accepted);

/**
 * Proposes and waits until this node has applied the entry. index and term may be NULL. Waits.
 * Codes: those of RAFT_ProposeAsync, those of RAFT_Completion, TIMEOUT (it may still take effect), STOPPED,
 * WOULD_DEADLOCK.
 */
DLL_EXPORTS int RAFT_ProposeWait(RAFT_Handle handle, const void* data, size_t size, int timeout_ms,
                                 uint64_t* index, uint64_t* term);

/** How RAFT_ReadIndex makes sure that the leader still leads: a round of heartbeats, or its lease (trusts
 * clocks). */
#define RAFT_READ_SAFE 0
#define RAFT_READ_LEASE 1

/**
 * Waits until this node's state machine holds everything that was committed when the call began: then a read
 * of it is linearizable. *index (may be NULL) is that index. Waits. Codes: OK, UNKNOWN_HANDLE,
 * INVALID_ARGUMENT, NO_LEADER, TIMEOUT, BUSY (too many reads wait), UNSUPPORTED (a lease read that is not
 * allowed; RAFT_LastError says why), STOPPED, ENGINE_DIED, WOULD_DEADLOCK, FORKED.
 */
DLL_EXPORTS int RAFT_ReadIndex(RAFT_Handle handle, int kind, int timeout_ms, uint64_t* index);

/**
 * As RAFT_ReadIndex, without waiting: returns once the request is queued; `completion` (not NULL) is called
 * exactly once, on the event thread, with the code of RAFT_ReadIndex and the index (term is 0). With RAFT_OK
 * the state machine held everything up to the index when it was called. timeout_ms is for room in the queue
 * only: a leader that cannot prove itself ends the read with NO_LEADER or TIMEOUT after some election
 * timeouts, an apply that is slow delays it. Codes: OK, UNKNOWN_HANDLE, INVALID_ARGUMENT, STOPPED, REMOVED,
 * BUSY (no room within timeout_ms, or more than 65536 reads due), ENGINE_DIED, FORKED. Unless OK, the
 * completion is not called.
 */
DLL_EXPORTS int RAFT_ReadIndexAsync(RAFT_Handle handle, int kind, int timeout_ms, RAFT_Completion completion,
                                    void* user);

/** What RAFT_ChangeMember does. */
#define RAFT_MEMBER_ADD 0
#define RAFT_MEMBER_REMOVE 1
#define RAFT_MEMBER_UPDATE 2
#define RAFT_MEMBER_ADD_LEARNER 3
#define RAFT_MEMBER_PROMOTE 4

/**
 * Changes the membership and waits until the change is applied on this node. url is needed by ADD, UPDATE and
 * ADD_LEARNER, ignored by the others. *index (may be NULL) is the index of the change. On a callback thread
 * the change is submitted and OK returned at once. Codes: OK, UNKNOWN_HANDLE, INVALID_ARGUMENT, URL,
 * NO_LEADER, CHANGE_PENDING, DUPLICATE_MEMBER, UNKNOWN_MEMBER, REJECTED, TIMEOUT (it may still take effect),
 * STOPPED, REMOVED, ENGINE_DIED, FORKED.
 */
DLL_EXPORTS int RAFT_ChangeMember(RAFT_Handle handle, int change, uint64_t id, const char* url,
                                  int timeout_ms, uint64_t* index);

/** One of RAFT_ChangeMembers: change is RAFT_MEMBER_*, url as for RAFT_ChangeMember. */
struct RAFT_MemberChange {
  int change;
  uint64_t id;
  const char* url;
};

/**
 * Changes several members in one step, through a joint configuration: at no moment is a part of them in force
 * alone, so three voters may be replaced by three others. Waits until all of it is in force on this node. 1
 * to 64 changes; each id, and each URL, at most once. *index (may be NULL) is the index of the change.
 * Callback threads and codes: as RAFT_ChangeMember.
 */
DLL_EXPORTS int RAFT_ChangeMembers(RAFT_Handle handle, const struct RAFT_MemberChange* changes, size_t count,
                                   int timeout_ms, uint64_t* index);

/**
 * Hands the leadership over to a member and waits until it leads. Waits.
 * Codes: OK, UNKNOWN_HANDLE, INVALID_ARGUMENT, NO_LEADER, UNKNOWN_MEMBER, REJECTED, TIMEOUT, STOPPED,
 * ENGINE_DIED, WOULD_DEADLOCK, FORKED.
 */
DLL_EXPORTS int RAFT_TransferLeadership(RAFT_Handle handle, uint64_t id, int timeout_ms);

/**
 * Takes a snapshot (take_snapshot runs on the apply thread) and waits until it is on disk. *index (may be
 * NULL) is the index it holds. Waits. Codes: OK, UNKNOWN_HANDLE, CALLBACK_FAILED, IO, TIMEOUT (it may still
 * be taken), STOPPED, ENGINE_DIED, WOULD_DEADLOCK, FORKED.
 */
DLL_EXPORTS int RAFT_SaveSnapshot(RAFT_Handle handle, int timeout_ms, uint64_t* index);

/** The index up to which the state machine has applied; never waits. Codes: OK, UNKNOWN_HANDLE,
 * INVALID_ARGUMENT, FORKED. */
DLL_EXPORTS int RAFT_GetAppliedIndex(RAFT_Handle handle, uint64_t* index);

/**
 * Status as JSON, ended by NUL: etcd's keys (id in hexadecimal, term, vote, commit, lead, raftState, applied,
 * progress, leadtransferee) and ours (role, leader, members with URLs and last contact, runtime, engine
 * version, what the host has applied). The engine answers, within 5 s at most; it never waits for a callback,
 * so callbacks may call this. Codes: OK, UNKNOWN_HANDLE, BUFFER_TOO_SMALL (size, in bytes, is not enough;
 * nothing is written), INVALID_ARGUMENT, TIMEOUT, STOPPED, ENGINE_DIED, FORKED.
 */
DLL_EXPORTS int RAFT_GetStatus(RAFT_Handle handle, char* buffer, size_t size);
/** Peers as JSON: [{"id","host","active"}], active in seconds since last contact, -1 never. As
 * RAFT_GetStatus. */
DLL_EXPORTS int RAFT_GetPeersStatus(RAFT_Handle handle, char* buffer, size_t size);
/** Metrics in the text form that Prometheus reads (docs/METRICS.md lists them). As RAFT_GetStatus. */
DLL_EXPORTS int RAFT_GetMetrics(RAFT_Handle handle, char* buffer, size_t size);

/**
 * Where the log of all servers of this process goes: NULL silences it, "stdout", "stderr", or a file to
 * append to. debug != 0 adds source positions. At the start it goes to stderr, from RAFT_LOG_WARNING up. 0,
 * or 1 when the file cannot be opened (then nothing changes; RAFT_LastError says why).
 */
DLL_EXPORTS int RAFT_SetLogger(const char* log_path, int debug);
/** RAFT_LOG_CRITICAL to RAFT_LOG_TRACE: what is less grave is not logged. OK or INVALID_ARGUMENT. */
DLL_EXPORTS int RAFT_SetLogLevel(int log_level);
/**
 * RAFT_LOG_TEXT or RAFT_LOG_JSON: how lines are written. In JSON each is one object with the keys time (RFC
 * 3339, UTC, nanoseconds), level, pid, source, cluster and node (decimal text; null where it is no server's
 * line) and message, with debug position, too. OK, INVALID_ARGUMENT or FORKED.
 */
DLL_EXPORTS int RAFT_SetLogFormat(int format);

/**
 * One line of the log. Texts are UTF-8 without control characters, end with NUL, and are valid during the
 * call, as the structure itself is. No line holds what is proposed, a secret or a key.
 */
struct RAFT_LogRecord {
  /** Bytes of this structure as the library has it. */
  size_t struct_size;
  /** When it was logged: nanoseconds since 1970, UTC. */
  uint64_t time_ns;
  /** The server that it is about; node_id is 0 where it is about none, or about all. */
  uint64_t cluster_id;
  uint64_t node_id;
  /** RAFT_LOG_CRITICAL to RAFT_LOG_TRACE. */
  int level;
  /** The part that tells it: raft, server, storage, transport, admin; engine; or host, the library in this
   * process. */
  const char* source;
  /** Where in the code, with debug of RAFT_SetLogger; else "". */
  const char* position;
  const char* message;
};
typedef void (*RAFT_LogCallback)(void* context, const struct RAFT_LogRecord* record);

/**
 * Gives lines of the log to a callback instead of where RAFT_SetLogger says; NULL takes it away, and lines go
 * there again. The level holds as for every log. It is called on a thread of the library's own
 * (polyraft-log), one line at a time, with no lock held: it may block and may call every function of the
 * library. What waits for it is bounded (8,192 lines, 4 MiB); beyond it lines are lost, and a line says how
 * many. Once the call returns, lines of before have been handed to the callback of before, which is not
 * called any more, so that its context may be freed: do not hold what that callback waits for. From within a
 * callback the call does not wait, and what waits for the callback of before is dropped. OK, NO_MEMORY or
 * FORKED.
 */
DLL_EXPORTS int RAFT_SetLogCallback(RAFT_LogCallback callback, void* context);
/** Writes the version's text, cut to size bytes with its NUL. NULL or size 0: nothing. */
DLL_EXPORTS void RAFT_GetVersion(char* version, size_t size);

/** The text of the last error on this thread; never NULL; valid until the next RAFT_* call on this thread. */
DLL_EXPORTS const char* RAFT_LastError(void);
/** The text of a code of enum RAFT_Error; never NULL, static. */
DLL_EXPORTS const char* RAFT_StrError(int code);

#ifdef __cplusplus
}
#endif

/* The interface of easyraft, both generations, is in easyraft.h. */

#endif /* POLYRAFT_H */
