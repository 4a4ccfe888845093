/*
 * One libraft node in a process of its own, driven over its standard input:
 * libraft_host DIRECTORY machine|counter [NAME=NUMBER ...] [-- options of raft_getopt_long_opts]
 *
 * DIRECTORY gets `journal` (machine.h), `acknowledged` and `refused` (futures_load.h). `counter` only counts
 * commands. NAME is a member of RaftConfig. It starts at once: "ready PID", or "failed TEXT". Then one
 * command a line, one answer a line, "answer ..." or "error CODE text":
 *
 *   load FIRST_WRITER THREADS WINDOW BYTES PAUSE   proposes until `quiet` (pause in microseconds)
 *   quiet TIMEOUT_MS                               waits until each future has ended; the counts
 *   cycles COUNT WINDOW BYTES                      COUNT commands whose futures are disposed of
 *   counts, digest, state, stats, leader, child
 *   held FILE                                      how many proposals of a file the state machine has
 *   lacking FILE                                   how many it does not have
 *   snapshot, barrier, verify
 *   add|remove HOST PORT
 *   block apply MS                                 the next callback blocks
 *   shutdown                                       the node; the process goes on
 */
#include <getopt.h>
#include <inttypes.h>
#include <raft_c_if.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "futures_load.h"
#include "host_lines.h"
#include "kv/kv_bytes.h"
#include "kv/kv_request.h"
#include "machine.h"

enum { PATH_BYTES = 4096, CHANGE_TIMEOUT_MS = 15000 };

static struct machine machine;
static atomic_int apply_block_ms;
static atomic_ullong counted;

static void* on_apply(uint64_t index, uint64_t term, RaftLogType type, char* cmd, size_t len) {
  const int pause_ms = atomic_exchange(&apply_block_ms, 0);
  if (pause_ms != 0) usleep((useconds_t)pause_ms * 1000);
  uint64_t id[2] = {0};
  if (type != RAFT_LOG_COMMAND || machine_apply(&machine, index, term, cmd, len) != 0) abort();
  memcpy(id, cmd, sizeof id);
  return (void*)(uintptr_t)id[1];
}

static void* on_count(uint64_t index, uint64_t term, RaftLogType type, char* cmd, size_t len) {
  (void)index;
  (void)term;
  (void)type;
  (void)cmd;
  (void)len;
  return (void*)(uintptr_t)(atomic_fetch_add(&counted, 1) + 1);
}

struct frozen {
  void* data;
  uint64_t size;
};

static int write_frozen(raft_fsm_snapshot_handle handle, FILE* sink) {
  struct frozen* const frozen = handle;
  const bool is_good = fwrite(frozen->data, 1, frozen->size, sink) == frozen->size;
  free(frozen->data);
  free(frozen);
  return is_good ? 0 : 1;
}

static void on_begin_snapshot(const char* path, raft_snapshot_req request) {
  (void)path;
  struct frozen* const frozen = kv_allocate(sizeof *frozen);
  frozen->data = machine_encode(&machine, &frozen->size);
  raft_fsm_take_snapshot(request, frozen, write_frozen);
}

/* The state begins with the index of its last entry. */
static int on_restore(const char* path) {
  size_t size = 0;
  uint64_t index = 0;
  char* const data = read_file(path, &size);
  if (data == NULL || size < sizeof index) return 1;
  memcpy(&index, data, sizeof index);
  const int code = machine_restore(&machine, index, 0, data, size);
  free(data);
  return code;
}

/* ---- Answers */

static void answer_error(RaftError error) {
  if (error == RAFT_SUCCESS)
    tell("answer 0\n");
  else
    tell("error %d %s\n", error, raft_err_msg(error));
}

static void answer_future(raft_future future) {
  if (raft_future_wait_for(future, CHANGE_TIMEOUT_MS))
    answer_error(raft_future_wait(future));
  else
    tell("error -1 not within %d ms\n", CHANGE_TIMEOUT_MS);
  raft_future_dispose(future);
}

