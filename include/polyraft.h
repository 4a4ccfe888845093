/**
 * polyraft: a Raft consensus engine behind a C interface.
 *
 * Conventions, true for every function unless it says otherwise:
 *  - Any thread may call, except that functions marked "waits" return RAFT_ERR_WOULD_DEADLOCK from a callback.
 *  - Strings are UTF-8, ended by NUL, and copied before the call returns. Data handed in is copied too.
 *  - Memory handed to a callback is valid until that callback returns.
 *  - int results are codes of enum RAFT_Error; RAFT_LastError has a text that names what was wrong.
 *  - Indexes and terms are below 2^53.
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

/** A server: table index and generation, never 0, never reused while the process lives. */
typedef uint64_t RAFT_Handle;

/**
 * Callbacks of one server. Set struct_size to sizeof(struct RAFT_Callbacks); members may be NULL. New members are
 * added at the end.
 *
 * Threads: apply, restore, take_snapshot and free_memory run on the server's apply thread, one at a time, in log order.
 * state_change, message, event and message_free run on its event thread. Callbacks may block and may call RAFT_*.
 */
struct RAFT_Callbacks {
  size_t struct_size;
  /** A committed, durable entry. Not 0: the server stops for good and reports index and code by event. */
  int (*apply)(void* context, uint64_t index, uint64_t term, const void* data, uint64_t size);
  /** Replace the whole state by this snapshot of it. Not 0: as for apply. */
  int (*restore)(void* context, uint64_t index, uint64_t term, const void* data, uint64_t size);
  /**
   * Hand out the state as it is now, after entry `index`: *data (freed by free_memory; may be NULL when *size is 0).
   * Not 0: this snapshot fails, the server goes on.
   */
  int (*take_snapshot)(void* context, uint64_t index, void** data, uint64_t* size);
  /** Frees what take_snapshot or message handed out. */
  void (*free_memory)(void* context, void* data);
  /** A role: STATE_FOLLOWER, STATE_CANDIDATE, STATE_LEADER, STATE_PRE_CANDIDATE. Only real changes. */
  void (*state_change)(void* context, int state);
  /** A message of RAFT_SendMessage on another node; *answer is freed by free_memory. Not 0: the sender gets HTTP 500. */
  int (*message)(void* context, const void* data, uint64_t size, void** answer, uint64_t* answer_size);
  /** enum RAFT_Event with its value and text (never NULL). */
  void (*event)(void* context, int event, uint64_t value, const char* text);
};

/** How to start a server. Set struct_size to sizeof(struct RAFT_Options). */
struct RAFT_Options {
  size_t struct_size;
  /** JSON text; keys in docs/CONFIGURATION.md. */
  const char* config;
  struct RAFT_Callbacks callbacks;
  /** Given to every callback. */
  void* context;
  /**
   * The last index whose effect the host's own durable state already holds; 0 when the state is empty. Entries up to it
   * are not applied again; a snapshot at or below it is not restored.
   */
  uint64_t applied_index;
};

/**
 * Outcome of a proposal: RAFT_OK (committed at index, term), RAFT_ERR_REJECTED (will not take effect) or
 * RAFT_ERR_UNKNOWN_OUTCOME (may still take effect). Called exactly once, on the event thread.
 */
typedef void (*RAFT_Completion)(void* user, int code, uint64_t index, uint64_t term);

/**
 * Starts a server: checks the configuration, locks the directories, replays the log, binds the address; waits. Never
 * waits for a callback; callbacks may come before it returns, and *handle is stored before the first of them.
 * Errors: CONFIG, IN_USE, ADDRESS, IO, CORRUPT, IDENTITY, RUNTIME, FORKED, INVALID_ARGUMENT, NO_MEMORY.
 */
DLL_EXPORTS int RAFT_NewRaftServerWith(const struct RAFT_Options* options, RAFT_Handle* handle);

/** Stops a server: ends blocked calls with STOPPED, waits for the running callback, syncs, closes. Waits. */
DLL_EXPORTS int RAFT_StopServer(RAFT_Handle handle);

/**
 * Submits a proposal and returns once it is queued; the outcome comes by completion (may be NULL: then none).
 * Codes: OK, UNKNOWN_HANDLE, INVALID_ARGUMENT, TOO_LARGE, STOPPED, REMOVED, BUSY (no room within timeout_ms; at once on
 * a callback thread), FORKED. Unless OK, the completion is not called.
 */
DLL_EXPORTS int RAFT_ProposeAsync(RAFT_Handle handle, const void* data, size_t size, int timeout_ms,
                                  RAFT_Completion completion, void* user);

/** Proposes and waits until this node has applied the entry. index and term may be NULL. timeout_ms < 0: no limit. */
DLL_EXPORTS int RAFT_ProposeWait(RAFT_Handle handle, const void* data, size_t size, int timeout_ms, uint64_t* index,
                                 uint64_t* term);

/** Status as JSON, ended by NUL; waits up to 5 s for the engine. BUFFER_TOO_SMALL when size is not enough. */
DLL_EXPORTS int RAFT_GetStatus(RAFT_Handle handle, char* buffer, size_t size);
/** Peers as JSON: [{"id","host","active"}], active in seconds since last contact, -1 never. As RAFT_GetStatus. */
DLL_EXPORTS int RAFT_GetPeersStatus(RAFT_Handle handle, char* buffer, size_t size);

/** The text of the last error on this thread; never NULL; valid until the next RAFT_* call on this thread. */
DLL_EXPORTS const char* RAFT_LastError(void);
/** The text of a code of enum RAFT_Error; never NULL, static. */
DLL_EXPORTS const char* RAFT_StrError(int code);

#ifdef __cplusplus
}
#endif

/* The interface of easyraft, both generations, is in easyraft.h. */

#endif /* POLYRAFT_H */
