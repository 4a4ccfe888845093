/*
 * One node whose registers are written and read by many clients at once: linear_host CONFIGURATION_FILE
 *
 * Commands and answers are lines with a tag, so that many may be under way; answers come as they are ready.
 *
 *   TAG put KEY VALUE    TAG ok, TAG no CODE (it will not take effect) or TAG unknown CODE (it may)
 *   TAG get KEY          behind a read barrier: TAG ok VALUE, or TAG no CODE
 *   TAG local KEY        what this node happens to hold, which may be old: TAG ok VALUE
 *
 * In between come "role NAME" lines. It says "ready" when its server has been started, and ends with its
 * input. KEY is below REGISTERS; a register that was never written is 0.
 */
#include <inttypes.h>
#include <polyraft.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kv/kv_request.h"

enum { REGISTERS = 4096, LINE_BYTES = 256, ROOM_MS = 1000 };

struct command {
  uint64_t tag;
  uint64_t key;
};

struct entry {
  uint64_t key;
  uint64_t value;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t registers[REGISTERS];
static RAFT_Handle raft;

__attribute__((format(printf, 1, 2))) static void tell(const char* format, ...) {
  char line[LINE_BYTES];
  va_list arguments;
  va_start(arguments, format);
  const int size = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  /* One write, so that lines of different threads stay whole. */
  if (write(STDOUT_FILENO, line, (size_t)size) != size) abort();
}

static uint64_t read_register(uint64_t key) {
  pthread_mutex_lock(&mutex);
  const uint64_t value = registers[key];
  pthread_mutex_unlock(&mutex);
  return value;
}

/* ---- Callbacks */

static int on_apply(void* context, uint64_t index, uint64_t term, const void* data, uint64_t size) {
  (void)context;
  (void)index;
  (void)term;
  struct entry entry;
  if (size != sizeof entry) return 1;
  memcpy(&entry, data, sizeof entry);
  pthread_mutex_lock(&mutex);
  registers[entry.key % REGISTERS] = entry.value;
  pthread_mutex_unlock(&mutex);
  return 0;
}

static int on_restore(void* context, uint64_t index, uint64_t term, const void* data, uint64_t size) {
  (void)context;
  (void)index;
  (void)term;
  if (size != sizeof registers) return 1;
  pthread_mutex_lock(&mutex);
  memcpy(registers, data, sizeof registers);
  pthread_mutex_unlock(&mutex);
  return 0;
}

static int on_take_snapshot(void* context, uint64_t index, void** data, uint64_t* size) {
  (void)context;
  (void)index;
  *data = malloc(sizeof registers);
  if (*data == NULL) return 1;
  *size = sizeof registers;
  pthread_mutex_lock(&mutex);
  memcpy(*data, registers, sizeof registers);
  pthread_mutex_unlock(&mutex);
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

static void on_written(void* user, int code, uint64_t index, uint64_t term) {
  (void)index;
  (void)term;
  struct command* const command = user;
  if (code == RAFT_OK)
    tell("%" PRIu64 " ok\n", command->tag);
  else
    tell("%" PRIu64 " %s %d\n", command->tag, code == RAFT_ERR_UNKNOWN_OUTCOME ? "unknown" : "no", code);
  free(command);
}

static void on_readable(void* user, int code, uint64_t index, uint64_t term) {
  (void)index;
  (void)term;
  struct command* const command = user;
  if (code == RAFT_OK)
    tell("%" PRIu64 " ok %" PRIu64 "\n", command->tag, read_register(command->key));
  else
    tell("%" PRIu64 " no %d\n", command->tag, code);
  free(command);
}

/* ---- Commands */

static void run(uint64_t tag, const char* verb, uint64_t key, uint64_t value) {
  if (strcmp(verb, "local") == 0) {
    tell("%" PRIu64 " ok %" PRIu64 "\n", tag, read_register(key));
    return;
  }
  struct command* const command = malloc(sizeof *command);
  if (command == NULL) abort();
  *command = (struct command){.tag = tag, .key = key};
  const struct entry entry = {.key = key, .value = value};
  const int code = strcmp(verb, "put") == 0
                       ? RAFT_ProposeAsync(raft, &entry, sizeof entry, ROOM_MS, on_written, command)
                       : RAFT_ReadIndexAsync(raft, RAFT_READ_SAFE, ROOM_MS, on_readable, command);
  if (code == RAFT_OK) return;
  tell("%" PRIu64 " no %d\n", tag, code);
  free(command);
}

static bool parse_and_run(char* line) {
  char* words[4] = {NULL};
  char* rest = line;
  line[strcspn(line, "\n")] = '\0';
  for (int i = 0; i < 4 && rest != NULL; i++) words[i] = strsep(&rest, " ");
  uint64_t tag = 0;
  uint64_t key = 0;
  uint64_t value = 0;
  if (words[2] == NULL || !kv_parse_number(words[0], &tag) || !kv_parse_number(words[2], &key)) return false;
  if (key >= REGISTERS || (words[3] != NULL && !kv_parse_number(words[3], &value))) return false;
  if (strcmp(words[1], "put") != 0 && strcmp(words[1], "get") != 0 && strcmp(words[1], "local") != 0)
    return false;
  run(tag, words[1], key, value);
  return true;
}

static bool start(const char* path) {
  static char config[16 * 1024];
  FILE* const file = fopen(path, "re");
  if (file == NULL) return false;
  const size_t size = fread(config, 1, sizeof config - 1, file);
  fclose(file);
  config[size] = '\0';
  const struct RAFT_Options options = {
      .struct_size = sizeof options,
      .config = config,
      .callbacks = {.struct_size = sizeof options.callbacks,
                    .apply = on_apply,
                    .restore = on_restore,
                    .take_snapshot = on_take_snapshot,
                    .free_memory = on_free_memory,
                    .state_change = on_state_change},
  };
  return RAFT_NewRaftServerWith(&options, &raft) == RAFT_OK;
}

int main(int count, char** arguments) {
  char line[LINE_BYTES];
  if (count != 2) {
    fprintf(stderr, "usage: linear_host CONFIGURATION_FILE\n");
    return 2;
  }
  if (!start(arguments[1])) {
    fprintf(stderr, "linear_host: %s: %s\n", arguments[1], RAFT_LastError());
    return 1;
  }
  tell("ready\n");
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (parse_and_run(line)) continue;
    fprintf(stderr, "linear_host: not a command: %s\n", line);
    return 2;
  }
  RAFT_StopServer(raft);
  return 0;
}
