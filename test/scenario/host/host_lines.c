#include "host_lines.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kv/kv_bytes.h"
#include "kv/kv_request.h"

enum { LINE_BYTES = 4096, RECORD_BYTES = 32 };

void tell(const char* format, ...) {
  char* line = NULL;
  va_list arguments;
  va_start(arguments, format);
  const int size = vasprintf(&line, format, arguments);
  va_end(arguments);
  /* One write, so that lines of different threads stay whole (longer ones than a pipe takes at once come from
   * one thread only). */
  if (size < 0 || write(STDOUT_FILENO, line, (size_t)size) != size) abort();
  free(line);
}

bool read_numbers(char** words, uint64_t* numbers, int count) {
  for (int i = 0; i < count; i++) {
    if (words[i] != NULL && kv_parse_number(words[i], &numbers[i])) continue;
    tell("error -1 number %d is missing\n", i + 1);
    return false;
  }
  return true;
}

bool read_load_plan(char** words, size_t threads_max, size_t window_max, struct load_plan* plan) {
  uint64_t numbers[5];
  if (!read_numbers(words, numbers, 5)) return false;
  *plan = (struct load_plan){.first_writer = numbers[0],
                             .threads = numbers[1],
                             .window = numbers[2],
                             .bytes = numbers[3],
                             .pause_us = (unsigned)numbers[4]};
  if (plan->threads <= threads_max && plan->window >= 1 && plan->window <= window_max &&
      plan->bytes >= MACHINE_PROPOSAL_BYTES_MIN)
    return true;
  tell("error -1 at most %zu threads, windows of 1 to %zu, at least %d bytes\n", threads_max, window_max,
       MACHINE_PROPOSAL_BYTES_MIN);
  return false;
}

char* read_file(const char* path, size_t* size) {
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

void tell_held(struct machine* machine, const char* path, bool is_wanted) {
  size_t size = 0;
  char* const records = read_file(path, &size);
  uint64_t found = 0;
  if (records == NULL) {
    tell("error -1 %s cannot be read\n", path);
    return;
  }
  for (size_t at = 0; at + RECORD_BYTES <= size; at += RECORD_BYTES) {
    uint64_t record[2];
    memcpy(record, records + at, sizeof record);
    if (machine_has(machine, record[0], record[1]) == is_wanted) found++;
  }
  free(records);
  tell("answer %" PRIu64 "\n", found);
}

void serve_lines(void (*run)(char** words)) {
  char line[LINE_BYTES];
  while (fgets(line, sizeof line, stdin) != NULL) {
    char* words[HOST_WORDS_MAX] = {NULL};
    char* rest = line;
    line[strcspn(line, "\n")] = '\0';
    for (int i = 0; i < HOST_WORDS_MAX - 1 && rest != NULL; i++) words[i] = strsep(&rest, " ");
    run(words);
  }
}
