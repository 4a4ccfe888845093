/* A randomized test of raft_step through its C header: five servers, what a seed does to them, and what must
 * hold after each step.
 *
 *     craft_cluster [--seeds A-B] [--trace] [--twice] [--mutation NAME]
 *
 * Without seeds 1-10000 where POLYRAFT_TEST_FULL is 1, else a tenth. With a mutation the harness does
 * something wrong, and the program fails unless that is found. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "world.h"

enum { SEEDS = 1000, SEEDS_FULL = 10000, FAILURES_MAX = 5, SEEDS_FOR_COVERAGE = 50 };

static struct world world;

static const struct {
  const char* name;
  size_t offset;
  double least; /* a seed, at the mean; a run that leaves something out proves little */
} figures[] = {
#define FIGURE(name, least) \
  { #name, offsetof(struct coverage, name), least }
    FIGURE(steps, 500),
    FIGURE(leaders, 2),
    FIGURE(committed, 30),
    FIGURE(crashes, 2),
    FIGURE(crashes_after_vote, 0.1),
    FIGURE(crashes_with_writes, 0.3),
    FIGURE(power_cuts, 0.1),
    FIGURE(truncations, 0.5),
    FIGURE(truncated_entries, 1),
    FIGURE(changes, 1),
    FIGURE(changes_committed, 0.5),
    FIGURE(changes_rolled_back, 0.03),
    FIGURE(catch_ups, 0.2),
    FIGURE(catch_ups_finished, 0.03),
    FIGURE(snapshots, 1),
    FIGURE(installed, 0.2),
    FIGURE(transfers, 0.2),
    FIGURE(transfers_done, 0.03),
    FIGURE(leader_cuts, 1),
    FIGURE(leader_cuts_one_way, 0.3),
    FIGURE(partitions, 0.3),
    FIGURE(lost, 10),
    FIGURE(doubled, 10),
    FIGURE(late, 10),
};
enum { FIGURES = sizeof figures / sizeof *figures };

static uint64_t figure_of(const struct coverage* coverage, size_t i) {
  return *(const uint64_t*)(const void*)((const char*)coverage + figures[i].offset);
}

static void usage(void) {
  fputs("usage: craft_cluster [--seeds A-B] [--trace] [--twice] [--mutation NAME]\nmutations:", stderr);
  for (const struct mutation* mutation = mutations; mutation->name != NULL; mutation++)
    fprintf(stderr, " %s", mutation->name);
  fputc('\n', stderr);
  exit(2);
}

static bool is_found_as(const char* text, const char* alternatives) {
  char copy[FAILURE_TEXT_MAX];
  snprintf(copy, sizeof copy, "%s", alternatives);
  char* rest = copy;
  for (char* one = strtok_r(rest, "|", &rest); one != NULL; one = strtok_r(NULL, "|", &rest))
    if (strstr(text, one) != NULL) return true;
  return false;
}

/* 0 when the mutation was found as what it is. */
static int judge_mutation(const struct mutation* mutation, uint64_t first, uint64_t last, bool is_found) {
  if (!is_found) {
    printf("craft_cluster: %s was not found in seeds %llu-%llu\n", mutation->name, (unsigned long long)first,
           (unsigned long long)last);
    return 1;
  }
  const bool is_expected = is_found_as(world.failure, mutation->found_as);
  printf("craft_cluster: %s is found at seed %llu%s: %s\n", mutation->name, (unsigned long long)world.seed,
         is_expected ? "" : ", but as something else", world.failure);
  return is_expected ? 0 : 1;
}

static int judge_coverage(const uint64_t* sums, uint64_t count) {
  int missing = 0;
  for (size_t i = 0; i < FIGURES; i++) {
    const bool is_enough = (double)sums[i] >= figures[i].least * (double)count;
    printf("%s%s %llu", i == 0 ? "" : ", ", figures[i].name, (unsigned long long)sums[i]);
    if (is_enough || count < SEEDS_FOR_COVERAGE) continue;
    printf(" (too few)");
    missing++;
  }
  printf("\n");
  return missing;
}

int main(int argc, char** argv) {
  const char* const full = getenv("POLYRAFT_TEST_FULL");
  unsigned long long first = 1, last = full != NULL && strcmp(full, "1") == 0 ? SEEDS_FULL : SEEDS;
  bool is_twice = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--trace") == 0)
      world.is_traced = true;
    else if (strcmp(argv[i], "--twice") == 0)
      is_twice = true;
    else if (i + 1 == argc)
      usage();
    else if (strcmp(argv[i], "--seeds") == 0) {
      const int read = sscanf(argv[++i], "%llu-%llu", &first, &last);
      if (read == 1) last = first;
      if (read < 1 || last < first) usage();
    } else if (strcmp(argv[i], "--mutation") == 0) {
      world.mutation = mutation_of(argv[++i]);
      if (world.mutation == NULL) usage();
    } else {
      usage();
    }
  }

  struct timespec began, ended;
  clock_gettime(CLOCK_MONOTONIC, &began);
  uint64_t sums[FIGURES] = {0}, hash = 0;
  double calm_timeouts = 0;
  int failures = 0;
  for (uint64_t seed = first; seed <= last && failures < FAILURES_MAX; seed++) {
    bool is_good = world_run(&world, seed);
    const uint64_t hash_once = world.hash;
    if (is_good && is_twice) {
      is_good = world_run(&world, seed) && world.hash == hash_once;
      if (!is_good) snprintf(world.failure, sizeof world.failure, "it went otherwise the second time");
    }
    if (!is_good && world.mutation != NULL) return judge_mutation(world.mutation, first, last, true);
    if (!is_good) {
      failures++;
      printf("craft_cluster: seed %llu: %s\n  %s --seeds %llu --trace%s\n", (unsigned long long)seed,
             world.failure, argv[0], (unsigned long long)seed, is_twice ? " --twice" : "");
      fflush(stdout);
    }
    hash = (hash ^ world.hash) * 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < FIGURES; i++) sums[i] += figure_of(&world.coverage, i);
    if (world.calm_timeouts > calm_timeouts) calm_timeouts = world.calm_timeouts;
  }
  if (world.mutation != NULL) return judge_mutation(world.mutation, first, last, false);
  clock_gettime(CLOCK_MONOTONIC, &ended);
  const double seconds =
      (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9;
  printf(
      "craft_cluster: seeds %llu-%llu, %d failed, %.1f s, at most %.1f election timeouts from the last fault "
      "to a new "
      "entry's commit, trace %016llx\n",
      first, last, failures, seconds, calm_timeouts, (unsigned long long)hash);
  return judge_coverage(sums, last - first + 1) > 0 || failures > 0 ? 1 : 0;
}
