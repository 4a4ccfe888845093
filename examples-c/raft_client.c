/*
 * A replicated state machine that counts letters, on the libraft interface.
 *
 *   raft_client --single -i                                                 in memory, nothing is kept
 *   raft_client --dir DIRECTORY -i                                          kept in DIRECTORY
 *   raft_client --dir DIRECTORY --port PORT --peers HOST:PORT,HOST:PORT -i  one of three nodes
 *
 *   -i    interactive: each line of standard input is a command, whose letters are counted, but for
 *         S (take a snapshot), ? (print what was counted) and Q (quit, as the end of the input does)
 *   -n N  proposes N commands by itself, before it reads lines
 *   -w U  waits U microseconds after each of them
 *   -s P  takes a snapshot after every P of them
 *
 * and all options of raft_getopt_long_opts. Statistics come at the end.
 */
#define _POSIX_C_SOURCE 200809L

#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <raft_c_if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "letters/letters.h"

enum { LEADER_PATIENCE_MS = 10000, LOOK_PATIENCE_MS = 1000, LINE_BYTES = 64 * 1024, RAFT_OPTIONS_MAX = 32 };

/* The state machine's thread counts; this program's main thread looks. */
static struct letters letters;
static pthread_mutex_t letters_mutex = PTHREAD_MUTEX_INITIALIZER;

struct choices {
  bool is_interactive;
  uint64_t runs;
  uint64_t wait_us;
  uint64_t snapshot_period;
};

static struct {
  uint64_t by_error[N_RAFT_ERRORS];
  uint64_t applied;
  double milliseconds_sum;
  double milliseconds_max;
} statistics;

/* ---- State machine */

static void* apply(uint64_t index, uint64_t term, RaftLogType type, char* cmd, size_t len) {
  (void)index;
  (void)term;
  (void)type;
  pthread_mutex_lock(&letters_mutex);
  const uint64_t count = letters_count(&letters, cmd, len);
  pthread_mutex_unlock(&letters_mutex);
  /* A number needs no memory. */
  return (void*)(uintptr_t)count;
}

/* On a worker thread, while apply goes on. */
static int write_snapshot(raft_fsm_snapshot_handle handle, FILE* sink) {
  struct letters* const copy = handle;
  const int code = letters_write(copy, sink);
  free(copy);
  return code;
}

static void begin_snapshot(const char* path, raft_snapshot_req request) {
  (void)path;
  struct letters* const copy = malloc(sizeof *copy);
  if (copy == NULL) {
    raft_fsm_snapshot_complete(request, false);
    return;
  }
  pthread_mutex_lock(&letters_mutex);
  *copy = letters;
  pthread_mutex_unlock(&letters_mutex);
  raft_fsm_take_snapshot(request, copy, write_snapshot);
}

static int restore(const char* path) {
  FILE* const file = fopen(path, "r");
  if (file == NULL) {
    perror(path);
    return 1;
  }
  pthread_mutex_lock(&letters_mutex);
  const int code = letters_read(&letters, file);
  pthread_mutex_unlock(&letters_mutex);
  fclose(file);
  return code;
}

static void print_letters(void) {
  pthread_mutex_lock(&letters_mutex);
  letters_print(&letters, stdout);
  pthread_mutex_unlock(&letters_mutex);
}

/* ---- Commands */

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void pause_us(uint64_t microseconds) {
  const struct timespec time = {(time_t)(microseconds / 1000000), (long)(microseconds % 1000000) * 1000};
  nanosleep(&time, NULL);
}

/* After the start, or the end of a leader, there is none for a moment. */
static void await_leader(double patience_ms) {
  const double until = now_ms() + patience_ms;
  char* leader = NULL;
  while (raft_leader(&leader) != RAFT_SUCCESS && now_ms() < until) pause_us(10000);
  free_raft_buffer(leader);
}

static void print_error(const char* what, RaftError error) {
  char* leader = NULL;
  printf("%s: %s", what, raft_err_msg(error));
  if (error == RAFT_E_NOT_LEADER && raft_leader(&leader) == RAFT_SUCCESS) printf("; that is %s", leader);
  free_raft_buffer(leader);
  putchar('\n');
}

static RaftError propose(const char* text, size_t size, uint64_t* count) {
  char* const buffer = alloc_raft_buffer(size);
  void* reply = NULL;
  if (buffer == NULL) return RAFT_E_OTHER;
  memcpy(buffer, text, size);
  const double began = now_ms();
  const RaftError error = raft_apply_sync(buffer, size, 0, &reply);
  const double took = now_ms() - began;
  free_raft_buffer(buffer);
  statistics.by_error[error]++;
  if (error != RAFT_SUCCESS) return error;
  *count = (uint64_t)(uintptr_t)reply;
  statistics.applied++;
  statistics.milliseconds_sum += took;
  if (took > statistics.milliseconds_max) statistics.milliseconds_max = took;
  return RAFT_SUCCESS;
}

static void propose_line(const char* text, size_t size) {
  uint64_t count = 0;
  await_leader(LEADER_PATIENCE_MS);
  const RaftError error = propose(text, size, &count);
  if (error == RAFT_SUCCESS)
    printf("applied; %" PRIu64 " letters so far\n", count);
  else
    print_error("not applied", error);
}