static void start_load(char** words) {
  struct load_plan plan;
  if (!read_load_plan(words, LOAD_THREADS_MAX, LOAD_WINDOW_MAX, &plan)) return;
  if (load_start(&plan))
    tell("answer 0\n");
  else
    tell("error -1 no thread\n");
}

static void answer_counts(void) {
  const struct load_counts counts = load_counts();
  char by_error[PATH_BYTES] = "";
  size_t used = 0;
  for (int error = 0; error < N_RAFT_ERRORS; error++)
    used += (size_t)snprintf(by_error + used, sizeof by_error - used, "%s%" PRIu64, error == 0 ? "" : ",",
                             counts.by_error[error]);
  tell("answer {\"proposed\":%" PRIu64 ",\"acknowledged\":%" PRIu64 ",\"refused\":%" PRIu64
       ",\"unknown\":%" PRIu64 ",\"faults\":%" PRIu64 ",\"lastFault\":%" PRIu64 ",\"byError\":[%s]}\n",
       counts.proposed, counts.acknowledged, counts.refused, counts.unknown, counts.faults, counts.last_fault,
       by_error);
}

static void quiet(char** words) {
  uint64_t timeout_ms = 0;
  if (!read_numbers(words, &timeout_ms, 1)) return;
  if (load_stop(timeout_ms))
    answer_counts();
  else
    tell("error -1 futures that do not end\n");
}

static void run_cycles(char** words) {
  uint64_t numbers[3];
  if (!read_numbers(words, numbers, 3)) return;
  if (load_cycles(numbers[0], numbers[1], numbers[2]))
    tell("answer %llu\n", atomic_load(&counted));
  else
    tell("error -1 a command was not applied\n");
}

static void answer_digest(void) {
  pthread_mutex_lock(&machine.mutex);
  tell("answer {\"count\":%" PRIu64 ",\"chain\":\"%016" PRIx64 "\",\"duplicates\":%" PRIu64 "}\n",
       machine.count, machine.chain, machine.duplicates);
  pthread_mutex_unlock(&machine.mutex);
}

static void answer_stats(void) {
  const raft_future future = raft_stats();
  const char* text = NULL;
  const RaftError error = raft_future_get_stats(future, &text);
  if (error == RAFT_SUCCESS)
    tell("answer %s\n", text);
  else
    answer_error(error);
  raft_future_dispose(future);
}

static void answer_leader(void) {
  char* leader = NULL;
  const RaftError error = raft_leader(&leader);
  if (error == RAFT_SUCCESS)
    tell("answer %s\n", leader);
  else
    answer_error(error);
  free_raft_buffer(leader);
}

static void change_peer(char** words, bool is_added) {
  uint64_t port = 0;
  if (words[0] == NULL || !read_numbers(words + 1, &port, 1)) return;
  const uint16_t number = (uint16_t)port;
  answer_future(is_added ? raft_add_peer(words[0], number) : raft_remove_peer(words[0], number));
}

