/*
 * Threads that propose through futures, and remember what each future said.
 *
 * A proposal is what machine.h wants: u64 writer, u64 sequence, padding. The state machine replies with the
 * sequence. `acknowledged` gets 32 bytes for each proposal that ended well (u64 writer, u64 sequence, two
 * zeros), `refused` the same for each that was told not to have been done.
 */
#ifndef FUTURES_LOAD_H
#define FUTURES_LOAD_H

#include <raft_c_if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host_lines.h"

enum { LOAD_THREADS_MAX = 16, LOAD_WINDOW_MAX = 1024 };

struct load_counts {
  uint64_t proposed;
  uint64_t acknowledged;
  /* Not done, for sure. */
  uint64_t refused;
  /* It may have been done. */
  uint64_t unknown;
  /* Futures by what they ended with. */
  uint64_t by_error[N_RAFT_ERRORS];
  /* Errors that no raft_apply should have given, and replies that were not the proposal's own. */
  uint64_t faults;
  uint64_t last_fault;
};

bool load_open(const char* acknowledged_path, const char* refused_path);
bool load_start(const struct load_plan* plan);
/* Ends the threads, and waits until each future has ended; false when one has not in time. */
bool load_stop(uint64_t timeout_ms);
struct load_counts load_counts(void);

/* Proposes and disposes of `count` futures, `window` of them open, some disposed of before they have ended.
 * False when one ends with an error. */
bool load_cycles(uint64_t count, size_t window, size_t bytes);

#endif
