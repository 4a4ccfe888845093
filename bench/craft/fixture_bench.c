/*
 * The same heartbeats and commits as craft_bench's, with the C library's own fixture cluster (libraft 0.15,
 * which predates raft_step): three servers on its in-memory I/O. Its time is virtual. A step is one event of
 * the fixture: a tick, a message sent or delivered, a write that has ended.
 */
#include <raft.h>
#include <raft/fixture.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SERVERS = 3, LATENCY_MS = 1, SNAPSHOT_ENTRIES = 256, TRAILING_ENTRIES = 64, HEARTBEAT_MS = 100 };

static struct raft_fixture fixture;
static struct raft_fsm machines[SERVERS];

static int on_apply(struct raft_fsm* machine, const struct raft_buffer* data, void** result) {
  (void)machine;
  (void)data;
  *result = NULL;
  return 0;
}

static int on_snapshot(struct raft_fsm* machine, struct raft_buffer* buffers[], unsigned* count) {
  (void)machine;
  *buffers = raft_malloc(sizeof **buffers);
  if (*buffers == NULL) return RAFT_NOMEM;
  (*buffers)->len = 8;
  (*buffers)->base = raft_calloc(1, 8);
  *count = 1;
  return 0;
}

static int on_restore(struct raft_fsm* machine, struct raft_buffer* data) {
  (void)machine;
  raft_free(data->base);
  return 0;
}

static void fail(const char* what) {
  fprintf(stderr, "fixture_bench: %s\n", what);
  exit(1);
}

/* Of this process alone, which never waits. */
static double now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool is_done;
static unsigned long long steps;

static void on_step(struct raft_fixture* of, struct raft_fixture_event* event) {
  (void)of;
  (void)event;
  steps++;
}

static void on_applied(struct raft_apply* request, int status, void* result) {
  (void)result;
  (void)request;
  if (status != 0) fail("an entry was not committed");
  is_done = true;
}

static void submit(unsigned entries, size_t bytes) {
  static struct raft_apply request;
  struct raft_buffer buffers[64];
  for (unsigned i = 0; i < entries; i++) {
    buffers[i].len = bytes;
    buffers[i].base = raft_malloc(bytes);
    if (buffers[i].base == NULL) fail("memory");
    memset(buffers[i].base, 'x', bytes);
  }
  is_done = false;
  if (raft_apply(raft_fixture_get(&fixture, 0), &request, buffers, entries, on_applied) != 0)
    fail("an entry was refused");
  while (!is_done) raft_fixture_step(&fixture);
}

static void measure(unsigned entries, size_t bytes, unsigned total) {
  for (unsigned i = 0; i < total / 4; i += entries) submit(entries, bytes);
  const unsigned long long before = steps;
  const double began = now_s();
  for (unsigned i = 0; i < total; i += entries) submit(entries, bytes);
  const double took = now_s() - began;
  printf("commit: %u %s of %zu B a submit: %.0f entries/s, %.0f steps/s\n", entries,
         entries == 1 ? "entry" : "entries", bytes, (double)total / took, (double)(steps - before) / took);
}

static void measure_heartbeats(unsigned count) {
  raft_fixture_step_until_elapsed(&fixture, count / 4 * HEARTBEAT_MS);
  const unsigned long long before = steps;
  const unsigned answers = raft_fixture_n_recv(&fixture, 0, RAFT_IO_APPEND_ENTRIES_RESULT);
  const double began = now_s();
  raft_fixture_step_until_elapsed(&fixture, count * HEARTBEAT_MS);
  const double took = now_s() - began;
  printf("heartbeat: %.0f round trips/s, %.0f steps/s\n",
         (double)(raft_fixture_n_recv(&fixture, 0, RAFT_IO_APPEND_ENTRIES_RESULT) - answers) / took,
         (double)(steps - before) / took);
}

int main(int argc, char** argv) {
  const unsigned size = argc == 2 && strcmp(argv[1], "--quick") == 0 ? 1 : 10;
  setvbuf(stdout, NULL, _IOLBF, 0);
  struct raft_configuration members;
  for (unsigned i = 0; i < SERVERS; i++)
    machines[i] =
        (struct raft_fsm){.version = 1, .apply = on_apply, .snapshot = on_snapshot, .restore = on_restore};
  if (raft_fixture_initialize(&fixture) != 0) fail("raft_fixture_initialize");
  for (unsigned i = 0; i < SERVERS; i++)
    if (raft_fixture_grow(&fixture, &machines[i]) != 0) fail("raft_fixture_grow");
  if (raft_fixture_configuration(&fixture, SERVERS, &members) != 0) fail("raft_fixture_configuration");
  if (raft_fixture_bootstrap(&fixture, &members) != 0) fail("raft_fixture_bootstrap");
  raft_configuration_close(&members);
  for (unsigned i = 0; i < SERVERS; i++) {
    raft_fixture_set_network_latency(&fixture, i, LATENCY_MS);
    raft_fixture_set_disk_latency(&fixture, i, LATENCY_MS);
    raft_set_snapshot_threshold(raft_fixture_get(&fixture, i), SNAPSHOT_ENTRIES);
    raft_set_snapshot_trailing(raft_fixture_get(&fixture, i), TRAILING_ENTRIES);
  }
  if (raft_fixture_start(&fixture) != 0) fail("raft_fixture_start");
  raft_fixture_elect(&fixture, 0);
  raft_fixture_hook(&fixture, on_step);
  measure_heartbeats(10000 * size);
  measure(1, 16, 2000 * size);
  measure(64, 16, 20032 * size);
  measure(1, 512, 2000 * size);
  measure(64, 512, 20032 * size);
  raft_fixture_close(&fixture);
  return 0;
}
