/*
 * A client of kv_server: kv_client [options] ENDPOINTS COMMAND [argument ...]
 *
 * ENDPOINTS are the client ports by server id: 1=127.0.0.1:7001,2=127.0.0.1:7002,3=127.0.0.1:7003
 *
 *   set KEY VALUE, get KEY, del KEY     on the leader; retried until they have an answer, carried out once
 *   members, add ID URL, remove ID, transfer ID, snapshot, status, leader, digest
 *   load N                              writes key-0 to key-<N-1>
 *   verify N                            reads them back, and compares
 *
 * Options: --window W open requests of load and verify (256), --value-bytes B (16), --stay use the first
 * endpoint only, --progress tells every 100 ms how many are done, --patience MS without any answer (30000).
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kv/kv_pipeline.h"
#include "kv/kv_request.h"
#include "kv/kv_sessions.h"

struct job {
  struct kv_pipeline_options pipeline;
  uint64_t value_bytes;
  bool shows_progress;
  /* load and verify. */
  bool verifies;
  uint64_t done;
  int64_t told_at;
  int64_t answered_at;
  int64_t longest_gap_ms;
  struct kv_bytes expected;
  /* Another command: verb and arguments. */
  struct kv_bytes line;
  bool refused;
};

static int usage(void) {
  fprintf(stderr,
          "usage: kv_client [--window W] [--value-bytes B] [--stay] [--progress] [--patience MS] ENDPOINTS\n"
          "       set KEY VALUE | get KEY | del KEY | members | add ID URL | remove ID | transfer ID | "
          "snapshot |\n"
          "       status | leader | digest | load N | verify N\n"
          "ENDPOINTS: 1=127.0.0.1:7001,2=127.0.0.1:7002,... (id of the server, its client port)\n");
  return 2;
}

/* ---- One command */

static void make_line(void* context, uint64_t number, struct kv_bytes* line) {
  const struct job* const job = context;
  (void)number;
  kv_bytes_add(line, job->line.data, job->line.size);
}

static bool print_answer(void* context, uint64_t number, const char* answer) {
  struct job* const job = context;
  (void)number;
  job->refused = strncmp(answer, "OK", 2) != 0;
  if (job->refused)
    fprintf(stderr, "%s\n", answer);
  else
    printf("%s\n", answer[2] == ' ' ? answer + 3 : answer);
  return true;
}

static int run_command(struct job* job, char** words, int count) {
  for (int i = 0; i < count; i++) {
    if (i != 0) kv_bytes_add(&job->line, " ", 1);
    kv_bytes_add(&job->line, words[i], strlen(words[i]));
  }
  for (size_t i = 0; i < strlen(words[0]); i++) {
    char* const letter = &job->line.data[i];
    if (*letter >= 'a' && *letter <= 'z') *letter = (char)(*letter - 'a' + 'A');
  }
  if (memchr(job->line.data, '\n', job->line.size) != NULL) {
    fprintf(stderr, "kv_client: an argument must not contain a newline\n");
    return 2;
  }
  job->pipeline.count = 1;
  job->pipeline.window = 1;
  job->pipeline.make = make_line;
  job->pipeline.answered = print_answer;
  return kv_pipeline_run(&job->pipeline) && !job->refused ? 0 : 1;
}

/* ---- load and verify */

static void add_value(const struct job* job, uint64_t number, struct kv_bytes* to) {
  char text[32];
  const int size = snprintf(text, sizeof text, "value-%" PRIu64, number);
  kv_bytes_add(to, text, (size_t)size);
  for (uint64_t i = (uint64_t)size; i < job->value_bytes; i++) kv_bytes_add(to, ".", 1);
}

static void make_numbered(void* context, uint64_t number, struct kv_bytes* line) {
  const struct job* const job = context;
  char text[64];
  const int size = snprintf(text, sizeof text, "%s key-%" PRIu64, job->verifies ? "GET" : "SET", number);
  kv_bytes_add(line, text, (size_t)size);
  if (job->verifies) return;
  kv_bytes_add(line, " ", 1);
  add_value(job, number, line);
}

