/*
 * One raft server in a process of its own, driven over its standard input: scenario_host DIRECTORY
 *
 * DIRECTORY gets `journal` (machine.h) and `acknowledged` (load.h), which are appended to by every process
 * that is started on it. One command a line, one answer a line, "answer ..." or "error CODE text"; what
 * happens by itself comes in between as "role NAME" and "event CODE VALUE text".
 *
 *   start FILE                                     a server with the configuration in FILE
 *   load FIRST_WRITER THREADS WINDOW BYTES PAUSE   proposes until `quiet` (pause in microseconds)
 *   quiet TIMEOUT_MS                               waits until each proposal has its outcome; the counts
 *   counts                                         the same, now
 *   digest                                         of the state machine
 *   held FILE, lacking FILE                        how many proposals of a file (load.h) it has, or has not
 *   member add|remove|update ID [URL]              waits until it is applied
 *   snapshot, status
 *   block apply|restore MS                         the next such callback blocks
 *   export FILE                                    writes the state, as a snapshot has it
 *   import FILE                                    proposes all that such a state holds; how many proposals
 *   stop, handover                                 stops the server, or hands leadership over first; the
 * process goes on
 */
#include <inttypes.h>
#include <polyraft.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host_lines.h"
#include "import.h"
#include "kv/kv_request.h"
#include "load.h"
#include "machine.h"

enum { PATH_BYTES = 4096, STATUS_BYTES = 64 * 1024, CHANGE_TIMEOUT_MS = 15000 };

static struct machine machine;
static RAFT_Handle raft;
/* Milliseconds that the next apply, or restore, blocks. */
static atomic_int apply_block_ms;
static atomic_int restore_block_ms;

static void answer_code(int code, uint64_t value) {
  if (code == RAFT_OK)
    tell("answer %" PRIu64 "\n", value);
  else
    tell("error %d %s\n", code, RAFT_LastError());
}

/* ---- Callbacks */

static void block(const char* what, atomic_int* milliseconds) {
  const int pause_ms = atomic_exchange(milliseconds, 0);
  if (pause_ms == 0) return;
  tell("blocking %s\n", what);
  const struct timespec time = {pause_ms / 1000, (long)(pause_ms % 1000) * 1000000};
  nanosleep(&time, NULL);
  tell("unblocked %s\n", what);
}

static int on_apply(void* context, uint64_t index, uint64_t term, const void* data, uint64_t size) {
  (void)context;
  block("apply", &apply_block_ms);
  return machine_apply(&machine, index, term, data, size);
}

static int on_restore(void* context, uint64_t index, uint64_t term, const void* data, uint64_t size) {
  (void)context;
  block("restore", &restore_block_ms);
  return machine_restore(&machine, index, term, data, size);
}

static int on_take_snapshot(void* context, uint64_t index, void** data, uint64_t* size) {
  (void)context;
  (void)index;
  *data = machine_encode(&machine, size);
  return 0;
}

static void on_free_memory(void* context, void* data) {
  (void)context;
  free(data);
}

static void on_state_change(void* context, int state) {
  static const char* const names[] = {"follower", "candidate", "leader", "pre-candidate"};
  (void)context;
  tell("role %s\n", names[state]);
}

static void on_event(void* context, int event, uint64_t value, const char* text) {
  (void)context;
  tell("event %d %" PRIu64 " %s\n", event, value, text);
}

/* ---- Commands */

static void start(const char* path) {
  size_t size = 0;
  char* const config = read_file(path, &size);
  if (config == NULL) {
    tell("error %d no configuration %s\n", RAFT_ERR_IO, path);
    return;
  }
  const struct RAFT_Options options = {
      .struct_size = sizeof options,
      .config = config,
      .callbacks = {.struct_size = sizeof options.callbacks,
                    .apply = on_apply,
                    .restore = on_restore,
                    .take_snapshot = on_take_snapshot,
                    .free_memory = on_free_memory,
                    .state_change = on_state_change,
                    .event = on_event},
  };
  answer_code(RAFT_NewRaftServerWith(&options, &raft), 0);
  free(config);
}

static void start_load(char** words) {
  struct load_plan plan;
  if (!read_load_plan(words, LOAD_THREADS_MAX, LOAD_WINDOW_MAX, &plan)) return;
  if (load_start(raft, &plan))
    tell("answer 0\n");
  else
    tell("error %d no thread\n", RAFT_ERR_NO_MEMORY);
}

static void tell_counts(void) {
  const struct load_counts counts = load_counts();
  tell("answer {\"accepted\":%" PRIu64 ",\"acknowledged\":%" PRIu64 ",\"rejected\":%" PRIu64
       ",\"unknown\":%" PRIu64 ",\"busy\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"lastCode\":%" PRIu64 "}\n",
       counts.accepted, counts.acknowledged, counts.rejected, counts.unknown, counts.busy, counts.refused,
       counts.last_code);
}

static void quiet(char** words) {
  uint64_t timeout_ms = 0;
  if (!read_numbers(words, &timeout_ms, 1)) return;
  if (load_stop((int)timeout_ms))
    tell_counts();
  else
    tell("error %d proposals without an outcome\n", RAFT_ERR_TIMEOUT);
}