static void take_snapshot(void) {
  const raft_future future = raft_snapshot();
  const RaftError error = raft_future_wait(future);
  raft_future_dispose(future);
  if (error == RAFT_SUCCESS)
    printf("snapshot taken\n");
  else
    print_error("no snapshot", error);
}

/* What the log holds is counted again after the start: the leader can tell when. */
static void look(void) {
  await_leader(LOOK_PATIENCE_MS);
  const raft_future barrier = raft_barrier(0);
  raft_future_wait_for(barrier, LOOK_PATIENCE_MS);
  raft_future_dispose(barrier);
  print_letters();
}

static void run(const struct choices* choices) {
  static const char text[] = "the quick brown fox jumps over the lazy dog";
  uint64_t count = 0;
  if (choices->runs == 0) return;
  await_leader(LEADER_PATIENCE_MS);
  for (uint64_t i = 1; i <= choices->runs; i++) {
    /* Each is longer than the one before, up to the whole sentence. */
    const RaftError error = propose(text, 1 + i % (sizeof text - 1), &count);
    if (error != RAFT_SUCCESS) print_error("not applied", error);
    if (choices->snapshot_period != 0 && i % choices->snapshot_period == 0) take_snapshot();
    if (choices->wait_us != 0) pause_us(choices->wait_us);
  }
  printf("%" PRIu64 " runs made\n", choices->runs);
}

static void interact(void) {
  static char line[LINE_BYTES];
  printf("ready\n");
  while (fgets(line, sizeof line, stdin) != NULL) {
    const size_t size = strcspn(line, "\n");
    line[size] = '\0';
    if (strcmp(line, "Q") == 0) break;
    if (strcmp(line, "S") == 0)
      take_snapshot();
    else if (strcmp(line, "?") == 0)
      look();
    else if (size != 0)
      propose_line(line, size);
  }
}

static void print_statistics(void) {
  const raft_future future = raft_stats();
  const char* text = NULL;
  if (raft_future_get_stats(future, &text) == RAFT_SUCCESS) raft_print_stats(text);
  raft_future_dispose(future);
  print_letters();
  printf("applied %" PRIu64, statistics.applied);
  if (statistics.applied != 0)
    printf(" (%.3f ms on average, %.3f ms at most)", statistics.milliseconds_sum / (double)statistics.applied,
           statistics.milliseconds_max);
  for (int error = RAFT_SUCCESS + 1; error < N_RAFT_ERRORS; error++) {
    if (statistics.by_error[error] != 0)
      printf(", %s: %" PRIu64, raft_err_msg((RaftError)error), statistics.by_error[error]);
  }
  putchar('\n');
}

/* ---- Options */

static bool read_number(const char* text, uint64_t* number) {
  char* end = NULL;
  if (*text < '0' || *text > '9') return false;
  *number = strtoull(text, &end, 10);
  return *end == '\0';
}

static bool apply_option(int option, struct choices* choices, RaftConfig* config) {
  switch (option) {
    case 'i':
      choices->is_interactive = true;
      return true;
    case 'n':
      return read_number(optarg, &choices->runs);
    case 'w':
      return read_number(optarg, &choices->wait_us);
    case 's':
      return read_number(optarg, &choices->snapshot_period);
    default:
      return is_raft_option(option) && raft_apply_option(config, option, optarg) == 0;
  }
}

static bool read_options(int count, char** arguments, struct choices* choices, RaftConfig* config) {
  /* The library ends its options with an empty name, getopt with none. */
  struct option options[RAFT_OPTIONS_MAX + 1];
  const struct option* const raft_options = raft_getopt_long_opts();
  size_t used = 0;
  memset(options, 0, sizeof options);
  for (; used < RAFT_OPTIONS_MAX && raft_options[used].name != NULL && *raft_options[used].name != '\0';
       used++)
    options[used] = raft_options[used];
  int option = 0;
  while ((option = getopt_long(count, arguments, "in:w:s:", options, NULL)) != -1) {
    if (!apply_option(option, choices, config)) return false;
  }
  /* Who names no peers wants a cluster of one. */
  if (config->peers[0] == '\0') config->EnableSingleNode = true;
  return optind == count && (choices->is_interactive || choices->runs != 0);
}

int main(int count, char** arguments) {
  struct choices choices = {0};
  RaftConfig config;
  RaftFSM machine = {apply, begin_snapshot, restore};
  raft_default_config(&config);
  if (!read_options(count, arguments, &choices, &config)) {
    fprintf(stderr,
            "usage: raft_client [--single] [--dir D] [--port N] [--peers HOST:PORT,...] [--verbose]\n"
            "                   -i | -n RUNS [-w MICROSECONDS] [-s PERIOD]\n");
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  letters_clear(&letters);
  /* It says itself on standard error what is wrong. */
  if (raft_init(&machine, &config) < 0) return 1;
  run(&choices);
  if (choices.is_interactive) interact();
  print_statistics();
  const raft_future end = raft_shutdown();
  raft_future_wait(end);
  raft_future_dispose(end);
  raft_cleanup();
  return 0;
}
