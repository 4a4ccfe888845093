#include "times.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int compare_times(const void* a, const void* b) {
  const uint64_t first = *(const uint64_t*)a;
  const uint64_t second = *(const uint64_t*)b;
  return first < second ? -1 : first > second;
}

void tell_times(uint64_t* times, uint64_t count, uint64_t took_ns) {
  qsort(times, count, sizeof *times, compare_times);
  printf("{\"count\":%" PRIu64
         ",\"seconds\":%.6f,\"p50Us\":%.1f,\"p90Us\":%.1f,\"p99Us\":%.1f,\"maxUs\":%.1f}\n",
         count, (double)took_ns / 1e9, (double)times[count / 2] / 1e3, (double)times[count * 90 / 100] / 1e3,
         (double)times[count * 99 / 100] / 1e3, (double)times[count - 1] / 1e3);
}