static void tell_digest(void) {
  pthread_mutex_lock(&machine.mutex);
  const uint64_t count = machine.count;
  const uint64_t chain = machine.chain;
  const uint64_t duplicates = machine.duplicates;
  pthread_mutex_unlock(&machine.mutex);
  uint64_t applied = 0;
  RAFT_GetAppliedIndex(raft, &applied);
  tell("answer {\"applied\":%" PRIu64 ",\"count\":%" PRIu64 ",\"chain\":\"%016" PRIx64
       "\",\"duplicates\":%" PRIu64 "}\n",
       applied, count, chain, duplicates);
}

static void change_member(char** words) {
  static const struct {
    const char* name;
    int change;
  } changes[] = {{"add", RAFT_MEMBER_ADD}, {"remove", RAFT_MEMBER_REMOVE}, {"update", RAFT_MEMBER_UPDATE}};
  uint64_t id = 0;
  uint64_t index = 0;
  for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
    if (words[0] == NULL || strcmp(words[0], changes[i].name) != 0 || !kv_parse_number(words[1], &id))
      continue;
    const int code = RAFT_ChangeMember(raft, changes[i].change, id, words[2], CHANGE_TIMEOUT_MS, &index);
    answer_code(code, index);
    return;
  }
  tell("error %d member add|remove|update ID [URL]\n", RAFT_ERR_INVALID_ARGUMENT);
}

static void set_block(char** words) {
  uint64_t pause_ms = 0;
  if (words[0] == NULL || !kv_parse_number(words[1], &pause_ms)) {
    tell("error %d block apply|restore MS\n", RAFT_ERR_INVALID_ARGUMENT);
    return;
  }
  atomic_store(strcmp(words[0], "restore") == 0 ? &restore_block_ms : &apply_block_ms, (int)pause_ms);
  tell("answer 0\n");
}

static void export_state(const char* path) {
  uint64_t size = 0;
  void* const state = machine_encode(&machine, &size);
  FILE* const file = fopen(path, "we");
  bool written = file != NULL && fwrite(state, 1, size, file) == size;
  if (file != NULL && fclose(file) != 0) written = false;
  free(state);
  if (written)
    tell("answer %" PRIu64 "\n", size);
  else
    tell("error %d %s cannot be written\n", RAFT_ERR_IO, path);
}

static void import(const char* path) {
  uint64_t count = 0;
  const int code = import_state(raft, path, &count);
  if (code == RAFT_OK)
    tell("answer %" PRIu64 "\n", count);
  else
    tell("error %d %s\n", code, RAFT_StrError(code));
}

static void tell_status(void) {
  static char status[STATUS_BYTES];
  const int code = RAFT_GetStatus(raft, status, sizeof status);
  if (code == RAFT_OK)
    tell("answer %s\n", status);
  else
    answer_code(code, 0);
}

static void run_command(char** words) {
  uint64_t index = 0;
  if (strcmp(words[0], "start") == 0 && words[1] != NULL) {
    start(words[1]);
  } else if (strcmp(words[0], "load") == 0) {
    start_load(words + 1);
  } else if (strcmp(words[0], "quiet") == 0) {
    quiet(words + 1);
  } else if (strcmp(words[0], "counts") == 0) {
    tell_counts();
  } else if (strcmp(words[0], "digest") == 0) {
    tell_digest();
  } else if ((strcmp(words[0], "held") == 0 || strcmp(words[0], "lacking") == 0) && words[1] != NULL) {
    tell_held(&machine, words[1], *words[0] == 'h');
  } else if (strcmp(words[0], "member") == 0) {
    change_member(words + 1);
  } else if (strcmp(words[0], "snapshot") == 0) {
    const int code = RAFT_SaveSnapshot(raft, -1, &index);
    answer_code(code, index);
  } else if (strcmp(words[0], "status") == 0) {
    tell_status();
  } else if (strcmp(words[0], "block") == 0) {
    set_block(words + 1);
  } else if (strcmp(words[0], "export") == 0 && words[1] != NULL) {
    export_state(words[1]);
  } else if (strcmp(words[0], "import") == 0 && words[1] != NULL) {
    import(words[1]);
  } else if (strcmp(words[0], "stop") == 0) {
    answer_code(RAFT_StopServer(raft), 0);
  } else if (strcmp(words[0], "handover") == 0) {
    answer_code(RAFT_HandOverAndStopServer(raft), 0);
  } else {
    tell("error %d unknown command\n", RAFT_ERR_INVALID_ARGUMENT);
  }
}

int main(int count, char** arguments) {
  char path[PATH_BYTES];
  if (count != 2) {
    fprintf(stderr, "usage: scenario_host DIRECTORY\n");
    return 2;
  }
  snprintf(path, sizeof path, "%s/journal", arguments[1]);
  if (!machine_open(&machine, path)) return 1;
  snprintf(path, sizeof path, "%s/acknowledged", arguments[1]);
  if (!load_open(path)) return 1;
  serve_lines(run_command);
  return 0;
}