static void run_command(char** words) {
  static const char* const states[] = {"invalid", "follower", "candidate", "leader", "shutdown"};
  const char* const verb = words[0];
  uint64_t pause_ms = 0;
  if (strcmp(verb, "load") == 0) {
    start_load(words + 1);
  } else if (strcmp(verb, "quiet") == 0) {
    quiet(words + 1);
  } else if (strcmp(verb, "cycles") == 0) {
    run_cycles(words + 1);
  } else if (strcmp(verb, "counts") == 0) {
    answer_counts();
  } else if (strcmp(verb, "digest") == 0) {
    answer_digest();
  } else if (strcmp(verb, "state") == 0) {
    tell("answer %s\n", states[raft_state()]);
  } else if (strcmp(verb, "stats") == 0) {
    answer_stats();
  } else if (strcmp(verb, "leader") == 0) {
    answer_leader();
  } else if (strcmp(verb, "child") == 0) {
    tell("answer %d\n", raft_child_pid());
  } else if ((strcmp(verb, "held") == 0 || strcmp(verb, "lacking") == 0) && words[1] != NULL) {
    tell_held(&machine, words[1], *verb == 'h');
  } else if (strcmp(verb, "snapshot") == 0) {
    answer_future(raft_snapshot());
  } else if (strcmp(verb, "barrier") == 0) {
    answer_future(raft_barrier(0));
  } else if (strcmp(verb, "verify") == 0) {
    answer_future(raft_verify_leader());
  } else if (strcmp(verb, "add") == 0 || strcmp(verb, "remove") == 0) {
    change_peer(words + 1, *verb == 'a');
  } else if (strcmp(verb, "block") == 0 && words[1] != NULL && read_numbers(words + 2, &pause_ms, 1)) {
    atomic_store(&apply_block_ms, (int)pause_ms);
    tell("answer 0\n");
  } else if (strcmp(verb, "shutdown") == 0) {
    answer_future(raft_shutdown());
  } else {
    tell("error -1 unknown command\n");
  }
}

/* ---- Start */

static bool set_member(RaftConfig* config, const char* text) {
  const struct {
    const char* name;
    uint64_t* value;
  } members[] = {
      {"HeartbeatTimeout", &config->HeartbeatTimeout},   {"ElectionTimeout", &config->ElectionTimeout},
      {"CommitTimeout", &config->CommitTimeout},         {"LeaderLeaseTimeout", &config->LeaderLeaseTimeout},
      {"TrailingLogs", &config->TrailingLogs},           {"SnapshotInterval", &config->SnapshotInterval},
      {"SnapshotThreshold", &config->SnapshotThreshold}, {"ShmSize", &config->shm_size},
  };
  const size_t size = strcspn(text, "=");
  for (size_t i = 0; i < sizeof members / sizeof members[0] && text[size] == '='; i++) {
    if (strlen(members[i].name) == size && strncmp(text, members[i].name, size) == 0)
      return kv_parse_number(text + size + 1, members[i].value);
  }
  return false;
}

static bool read_arguments(int count, char** arguments, RaftConfig* config) {
  int at = 0;
  for (; at < count && strcmp(arguments[at], "--") != 0; at++) {
    if (!set_member(config, arguments[at])) return false;
  }
  int option = 0;
  optind = 1;
  if (at == count) return true;
  while ((option = getopt_long(count - at, arguments + at, "", raft_getopt_long_opts(), NULL)) != -1) {
    if (!is_raft_option(option) || raft_apply_option(config, option, optarg) != 0) return false;
  }
  return optind == count - at;
}

int main(int count, char** arguments) {
  char path[PATH_BYTES];
  char refused_path[PATH_BYTES];
  RaftConfig config;
  raft_default_config(&config);
  if (count < 3 || !read_arguments(count - 3, arguments + 3, &config)) {
    fprintf(stderr, "usage: libraft_host DIRECTORY machine|counter [NAME=NUMBER ...] [-- options]\n");
    return 2;
  }
  snprintf(path, sizeof path, "%s/journal", arguments[1]);
  if (!machine_open(&machine, path)) return 1;
  snprintf(path, sizeof path, "%s/acknowledged", arguments[1]);
  snprintf(refused_path, sizeof refused_path, "%s/refused", arguments[1]);
  if (!load_open(path, refused_path)) return 1;
  RaftFSM fsm = {on_apply, on_begin_snapshot, on_restore};
  if (strcmp(arguments[2], "counter") == 0) fsm.apply = on_count;
  const pid_t child = raft_init(&fsm, &config);
  if (child < 0)
    tell("failed %s\n", raft_init_error());
  else
    tell("ready %d\n", child);
  serve_lines(run_command);
  raft_cleanup();
  return 0;
}
