/**
 * The libraft interface of polyraft: futures, a state machine of three functions, and an engine in a child
 * process. One node a process.
 *
 * Conventions, true for every function unless it says otherwise:
 *  - Any thread may call; those of the state machine too, except where "waits" is said: what waits for the
 *    state machine from inside it would wait for ever, and returns RAFT_E_INVALID_OP instead.
 *  - Misuse is answered with an error, and a line in the log; it never ends the program.
 *  - A function that returns a raft_future never waits, but for raft_apply and raft_barrier when there is no
 *    room or no engine (see raft_apply). Its result is NULL for want of memory only. Errors are told by the
 *    future.
 *  - Nothing is done to the program's signal handlers. Threads of the library have all signals blocked but
 *    those that a fault raises.
 *  - After fork(), the interface is the parent's: in the child every call says RAFT_E_IN_SHUTDOWN.
 */
#ifndef RAFT_C_IF_H
#define RAFT_C_IF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#include "raft_defs.h"

#ifndef RAFT_EXPORT
#if defined(__GNUC__)
#define RAFT_EXPORT __attribute__((visibility("default")))
#else
#define RAFT_EXPORT
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** getopt_long's, of <getopt.h>. */
struct option;

/* --- State machine ------------------------------------------------------------------------------------ */

/** A snapshot that the library waits for: ended once, by raft_fsm_snapshot_complete or
 * raft_fsm_take_snapshot. */
typedef void* raft_snapshot_req;

/**
 * The program's state machine. All three run on one thread of the library, one at a time, in log order; they
 * may take as long as they like: the engine does not wait for them.
 */
struct raft_fsm {
  /**
   * A committed command, durable on this node; handed out once, in log order, the same on every node. `type`
   * is RAFT_LOG_COMMAND. `cmd` (len bytes, no NUL added) is valid until the function returns, and may be
   * written to. The result is the reply of the future of raft_apply, on the node where that was called;
   * the library does not look at it. See raft_fsm_on_unclaimed_reply for what becomes of it elsewhere.
   */
  void* (*apply)(uint64_t index, uint64_t term, RaftLogType type, char* cmd, size_t len);
  /**
   * Write the state as it is now to `path` (fopen(path, "w"): a file, or a pipe), in this call or later on
   * another thread while apply goes on; then end `req`. `path` is valid until then. Usual: copy the state, or
   * freeze it, and call raft_fsm_take_snapshot. NULL: there are no snapshots, and the log grows.
   */
  void (*begin_snapshot)(const char* path, raft_snapshot_req req);
  /**
   * Replace the whole state by the one at `path` (fopen(path, "r"): a file, or a pipe), which begin_snapshot
   * wrote here or on another node. 0, or the node stops for good. `path` is valid until the function returns.
   */
  int (*restore)(const char* path);
};
typedef struct raft_fsm RaftFSM;

/**
 * The snapshot at the path of `req` is complete (closed by the program), or has failed. Once a request; any
 * other pointer is ignored, with a line in the log.
 */
RAFT_EXPORT void raft_fsm_snapshot_complete(raft_snapshot_req req, bool success);

/** What raft_fsm_take_snapshot hands to its function: not looked at, may be NULL. */
typedef void* raft_fsm_snapshot_handle;

/** Writes the snapshot `handle` to `sink`, which the library opens and closes. 0, or the snapshot fails. */
typedef int (*raft_fsm_snapshot_func)(raft_fsm_snapshot_handle handle, FILE* sink);

/**
 * Calls write(handle, a stream to the path of `req`) once, on a worker thread, and ends `req` by what comes
 * of it. Returns at once. When `req` is no open request or `write` is NULL, nothing is called.
 */
RAFT_EXPORT void raft_fsm_take_snapshot(raft_snapshot_req req, raft_fsm_snapshot_handle handle,
                                        raft_fsm_snapshot_func write);

/**
 * Ours beyond libraft: `release` gets every result of apply that is not NULL and that no future hands out,
 * because the command was proposed by another node or an earlier run, or because its future was disposed of
 * or had ended with an error. Once per result, on the state machine's thread or that of
 * raft_future_dispose; raft_future_get_fsm_reply makes a result the caller's. NULL (the default): they are
 * dropped. Call it before raft_init.
 */
RAFT_EXPORT void raft_fsm_on_unclaimed_reply(void (*release)(void* reply));

/* --- Start and end ------------------------------------------------------------------------------------ */

/** Sets *config to the defaults named in raft_defs.h. Nothing for NULL. */
RAFT_EXPORT void raft_default_config(RaftConfig* config);

