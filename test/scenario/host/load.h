/*
 * Threads that propose without end, and what became of their proposals. Each acknowledged one (its completion
 * said committed) is appended to a file at once, as u64 writer, u64 sequence, u64 index, u64 term.
 */
#ifndef LOAD_H
#define LOAD_H

#include <polyraft.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host_lines.h"

enum { LOAD_THREADS_MAX = 64, LOAD_WINDOW_MAX = 65536 };

struct load_counts {
  uint64_t accepted;
  uint64_t acknowledged;
  uint64_t rejected;
  uint64_t unknown;
  /* RAFT_ProposeAsync that found no room. */
  uint64_t busy;
  /* RAFT_ProposeAsync that failed otherwise, and the last code of those. */
  uint64_t refused;
  uint64_t last_code;
};

/* Opens the file of acknowledged proposals; false when it cannot. Once a process. */
bool load_open(const char* acknowledged_path);
/* Starts the threads; not while others run. */
bool load_start(RAFT_Handle raft, const struct load_plan* plan);
/* Ends the threads; then waits until every proposal has its completion, at most timeout_ms: else false. */
bool load_stop(int timeout_ms);
struct load_counts load_counts(void);

#endif
