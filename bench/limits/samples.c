#include "samples.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Noreturn void fail(const char* what) {
  fprintf(stderr, "limits: %s: %s\n", what, strerror(errno));
  exit(1);
}

uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

struct samples samples_open(uint64_t capacity) {
  struct samples samples = {.times_ns = calloc(capacity, sizeof(uint64_t)), .capacity = capacity};
  if (samples.times_ns == NULL) fail("samples");
  return samples;
}

void samples_add(struct samples* samples, uint64_t time_ns) {
  if (samples->count < samples->capacity) samples->times_ns[samples->count++] = time_ns;
}

static int compare_times(const void* a, const void* b) {
  const uint64_t first = *(const uint64_t*)a;
  const uint64_t second = *(const uint64_t*)b;
  return first < second ? -1 : first > second;
}

void samples_print(struct samples* samples) {
  const uint64_t count = samples->count;
  const uint64_t* const times = samples->times_ns;
  uint64_t sum = 0;
  if (count == 0) {
    errno = ENODATA;
    fail("no repetition within the time");
  }
  for (uint64_t i = 0; i < count; i++) sum += times[i];
  qsort(samples->times_ns, count, sizeof *times, compare_times);
  printf(",\"count\":%" PRIu64
         ",\"perSecond\":%.1f,\"p50Us\":%.2f,\"p90Us\":%.2f,\"p99Us\":%.2f,\"maxUs\":%.2f",
         count, (double)count * 1e9 / (double)sum, (double)times[count / 2] / 1e3,
         (double)times[count * 90 / 100] / 1e3, (double)times[count * 99 / 100] / 1e3,
         (double)times[count - 1] / 1e3);
  free(samples->times_ns);
}