/**
 * Starts this process's node: checks the configuration, starts the engine in a child process, replays the
 * log, binds the address, and returns the child's pid. `fsm` (copied; apply must not be NULL) and `config`
 * (copied; NULL: the defaults) need not outlive the call. Callbacks may come before it returns. Waits.
 *
 * Returns -1 when there is a node already or the start failed; raft_init_error and standard error say why.
 *
 * This node's address is 127.0.0.1:listen_port, or what the environment variable POLYRAFT_ADVERTISE says:
 * "host" or "host:port". Names are resolved to IPv4 first, and a node's id is a hash of address and port: so
 * "localhost:9002" and "127.0.0.1:9002" are one node.
 *
 * A child that dies is started again: futures that are open then end with RAFT_E_SHUTDOWN, state machine and
 * buffers stay as they are, and what is called later goes to the next engine once that is there. The log is
 * not lost, also with "inmem".
 */
RAFT_EXPORT pid_t raft_init(RaftFSM* fsm, const RaftConfig* config);

/**
 * Ours beyond libraft: why the last raft_init failed; never NULL, empty when it did not. Valid until the next
 * raft_init.
 */
RAFT_EXPORT const char* raft_init_error(void);

/** Ours beyond libraft: the pid of the child that runs now; -1 when there is none. */
RAFT_EXPORT pid_t raft_child_pid(void);

/**
 * Ours beyond libraft: whether a child that dies is started again; true when nothing is said. Else its death
 * ends the node: its state is RAFT_SHUTDOWN, open futures and later calls end with RAFT_E_SHUTDOWN, until
 * raft_cleanup.
 */
RAFT_EXPORT void raft_set_engine_restart(bool restart);

/**
 * Ends the node: no callback runs and no child exists when this returns. Open futures end with
 * RAFT_E_SHUTDOWN. All futures and buffers become invalid. raft_init may be called again. Nothing happens
 * without a node. Waits; on a thread of the state machine it does nothing but a line in the log.
 */
RAFT_EXPORT void raft_cleanup(void);

/* --- Options of the command line ---------------------------------------------------------------------- */

/**
 * For getopt_long, to be joined with the program's own: --shm-path P, --shm-size N (with k, m or g),
 * --backend-type T, --dir D, --port N, --single, --peers LIST, --verbose. The last one has an empty name and
 * ends the list; behind it stands the end that getopt_long looks for. Values are above 255. Static.
 */
RAFT_EXPORT const struct option* raft_getopt_long_opts(void);

/** Whether getopt_long's result is one of these. */
RAFT_EXPORT bool is_raft_option(int value);

/**
 * Applies an option to *config (arg: optarg). 0, or 1 with a line on standard error: no such option, no
 * argument where one is needed, or one that is too long or no number in range.
 */
RAFT_EXPORT int raft_apply_option(RaftConfig* config, int value, const char* arg);

/* --- What is known now -------------------------------------------------------------------------------- */

/** Whether this node is the leader, as far as it knows; does not wait. See raft_verify_leader. */
RAFT_EXPORT bool raft_is_leader(void);

/** As far as it knows; does not wait. RAFT_INVALID_STATE before raft_init. */
RAFT_EXPORT RaftState raft_state(void);

/** When a leader was last heard of, in seconds since 1970; 0: never, this node leads, or an error. This one
 * and the next two ask the engine, and wait for its answer, 5 seconds at most. */
RAFT_EXPORT time_t raft_last_contact(void);

/** The last index in stable storage (log or snapshot); 0: none, or an error. */
RAFT_EXPORT RaftIndex raft_last_index(void);

/**
 * The leader's address, "127.0.0.1:9001", in *leader, for free_raft_buffer. RAFT_E_UNKNOWN_PEER when none is
 * known (*leader is NULL then), RAFT_E_INVALID_ADDRESS for NULL, RAFT_E_IN_SHUTDOWN, RAFT_E_OTHER (no room
 * for the buffer).
 */
RAFT_EXPORT RaftError raft_leader(char** leader);

/* --- Buffers ------------------------------------------------------------------------------------------ */

/**
 * `len` bytes (0: one) for a command, in memory that is shared with the engine, aligned for any type, not
 * cleared. NULL: no node, or no room within shm_size.
 */
RAFT_EXPORT char* alloc_raft_buffer(size_t len);

/**
 * Gives a buffer back, on any thread. NULL is fine; any other pointer that alloc_raft_buffer did not give, or
 * one that was freed before, is ignored, with a line in the log. A buffer whose future is open may be given
 * back too: its memory is used again only after that future has ended.
 */
RAFT_EXPORT void free_raft_buffer(const char* buf);

/* --- Calls with a future ------------------------------------------------------------------------------ */

/** A call that is under way or has ended: a number that fits a pointer, never an address. See
 * raft_future_wait. */
typedef void* raft_future;

