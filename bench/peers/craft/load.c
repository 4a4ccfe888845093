#include "load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH_ENTRIES_MAX = 1024, BATCH_BYTES_MAX = 1 << 20, ERROR_BYTES = 256 };
static const uint64_t run_timeout_ns = 120000000000;

static struct {
  /* 0 while nothing runs. */
  uint64_t id;
  uint64_t count;
  uint64_t bytes;
  uint64_t window;
  uint64_t next;
  uint64_t done;
  uint64_t began;
  /* Nanoseconds: when entry n was proposed, and later how long it took. */
  uint64_t* times;
  char error[ERROR_BYTES];
} run;

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

bool load_is_running(void) {
  return run.id != 0;
}

bool load_begin(uint64_t count, uint64_t bytes, uint64_t window) {
  memset(&run, 0, sizeof run);
  run.times = calloc(count, sizeof *run.times);
  if (run.times == NULL) return false;
  run.count = count;
  /* The library wants entries of whole words. */
  run.bytes = (bytes + 7) & ~UINT64_C(7);
  run.window = window;
  run.id = run.began = now_ns();
  return true;
}

static void fail(const char* what, int code) {
  if (run.id != 0 && run.error[0] == '\0')
    snprintf(run.error, sizeof run.error, "%s: %s", what, raft_strerror(code));
}

static void batch_applied(struct raft_apply* request, int status, void* result) {
  (void)result;
  if (status != 0) fail("an entry was not committed", status);
  free(request);
}

static uint64_t batch_size(void) {
  const uint64_t room = run.window - (run.next - run.done);
  uint64_t size = run.count - run.next;
  if (size > room) size = room;
  if (size > BATCH_ENTRIES_MAX) size = BATCH_ENTRIES_MAX;
  if (size > 1 && size * run.bytes > BATCH_BYTES_MAX) size = BATCH_BYTES_MAX / run.bytes;
  return size == 0 && run.next < run.count && room != 0 ? 1 : size;
}

/* The entries are the library's once it has accepted them. */
static int fill(struct raft_buffer* buffers, uint64_t size) {
  const uint64_t at = now_ns();
  for (uint64_t i = 0; i < size; i++) {
    const uint64_t header[2] = {run.id, run.next + i};
    buffers[i].len = run.bytes;
    buffers[i].base = raft_malloc(run.bytes);
    if (buffers[i].base == NULL) return RAFT_NOMEM;
    memset(buffers[i].base, 0, run.bytes);
    memcpy(buffers[i].base, header, sizeof header);
    run.times[run.next + i] = at;
  }
  return 0;
}

void load_pump(struct raft* raft) {
  static struct raft_buffer buffers[BATCH_ENTRIES_MAX];
  uint64_t size;
  while (run.id != 0 && run.error[0] == '\0' && (size = batch_size()) != 0) {
    struct raft_apply* const request = malloc(sizeof *request);
    int code = request == NULL ? RAFT_NOMEM : fill(buffers, size);
    /* One node may apply within the call. */
    run.next += size;
    if (code == 0) code = raft_apply(raft, request, buffers, (unsigned)size, batch_applied);
    if (code != 0) {
      fail("an entry was refused", code);
      free(request);
    }
  }
}

void load_applied(const struct raft_buffer* data) {
  uint64_t header[2];
  if (run.id == 0 || data->len < sizeof header) return;
  memcpy(header, data->base, sizeof header);
  if (header[0] != run.id || header[1] >= run.count) return;
  run.times[header[1]] = now_ns() - run.times[header[1]];
  run.done++;
}

static int compare_times(const void* a, const void* b) {
  const uint64_t first = *(const uint64_t*)a;
  const uint64_t second = *(const uint64_t*)b;
  return first < second ? -1 : first > second;
}

static double microseconds(uint64_t at) {
  return (double)run.times[at] / 1e3;
}

static void print_report(uint64_t took_ns) {
  qsort(run.times, run.count, sizeof *run.times, compare_times);
  printf("{\"count\":%" PRIu64
         ",\"proposers\":1,\"seconds\":%.6f,\"p50Us\":%.1f,\"p90Us\":%.1f,\"p99Us\":%.1f,\"maxUs\":%.1f}\n",
         run.count, (double)took_ns / 1e9, microseconds(run.count / 2), microseconds(run.count * 90 / 100),
         microseconds(run.count * 99 / 100), microseconds(run.count - 1));
}

void load_finish_when_done(void) {
  if (run.id == 0) return;
  const uint64_t took_ns = now_ns() - run.began;
  if (run.done < run.count && run.error[0] == '\0') {
    if (took_ns < run_timeout_ns) return;
    snprintf(run.error, sizeof run.error, "no end in time");
  }
  if (run.error[0] == '\0')
    print_report(took_ns);
  else
    printf("error %s; %" PRIu64 " of %" PRIu64 " entries were applied\n", run.error, run.done, run.count);
  free(run.times);
  memset(&run, 0, sizeof run);
}
