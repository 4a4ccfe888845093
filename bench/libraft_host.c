/*
 * One node of the benchmark on the libraft interface, driven over its standard input as bench/host.c is:
 * libraft_host DIRECTORY PORT PEERS (PEERS empty: a cluster of one)
 *
 *   run COUNT BYTES WINDOW   COUNT commands of BYTES, at most WINDOW futures open -> JSON
 *   state                    -> "leader TERM" or "other TERM"
 *
 * Latency is from before alloc_raft_buffer to the end of raft_future_wait. Futures are waited for in the
 * order in which they were made, as a program does that keeps a window of them.
 */
#include <inttypes.h>
#include <raft_c_if.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "times.h"

static atomic_ullong applied;

static void* on_apply(uint64_t index, uint64_t term, RaftLogType type, char* cmd, size_t len) {
  (void)index;
  (void)term;
  (void)type;
  (void)cmd;
  (void)len;
  atomic_fetch_add_explicit(&applied, 1, memory_order_relaxed);
  return NULL;
}

/* A state that is empty is written at once. */
static void on_begin_snapshot(const char* path, raft_snapshot_req request) {
  FILE* const file = fopen(path, "w");
  raft_fsm_snapshot_complete(request, file != NULL && fclose(file) == 0);
}

static int on_restore(const char* path) {
  FILE* const file = fopen(path, "r");
  return file != NULL && fclose(file) == 0 ? 0 : 1;
}

struct slot {
  raft_future future;
  char* buffer;
  uint64_t began;
};

static RaftError settle(struct slot* slot, uint64_t* took) {
  const RaftError error = raft_future_wait(slot->future);
  *took = now_ns() - slot->began;
  raft_future_dispose(slot->future);
  free_raft_buffer(slot->buffer);
  return error;
}

static RaftError propose(struct slot* slot, uint64_t bytes) {
  slot->began = now_ns();
  slot->buffer = alloc_raft_buffer(bytes);
  if (slot->buffer == NULL) return RAFT_E_OTHER;
  memset(slot->buffer, 'b', bytes);
  slot->future = raft_apply(slot->buffer, bytes, 0);
  return RAFT_SUCCESS;
}

static void run_load(uint64_t count, uint64_t bytes, uint64_t window) {
  if (count == 0 || window == 0 || bytes == 0) {
    printf("error run COUNT BYTES WINDOW: at least 1 each\n");
    return;
  }
  uint64_t* const times = calloc(count, sizeof *times);
  struct slot* const slots = calloc(window, sizeof *slots);
  if (times == NULL || slots == NULL) abort();
  RaftError error = RAFT_SUCCESS;
  uint64_t settled = 0;
  const uint64_t began = now_ns();
  for (uint64_t number = 0; number < count && error == RAFT_SUCCESS; number++) {
    if (number - settled == window) {
      error = settle(&slots[settled % window], &times[settled]);
      settled++;
    }
    if (error == RAFT_SUCCESS) error = propose(&slots[number % window], bytes);
  }
  while (settled < count && error == RAFT_SUCCESS) {
    error = settle(&slots[settled % window], &times[settled]);
    settled++;
  }
  const uint64_t took_ns = now_ns() - began;
  if (error == RAFT_SUCCESS)
    tell_times(times, count, took_ns);
  else
    printf("error command %" PRIu64 ": %s\n", settled, raft_err_msg(error));
  free(slots);
  free(times);
}

/* Statistics are an object of strings. */
static void tell_state(void) {
  const char* stats = NULL;
  uint64_t term = 0;
  const raft_future future = raft_stats();
  if (raft_future_get_stats(future, &stats) == RAFT_SUCCESS) {
    const char* const found = strstr(stats, "\"term\"");
    if (found != NULL) sscanf(found, "\"term\" : \"%" SCNu64, &term);
  }
  raft_future_dispose(future);
  printf("%s %" PRIu64 "\n", raft_is_leader() ? "leader" : "other", term);
}

int main(int argument_count, char** arguments) {
  char line[4096];
  uint64_t numbers[3];
  RaftConfig config;
  RaftFSM fsm = {on_apply, on_begin_snapshot, on_restore};
  if (argument_count != 4) {
    fprintf(stderr, "usage: libraft_host DIRECTORY PORT PEERS\n");
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  raft_default_config(&config);
  snprintf(config.base_dir, sizeof config.base_dir, "%s", arguments[1]);
  config.listen_port = (uint16_t)strtoul(arguments[2], NULL, 10);
  snprintf(config.peers, sizeof config.peers, "%s", arguments[3]);
  config.EnableSingleNode = *arguments[3] == '\0';
  /* As long as the other subjects have it, so that a busy machine does not cost a leader. */
  config.HeartbeatTimeout = 2000000000;
  config.ElectionTimeout = config.HeartbeatTimeout;
  config.LeaderLeaseTimeout = config.HeartbeatTimeout;
  if (raft_init(&fsm, &config) < 0)
    printf("error %s\n", raft_init_error());
  else
    printf("ready\n");
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (sscanf(line, "run %" SCNu64 " %" SCNu64 " %" SCNu64, &numbers[0], &numbers[1], &numbers[2]) == 3)
      run_load(numbers[0], numbers[1], numbers[2]);
    else if (strncmp(line, "state", 5) == 0)
      tell_state();
    else
      printf("error unknown command: %s", line);
  }
  raft_cleanup();
  return 0;
}
