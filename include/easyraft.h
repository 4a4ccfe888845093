/**
 * The interface of easyraft, both generations, on top of polyraft.h (whose conventions hold here too).
 *
 *   #include <easyraft.h>                                           first generation: struct Context, void*
 * handles #define EASYRAFT_API_VERSION 2 before that include              second: struct RAFT_Callback,
 * uint64_t handles
 *
 * Handles of both are numbers that fit a pointer, never addresses: a wrong or deleted one is safe, and gives
 * RAFT_ERR_UNKNOWN_HANDLE. The functions of polyraft.h take them too ((RAFT_Handle)(uintptr_t)raft).
 */
#ifndef EASYRAFT_H
#define EASYRAFT_H

#include "polyraft.h"

#ifndef EASYRAFT_API_VERSION
#define EASYRAFT_API_VERSION 1
#endif
#if EASYRAFT_API_VERSION != 1 && EASYRAFT_API_VERSION != 2
#error "EASYRAFT_API_VERSION must be 1 or 2"
#endif

#ifdef __cplusplus
extern "C" {
#endif

#if EASYRAFT_API_VERSION == 1

/**
 * Callbacks of the first generation; members may be NULL. getSnapshot, freeSnapshot, recoverFromSnapshot and
 * onCommit run on the server's apply thread, in log order; onStateChange runs on its event thread. ctx is
 * what was given to RAFT_NewRaftServer.
 */
struct Context {
  /** The state as it is now: *data, given to freeSnapshot later. 0, or this snapshot fails. */
  int (*getSnapshot)(void* ctx, void** data, uint64_t* size);
  void (*freeSnapshot)(void* ctx, void* data);
  /** STATE_FOLLOWER, STATE_CANDIDATE, STATE_LEADER, STATE_PRE_CANDIDATE. A removed server gets
   * STATE_FOLLOWER. */
  void (*onStateChange)(void* ctx, int newState);
  /** Replace the whole state. 0, or the server stops for good. */
  int (*recoverFromSnapshot)(void* ctx, void* data, uint64_t size);
  /** A committed proposal. 0, or the server stops for good. */
  int (*onCommit)(void* ctx, void* data, uint64_t size);
};

/** Sets the callbacks of servers that are created from now on; the struct is copied. NULL: none. */
DLL_EXPORTS void RAFT_SetContext(struct Context* ctx);

/**
 * Starts a server from a JSON configuration; returns its handle, or NULL (RAFT_LastError says which key and
 * why). See RAFT_NewRaftServerWith. Waits.
 */
DLL_EXPORTS void* RAFT_NewRaftServer(void* ctx, const char* jsonConfig);

/** RAFT_StopServer; nothing happens for NULL, an unknown handle, or on a callback thread. Waits. */
DLL_EXPORTS void RAFT_DeleteRaftServer(void* raft);

/**
 * Submits size bytes; returns once they are queued, waiting up to RAFT_PROPOSE_TIMEOUT_MS for room.
 * 0 accepted, else a code as of RAFT_ProposeAsync (a negative size: INVALID_ARGUMENT).
 */
DLL_EXPORTS int RAFT_Propose(void* raft, void* data, int size);

/** Takes a snapshot; returns when it is on disk. As RAFT_SaveSnapshot without a limit in time. Waits. */
DLL_EXPORTS int RAFT_Snapshot(void* raft);

/**
 * Change the membership; return when the change is applied on this node, or after RAFT_CHANGE_TIMEOUT_MS with
 * TIMEOUT. Codes as of RAFT_ChangeMember. On a callback thread they submit and return 0 at once.
 */
DLL_EXPORTS int RAFT_AddServer(void* raft, uint64_t id, const char* url);
DLL_EXPORTS int RAFT_DelServer(void* raft, uint64_t id);
DLL_EXPORTS int RAFT_ChangeServer(void* raft, uint64_t id, const char* url);

#endif /* EASYRAFT_API_VERSION == 1 */

/** How long RAFT_Propose of the first generation waits for room. */
#define RAFT_PROPOSE_TIMEOUT_MS 5000
/** How long RAFT_AddServer, RAFT_DelServer and RAFT_ChangeServer wait. */
#define RAFT_CHANGE_TIMEOUT_MS 10000

/** Callbacks of the second generation; members may be NULL. Threads as of struct RAFT_Callbacks. */
struct RAFT_Callback {
  int (*getSnapshot)(void* ctx, void** data, uint64_t* size);
  void (*onStateChange)(void* ctx, int newState);
  int (*recoverFromSnapshot)(void* ctx, void* data, uint64_t size, uint64_t term, uint64_t index);
  int (*onCommit)(void* ctx, void* data, uint64_t size, uint64_t term, uint64_t index);
  /** Answers RAFT_SendMessage of another node: *outdata is given to free. Not 0: HTTP 500. */
  int (*onMessage)(void* ctx, void* data, uint64_t size, void** outdata, uint64_t* outsize);
  /** Frees what getSnapshot and onMessage handed out. */
  void (*free)(void* ctx, void* data);
};

/** Sets the callbacks of servers that RAFT2_NewRaftServer creates from now on; copied. NULL: none. */
DLL_EXPORTS void RAFT_SetCallback(struct RAFT_Callback* callback);

/** As in the first generation, with a number for the handle: 0 means failure. Waits. */
DLL_EXPORTS uint64_t RAFT2_NewRaftServer(void* ctx, const char* jsonConfig);
DLL_EXPORTS void RAFT2_DeleteRaftServer(uint64_t raft);
/** 0 accepted, 1 unknown handle, 2 no room within timeoutms (< 0: no limit), else another code. */
DLL_EXPORTS int RAFT2_Propose(uint64_t raft, void* data, int size, int timeoutms);
DLL_EXPORTS int RAFT2_Snapshot(uint64_t raft);
DLL_EXPORTS int RAFT2_AddServer(uint64_t raft, uint64_t id, const char* url);
DLL_EXPORTS int RAFT2_DelServer(uint64_t raft, uint64_t id);
DLL_EXPORTS int RAFT2_ChangeServer(uint64_t raft, uint64_t id, const char* url);

/**
 * Sends size bytes to a member, whose onMessage (or message callback) answers; the answer is copied to
 * outbuf. Waits. Returns the length of the answer; -1 outbuf is too small; -2 unknown handle, own id, or the
 * server has stopped; -3 no such member; -4 its URL cannot be used; -5 cannot connect; -6 no good answer; -7
 * called on a callback thread.
 */
DLL_EXPORTS int RAFT_SendMessage(uint64_t raft, uint64_t id, const char* buf, size_t size, char* outbuf,
                                 size_t outsize);

#if EASYRAFT_API_VERSION == 2
#define RAFT_NewRaftServer RAFT2_NewRaftServer
#define RAFT_DeleteRaftServer RAFT2_DeleteRaftServer
#define RAFT_Propose RAFT2_Propose
#define RAFT_Snapshot RAFT2_Snapshot
#define RAFT_AddServer RAFT2_AddServer
#define RAFT_DelServer RAFT2_DelServer
#define RAFT_ChangeServer RAFT2_ChangeServer
#endif

#ifdef __cplusplus
}
#endif

#endif /* EASYRAFT_H */
