/* Counts the letters of its input, on every node of the cluster. */
#define _POSIX_C_SOURCE 200809L

#include <ctype.h>
#include <getopt.h>
#include <raft_c_if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned long letters; /* The state; only the state machine's thread touches it. */

static void* apply(uint64_t index, uint64_t term, RaftLogType type, char* cmd, size_t len) {
  (void)index, (void)term, (void)type;
  for (size_t at = 0; at < len; at++) letters += isalpha((unsigned char)cmd[at]) ? 1 : 0;
  return (void*)(uintptr_t)letters; /* The reply: a pointer, or anything that fits one. */
}

/* On a worker thread, while apply goes on: what it writes is its own copy. */
static int write_letters(raft_fsm_snapshot_handle handle, FILE* sink) {
  const int written = fprintf(sink, "%lu\n", *(unsigned long*)handle);
  free(handle);
  return written > 0 ? 0 : 1;
}

static void begin_snapshot(const char* path, raft_snapshot_req request) {
  unsigned long* copy = (unsigned long*)malloc(sizeof *copy);
  (void)path;
  if (copy == NULL) {
    raft_fsm_snapshot_complete(request, false);
    return;
  }
  *copy = letters;
  raft_fsm_take_snapshot(request, copy, write_letters);
}

static int restore(const char* path) {
  FILE* source = fopen(path, "r");
  const int read = source == NULL ? 0 : fscanf(source, "%lu", &letters);
  if (source != NULL) fclose(source);
  return read == 1 ? 0 : 1;
}

static RaftError count(const char* line) {
  const size_t length = strlen(line);
  char* buffer = alloc_raft_buffer(length); /* Shared with the engine. */
  void* reply = NULL;
  if (buffer == NULL) return RAFT_E_OTHER;
  memcpy(buffer, line, length);
  raft_future future = raft_apply(buffer, length, 0);
  const RaftError error = raft_future_get_fsm_reply(future, &reply); /* Waits. */
  raft_future_dispose(future);
  free_raft_buffer(buffer);
  if (error == RAFT_SUCCESS) printf("%lu letters\n", (unsigned long)(uintptr_t)reply);
  return error;
}

int main(int argc, char* argv[]) {
  const struct timespec moment = {0, 20000000};
  RaftFSM machine = {apply, begin_snapshot, restore};
  RaftConfig config;
  char line[256];
  int option;
  raft_default_config(&config);
  while ((option = getopt_long(argc, argv, "", raft_getopt_long_opts(), NULL)) != -1) {
    if (!is_raft_option(option) || raft_apply_option(&config, option, optarg) != 0) return 2;
  }
  if (raft_init(&machine, &config) < 0) return 1; /* It has said why. */
  while (fgets(line, sizeof line, stdin) != NULL) {
    RaftError error;
    while ((error = count(line)) == RAFT_E_NOT_LEADER) nanosleep(&moment, NULL);
    if (error != RAFT_SUCCESS) fprintf(stderr, "%s\n", raft_err_msg(error));
  }
  raft_cleanup();
  return 0;
}