static bool is_expected(struct job* job, uint64_t number, const char* answer) {
  job->expected.size = 0;
  kv_bytes_add(&job->expected, "OK", 2);
  if (job->verifies) {
    kv_bytes_add(&job->expected, " ", 1);
    add_value(job, number, &job->expected);
  }
  return strlen(answer) == job->expected.size && memcmp(answer, job->expected.data, job->expected.size) == 0;
}

static void tell_progress(struct job* job, int64_t now) {
  if (!job->shows_progress || (now - job->told_at < 100 && job->done != job->pipeline.count)) return;
  job->told_at = now;
  printf("progress %" PRIu64 " %" PRIu64 "\n", job->done, job->pipeline.count);
  fflush(stdout);
}

static bool take_numbered(void* context, uint64_t number, const char* answer) {
  struct job* const job = context;
  if (!is_expected(job, number, answer)) {
    fprintf(stderr, "kv_client: key-%" PRIu64 ": unexpected answer: %s\n", number, answer);
    return false;
  }
  const int64_t now = kv_now_ms();
  if (now - job->answered_at > job->longest_gap_ms) job->longest_gap_ms = now - job->answered_at;
  job->answered_at = now;
  job->done++;
  tell_progress(job, now);
  return true;
}

static int run_numbered(struct job* job, bool verifies, uint64_t count) {
  job->verifies = verifies;
  job->pipeline.count = count;
  job->pipeline.make = make_numbered;
  job->pipeline.answered = take_numbered;
  const int64_t began_at = kv_now_ms();
  job->answered_at = began_at;
  const bool right = kv_pipeline_run(&job->pipeline);
  const int64_t took_ms = kv_now_ms() - began_at;
  printf("%s %" PRIu64 " of %" PRIu64 " in %" PRId64 " ms, longest pause %" PRId64 " ms\n",
         verifies ? "verified" : "acknowledged", job->done, count, took_ms, job->longest_gap_ms);
  return right && job->done == count ? 0 : 1;
}

/* ---- Options */

static bool parse_options(struct job* job, int count, char** arguments) {
  static const struct option options[] = {
      {"window", required_argument, NULL, 'w'},   {"value-bytes", required_argument, NULL, 'b'},
      {"stay", no_argument, NULL, 's'},           {"progress", no_argument, NULL, 'p'},
      {"patience", required_argument, NULL, 'm'}, {NULL, 0, NULL, 0},
  };
  int option = 0;
  uint64_t number = 0;
  while ((option = getopt_long(count, arguments, "+", options, NULL)) != -1) {
    if (optarg != NULL && !kv_parse_number(optarg, &number)) return false;
    if (option == 'w' && number >= 1 && number <= KV_WINDOW)
      job->pipeline.window = number;
    else if (option == 'b' && number <= 1 << 19)
      job->value_bytes = number;
    else if (option == 'm' && number <= 1 << 30)
      job->pipeline.patience_ms = (int)number;
    else if (option == 's')
      job->pipeline.stays = true;
    else if (option == 'p')
      job->shows_progress = true;
    else
      return false;
  }
  return true;
}

int main(int count, char** arguments) {
  struct job job = {.pipeline = {.window = 256, .patience_ms = 30000, .context = &job}, .value_bytes = 16};
  struct kv_endpoints endpoints;
  if (!parse_options(&job, count, arguments) || count - optind < 2) return usage();
  char** const words = arguments + optind;
  const int word_count = count - optind - 1;
  if (!kv_endpoints_parse(&endpoints, words[0])) return usage();
  job.pipeline.endpoints = &endpoints;
  const char* const command = words[1];
  uint64_t number = 0;
  const bool is_numbered = strcmp(command, "load") == 0 || strcmp(command, "verify") == 0;
  if (is_numbered && (word_count != 2 || !kv_parse_number(words[2], &number))) return usage();
  const int status = is_numbered ? run_numbered(&job, strcmp(command, "verify") == 0, number)
                                 : run_command(&job, words + 1, word_count);
  kv_bytes_free(&job.line);
  kv_bytes_free(&job.expected);
  return status;
}