/**
 * Proposes a command, the `len` bytes at `cmd`, on the leader; they lie inside one buffer of
 * alloc_raft_buffer and stay unchanged until the future has ended. 1 byte to 64 MiB (else RAFT_E_INVALID_OP).
 * They are not copied before the engine encodes them into its log batch. timeout_ns: how long it may take to
 * hand the command to the engine, which takes fewer than it is offered when it cannot commit (0: no limit).
 * One that is not taken in that time never will be, whether anybody waits for its future or not. The call
 * itself waits while the queue (some ten thousand commands) is full or the engine is being started again, up
 * to that time; on a thread of the state machine it does not wait, and ends with ENQUEUE_TIMEOUT.
 *
 * The future ends once the command is committed and apply has returned here. Errors: NOT_LEADER,
 * LEADERSHIP_LOST, SHUTDOWN, ENQUEUE_TIMEOUT, INVALID_ADDRESS, INVALID_OP, IN_SHUTDOWN, OTHER.
 */
RAFT_EXPORT raft_future raft_apply(char* cmd, size_t len, uint64_t timeout_ns);

/** raft_apply, wait, get_fsm_reply to *res, dispose. RAFT_E_INVALID_ADDRESS when res is NULL. Waits. */
RAFT_EXPORT RaftError raft_apply_sync(char* cmd, size_t len, uint64_t timeout_ns, void** res);

/** Ends when everything that this node proposed before has been applied here. Errors and timeout as
 * raft_apply. */
RAFT_EXPORT raft_future raft_barrier(uint64_t timeout_ns);

/** Ends when a majority has confirmed that this node is the leader. NOT_LEADER, LEADERSHIP_LOST, SHUTDOWN. */
RAFT_EXPORT raft_future raft_verify_leader(void);

/** Takes a snapshot; ends when it is on disk. Without anything new it ends well at once. RAFT_E_OTHER when it
 * failed, or this node has not gone through its log after the start. Any node. */
RAFT_EXPORT raft_future raft_snapshot(void);

/**
 * Adds a voter, or removes one; on the leader. End when the change is applied here. NOT_LEADER, KNOWN_PEER,
 * UNKNOWN_PEER, RESOLVE, INVALID_ADDRESS (host is NULL), INVALID_OP (port 0), OTHER (another change is under
 * way). A peer that was removed may be added again, and started after that. A leader that is removed hands
 * over.
 */
RAFT_EXPORT raft_future raft_add_peer(const char* host, uint16_t port);
RAFT_EXPORT raft_future raft_remove_peer(const char* host, uint16_t port);

/** Collects statistics, for raft_future_get_stats. */
RAFT_EXPORT raft_future raft_stats(void);

/**
 * Ends the node; the future ends when it has: its state is RAFT_SHUTDOWN, calls from now on end with
 * RAFT_E_IN_SHUTDOWN. Buffers and futures stay valid until raft_cleanup. Again: a future that ends with the
 * first.
 */
RAFT_EXPORT raft_future raft_shutdown(void);

/* --- Futures ------------------------------------------------------------------------------------------ */

/**
 * Waits until the call has ended; its result. May be called again, and by several threads. RAFT_E_INVALID_OP
 * for NULL, and for what is no future (any more).
 */
RAFT_EXPORT RaftError raft_future_wait(raft_future f);

/** Whether the call has ended. Does not wait. True for what is no future: there is nothing to wait for. */
RAFT_EXPORT bool raft_future_poll(raft_future f);

/** Waits until the call has ended, up to wait_ms; whether it has. True for what is no future. */
RAFT_EXPORT bool raft_future_wait_for(raft_future f, uint64_t wait_ms);

/**
 * Waits for a future of raft_apply; when it ended well, *value_ptr is what the state machine's apply returned
 * (each time the same). Else the future's error, and *value_ptr is unchanged. INVALID_OP: another future;
 * INVALID_ADDRESS: value_ptr is NULL.
 */
RAFT_EXPORT RaftError raft_future_get_fsm_reply(raft_future f, void** value_ptr);

/** The former name of raft_future_get_fsm_reply. */
RAFT_EXPORT RaftError raft_future_get_ptr(raft_future f, void** value_ptr);

/**
 * Waits for a future of raft_stats; *res is JSON text, an object of strings, valid until raft_future_dispose:
 * state, term, last_log_index, last_log_term, commit_index, applied_index, fsm_pending, last_snapshot_index,
 * last_snapshot_term, num_peers, last_contact ("never", "0", or as "12.5ms"), and ours: commands_shared and
 * commands_copied (commands that the engine took from shared buffers, and those that it was sent copies of;
 * barriers are none), command_bytes_shared, engine_restarts. INVALID_OP: another future; INVALID_ADDRESS: res
 * is NULL.
 */
RAFT_EXPORT RaftError raft_future_get_stats(raft_future f, const char** res);

/**
 * Forgets the future, which is no future from now on. Any time, also while the call is under way (which goes
 * on). What is no future is ignored.
 */
RAFT_EXPORT void raft_future_dispose(raft_future f);

/** Prints statistics (the text of raft_future_get_stats) to standard error, a line a key. */
RAFT_EXPORT void raft_print_stats(const char* stats);

/** A code's text; never NULL. Static. */
RAFT_EXPORT const char* raft_err_msg(RaftError err);

#ifdef __cplusplus
}
#endif

#endif /* RAFT_C_IF_H */
