/*
 * One node, driven by lines on its standard input; uses nothing but raft_c_if.h. Also compiled as C++17
 * (node_cpp.cc).
 *
 *   apply TEXT                                           ok COUNT, or error CODE
 *   snapshot, add HOST PORT, remove HOST PORT, barrier   error CODE
 *   state                                                state NUMBER
 *   count                                                count COUNT SUM
 *   contact                                              contact SECONDS LAST_INDEX LEADER
 *   child                                                child PID
 */
#include <getopt.h>
#include <raft_c_if.h>
#include <stdlib.h>
#include <string.h>

/* Written by the state machine's thread, looked at by main. */
static unsigned long count = 0;
static unsigned long sum = 0;

static void* apply(uint64_t index, uint64_t term, RaftLogType type, char* cmd, size_t len) {
  unsigned long* reply = (unsigned long*)malloc(sizeof *reply);
  unsigned long next = sum;
  size_t at;
  (void)index;
  (void)term;
  (void)type;
  for (at = 0; at < len; at++) next = next * 31 + (unsigned char)cmd[at];
  __atomic_store_n(&sum, next, __ATOMIC_RELAXED);
  __atomic_store_n(&count, count + 1, __ATOMIC_RELAXED);
  if (reply != NULL) *reply = count;
  return reply;
}

static int write_state(raft_fsm_snapshot_handle handle, FILE* sink) {
  unsigned long* state = (unsigned long*)handle;
  const int written = fprintf(sink, "%lu %lu\n", state[0], state[1]);
  free(state);
  return written > 0 ? 0 : 1;
}

static void begin_snapshot(const char* path, raft_snapshot_req request) {
  unsigned long* state = (unsigned long*)malloc(2 * sizeof *state);
  (void)path;
  if (state == NULL) {
    raft_fsm_snapshot_complete(request, false);
    return;
  }
  state[0] = count;
  state[1] = sum;
  raft_fsm_take_snapshot(request, state, write_state);
}

static int restore(const char* path) {
  FILE* source = fopen(path, "r");
  unsigned long state[2];
  int scanned;
  if (source == NULL) return 1;
  scanned = fscanf(source, "%lu %lu", &state[0], &state[1]);
  fclose(source);
  if (scanned != 2) return 1;
  __atomic_store_n(&count, state[0], __ATOMIC_RELAXED);
  __atomic_store_n(&sum, state[1], __ATOMIC_RELAXED);
  return 0;
}

static void finish(raft_future future) {
  printf("error %d\n", (int)raft_future_wait(future));
  raft_future_dispose(future);
}

static void propose(const char* text) {
  const size_t length = strlen(text);
  char* buffer = alloc_raft_buffer(length);
  void* reply = NULL;
  RaftError error;
  if (buffer == NULL) {
    printf("error -1\n");
    return;
  }
  memcpy(buffer, text, length);
  error = raft_apply_sync(buffer, length, 0, &reply);
  if (error == RAFT_SUCCESS)
    printf("ok %lu\n", *(unsigned long*)reply);
  else
    printf("error %d\n", (int)error);
  free(reply);
  free_raft_buffer(buffer);
}

int main(int argc, char* argv[]) {
  static RaftFSM fsm = {apply, begin_snapshot, restore};
  RaftConfig config;
  char line[512];
  int value;
  raft_default_config(&config);
  config.HeartbeatTimeout = config.ElectionTimeout = config.LeaderLeaseTimeout = 400000000;
  config.SnapshotThreshold = 40;
  config.TrailingLogs = 5;
  config.SnapshotInterval = 100000000;
  while ((value = getopt_long(argc, argv, "", raft_getopt_long_opts(), NULL)) != -1) {
    if (!is_raft_option(value) || raft_apply_option(&config, value, optarg) != 0) return 2;
  }
  raft_fsm_on_unclaimed_reply(free);
  if (raft_init(&fsm, &config) < 0) return 1;
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("ready\n");
  while (fgets(line, sizeof line, stdin) != NULL) {
    char host[256];
    unsigned port = 0;
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "apply ", 6) == 0)
      propose(line + 6);
    else if (strcmp(line, "state") == 0)
      printf("state %d\n", (int)raft_state());
    else if (strcmp(line, "count") == 0)
      printf("count %lu %lu\n", __atomic_load_n(&count, __ATOMIC_RELAXED),
             __atomic_load_n(&sum, __ATOMIC_RELAXED));
    else if (strcmp(line, "contact") == 0) {
      char* leader = NULL;
      const RaftError error = raft_leader(&leader);
      printf("contact %ld %lu %s\n", (long)raft_last_contact(), (unsigned long)raft_last_index(),
             error == RAFT_SUCCESS ? leader : raft_err_msg(error));
      free_raft_buffer(leader);
    } else if (strcmp(line, "child") == 0)
      printf("child %d\n", (int)raft_child_pid());
    else if (strcmp(line, "snapshot") == 0)
      finish(raft_snapshot());
    else if (strcmp(line, "barrier") == 0)
      finish(raft_barrier(0));
    else if (sscanf(line, "add %255s %u", host, &port) == 2)
      finish(raft_add_peer(host, (uint16_t)port));
    else if (sscanf(line, "remove %255s %u", host, &port) == 2)
      finish(raft_remove_peer(host, (uint16_t)port));
    else
      break;
  }
  raft_cleanup();
  return 0;
}
