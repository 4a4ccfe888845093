/*
 * Three servers on raft_step in one process, for measuring: a first-in first-out network and disks that have
 * written at once, both in memory. Time is the caller's. Nothing is lost, so this is no model for a program;
 * examples-c/step_uv.c is.
 */
#ifndef POLYRAFT_BENCH_CRAFT_MEMORY_CLUSTER_H_
#define POLYRAFT_BENCH_CRAFT_MEMORY_CLUSTER_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "craft/raft.h"

enum {
  CLUSTER_SERVERS = 3,
  /* Entries between snapshots, and kept behind one. */
  CLUSTER_SNAPSHOT_ENTRIES = 8192,
  CLUSTER_TRAILING_ENTRIES = 4096,
};

/* What a step was for. */
enum cluster_step {
  STEP_SUBMIT,
  STEP_PERSISTED,
  STEP_RECEIVE_APPEND,
  STEP_RECEIVE_APPEND_RESULT,
  STEP_TIMEOUT,
  STEP_OTHER,
  STEP_KINDS
};
const char* cluster_step_name(enum cluster_step kind);

/* Durations of single steps are kept while this is on; switching it on forgets the earlier ones. */
void cluster_time_steps(bool is_on);
/* Nanoseconds at that share (0 to 1) of the steps of one kind, or of all with STEP_KINDS; 0 without any. */
uint64_t cluster_step_ns(enum cluster_step kind, double share);
uint64_t cluster_steps(void);

/* Starts the servers and has server 1 elected. At most this many entries are under way to a follower. */
void cluster_open(unsigned inflight_entries_max);
void cluster_close(void);
/* Submits entries of this length at the leader, and has the network and disks do all that follows from it. */
void cluster_submit(unsigned entries, size_t bytes);
/* A heartbeat of the leader to its followers, and their answers. */
void cluster_heartbeat(void);
raft_index cluster_committed(void);

#endif
