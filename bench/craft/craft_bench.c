/*
 * What raft_step costs: craft_bench [--quick]. Single steps (median, 99th percentile) of heartbeats and of
 * appends of 512 bytes, then entries a second from submitted to committed in three servers on one core, with
 * 1 and with 64 entries a RAFT_SUBMIT. `craft_bench start` measures raft_init instead, in a process of its
 * own: milliseconds of the first, microseconds of the further ones. Goals stand beside the figures; seconds
 * are the processor's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memory_cluster.h"

enum { ENTRY_BYTES = 512, SMALL_ENTRY_BYTES = 16, INFLIGHT_ENTRIES = 1024, FURTHER_INITS = 100 };

static double seconds_of(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Of this process alone, which never waits: other work beside it does not count. */
static double cpu_s(void) {
  return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

static const char step_goal[] = " (goal: median at most 2.5 us)";
static const char batch_goal[] = " (goal: 400000)";

static void print_steps(const char* what) {
  for (int kind = 0; kind <= STEP_KINDS; kind++) {
    const uint64_t median = cluster_step_ns((enum cluster_step)kind, 0.5);
    if (median == 0 || kind == STEP_OTHER) continue;
    printf("%s: step %-30s median %5.2f us, p99 %6.2f us%s\n", what,
           cluster_step_name((enum cluster_step)kind), (double)median / 1e3,
           (double)cluster_step_ns((enum cluster_step)kind, 0.99) / 1e3, kind == STEP_KINDS ? step_goal : "");
  }
}

static void measure_heartbeats(unsigned count) {
  for (unsigned i = 0; i < count / 4; i++) cluster_heartbeat();
  cluster_time_steps(true);
  for (unsigned i = 0; i < count; i++) cluster_heartbeat();
  cluster_time_steps(false);
  print_steps("heartbeat");
  const uint64_t before = cluster_steps();
  const double began = cpu_s();
  for (unsigned i = 0; i < count; i++) cluster_heartbeat();
  const double took = cpu_s() - began;
  printf("heartbeat: %.0f round trips/s, %.0f steps/s\n", (double)count * (CLUSTER_SERVERS - 1) / took,
         (double)(cluster_steps() - before) / took);
}

static void measure_appends(unsigned count) {
  for (unsigned i = 0; i < count / 4; i++) cluster_submit(1, ENTRY_BYTES);
  cluster_time_steps(true);
  for (unsigned i = 0; i < count; i++) cluster_submit(1, ENTRY_BYTES);
  cluster_time_steps(false);
  print_steps("append of 512 B");
  const uint64_t before = cluster_steps();
  const double began = cpu_s();
  for (unsigned i = 0; i < count; i++) cluster_submit(1, ENTRY_BYTES);
  printf("append of 512 B: %.0f steps/s\n", (double)(cluster_steps() - before) / (cpu_s() - began));
}

static void measure_commits(unsigned entries, size_t bytes, unsigned total) {
  for (unsigned i = 0; i < total / 4; i += entries) cluster_submit(entries, bytes);
  const raft_index before = cluster_committed();
  const double began = cpu_s();
  for (unsigned i = 0; i < total; i += entries) cluster_submit(entries, bytes);
  const double took = cpu_s() - began;
  printf("commit: %u %s of %zu B a submit: %.0f entries/s%s\n", entries, entries == 1 ? "entry" : "entries",
         bytes, (double)(cluster_committed() - before) / took, entries == 1 ? "" : batch_goal);
}

static int measure_start(void) {
  static struct raft rafts[FURTHER_INITS + 1];
  const double began = seconds_of(CLOCK_MONOTONIC);
  const double cpu_before = cpu_s();
  int code = raft_init(&rafts[0], 1, "server-1");
  const double first = seconds_of(CLOCK_MONOTONIC);
  const double first_cpu = cpu_s() - cpu_before;
  for (unsigned i = 1; i <= FURTHER_INITS && code == 0; i++) code = raft_init(&rafts[i], i + 1, "another");
  const double last = seconds_of(CLOCK_MONOTONIC);
  if (code != 0) {
    fprintf(stderr, "craft_bench: raft_init: %s\n", raft_strerror(code));
    return 1;
  }
  printf("first %.2f ms (goal: under 60; %.2f of the processor), further %.1f us each (goal: under 100)\n",
         (first - began) * 1e3, first_cpu * 1e3, (last - first) * 1e6 / FURTHER_INITS);
  for (unsigned i = 0; i <= FURTHER_INITS; i++) raft_close(&rafts[i]);
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "start") == 0) return measure_start();
  const unsigned size = argc == 2 && strcmp(argv[1], "--quick") == 0 ? 1 : 10;
  setvbuf(stdout, NULL, _IOLBF, 0);
  cluster_open(INFLIGHT_ENTRIES);
  measure_heartbeats(10000 * size);
  measure_appends(10000 * size);
  measure_commits(1, SMALL_ENTRY_BYTES, 20000 * size);
  measure_commits(64, SMALL_ENTRY_BYTES, 200000 * size);
  measure_commits(1, ENTRY_BYTES, 20000 * size);
  measure_commits(64, ENTRY_BYTES, 200000 * size);
  cluster_close();
  return 0;
}
