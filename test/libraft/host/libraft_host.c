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
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "futures_load.h"
#include "kv/kv_bytes.h"
#include "kv/kv_request.h"
#include "machine.h"

enum { LINE_BYTES = 4096, WORDS_MAX = 8, CHANGE_TIMEOUT_MS = 15000 };

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

static char* read_file(const char* path, size_t* size) {
  FILE* const file = fopen(path, "re");
  if (file == NULL) return NULL;
  struct kv_bytes bytes = {0};
  char part[65536];
  size_t got = 0;
  while ((got = fread(part, 1, sizeof part, file)) != 0) kv_bytes_add(&bytes, part, got);
  fclose(file);
  *size = bytes.size;
  kv_bytes_add_u8(&bytes, 0);
  return bytes.data;
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
    printf("answer 0\n");
  else
    printf("error %d %s\n", error, raft_err_msg(error));
}

static void answer_future(raft_future future) {
  if (raft_future_wait_for(future, CHANGE_TIMEOUT_MS))
    answer_error(raft_future_wait(future));
  else
    printf("error -1 not within %d ms\n", CHANGE_TIMEOUT_MS);
  raft_future_dispose(future);
}

static bool read_numbers(char** words, uint64_t* numbers, int count) {
  for (int i = 0; i < count; i++) {
    if (words[i] != NULL && kv_parse_number(words[i], &numbers[i])) continue;
    printf("error -1 number %d is missing\n", i + 1);
    return false;
  }
  return true;
}

static void start_load(char** words) {
  uint64_t numbers[5];
  if (!read_numbers(words, numbers, 5)) return;
  const struct load_options options = {.first_writer = numbers[0],
                                       .threads = numbers[1],
                                       .window = numbers[2],
                                       .bytes = numbers[3],
                                       .pause_us = (unsigned)numbers[4]};
  if (options.threads > LOAD_THREADS_MAX || options.window > LOAD_WINDOW_MAX || options.window == 0 ||
      options.bytes < MACHINE_PROPOSAL_BYTES_MIN || !load_start(&options))
    printf("error -1 load\n");
  else
    printf("answer 0\n");
}

static void answer_counts(void) {
  const struct load_counts counts = load_counts();
  printf("answer {\"proposed\":%" PRIu64 ",\"acknowledged\":%" PRIu64 ",\"refused\":%" PRIu64
         ",\"unknown\":%" PRIu64 ",\"faults\":%" PRIu64 ",\"lastFault\":%" PRIu64 "}\n",
         counts.proposed, counts.acknowledged, counts.refused, counts.unknown, counts.faults,
         counts.last_fault);
}

static void quiet(char** words) {
  uint64_t timeout_ms = 0;
  if (!read_numbers(words, &timeout_ms, 1)) return;
  if (load_stop(timeout_ms))
    answer_counts();
  else
    printf("error -1 futures that do not end\n");
}

static void run_cycles(char** words) {
  uint64_t numbers[3];
  if (!read_numbers(words, numbers, 3)) return;
  if (load_cycles(numbers[0], numbers[1], numbers[2]))
    printf("answer %llu\n", atomic_load(&counted));
  else
    printf("error -1 a command was not applied\n");
}

static void answer_digest(void) {
  pthread_mutex_lock(&machine.mutex);
  printf("answer {\"count\":%" PRIu64 ",\"chain\":\"%016" PRIx64 "\",\"duplicates\":%" PRIu64 "}\n",
         machine.count, machine.chain, machine.duplicates);
  pthread_mutex_unlock(&machine.mutex);
}

static void answer_records(const char* path, bool is_wanted) {
  size_t size = 0;
  char* const records = read_file(path, &size);
  uint64_t found = 0;
  for (size_t at = 0; records != NULL && at + 32 <= size; at += 32) {
    uint64_t record[2];
    memcpy(record, records + at, sizeof record);
    if (machine_has(&machine, record[0], record[1]) == is_wanted) found++;
  }
  free(records);
  printf("answer %" PRIu64 "\n", found);
}

static void answer_stats(void) {
  const raft_future future = raft_stats();
  const char* text = NULL;
  const RaftError error = raft_future_get_stats(future, &text);
  if (error == RAFT_SUCCESS)
    printf("answer %s\n", text);
  else
    answer_error(error);
  raft_future_dispose(future);
}

static void answer_leader(void) {
  char* leader = NULL;
  const RaftError error = raft_leader(&leader);
  if (error == RAFT_SUCCESS)
    printf("answer %s\n", leader);
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
    printf("answer %s\n", states[raft_state()]);
  } else if (strcmp(verb, "stats") == 0) {
    answer_stats();
  } else if (strcmp(verb, "leader") == 0) {
    answer_leader();
  } else if (strcmp(verb, "child") == 0) {
    printf("answer %d\n", raft_child_pid());
  } else if (strcmp(verb, "held") == 0 && words[1] != NULL) {
    answer_records(words[1], true);
  } else if (strcmp(verb, "lacking") == 0 && words[1] != NULL) {
    answer_records(words[1], false);
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
    printf("answer 0\n");
  } else if (strcmp(verb, "shutdown") == 0) {
    answer_future(raft_shutdown());
  } else {
    printf("error -1 unknown command\n");
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
      {"SnapshotThreshold", &config->SnapshotThreshold},
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
  char path[LINE_BYTES];
  char refused_path[LINE_BYTES];
  char line[LINE_BYTES];
  RaftConfig config;
  raft_default_config(&config);
  if (count < 3 || !read_arguments(count - 3, arguments + 3, &config)) {
    fprintf(stderr, "usage: libraft_host DIRECTORY machine|counter [NAME=NUMBER ...] [-- options]\n");
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  snprintf(path, sizeof path, "%s/journal", arguments[1]);
  if (!machine_open(&machine, path)) return 1;
  snprintf(path, sizeof path, "%s/acknowledged", arguments[1]);
  snprintf(refused_path, sizeof refused_path, "%s/refused", arguments[1]);
  if (!load_open(path, refused_path)) return 1;
  RaftFSM fsm = {on_apply, on_begin_snapshot, on_restore};
  if (strcmp(arguments[2], "counter") == 0) fsm.apply = on_count;
  const pid_t child = raft_init(&fsm, &config);
  if (child < 0)
    printf("failed %s\n", raft_init_error());
  else
    printf("ready %d\n", child);
  while (fgets(line, sizeof line, stdin) != NULL) {
    char* words[WORDS_MAX] = {NULL};
    char* rest = line;
    line[strcspn(line, "\n")] = '\0';
    for (int i = 0; i < WORDS_MAX - 1 && rest != NULL; i++) words[i] = strsep(&rest, " ");
    run_command(words);
  }
  raft_cleanup();
  return 0;
}
