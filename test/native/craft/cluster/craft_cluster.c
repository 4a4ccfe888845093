/* A randomized test of raft_step through its C header: five servers, what a seed does to them, and what must
 * hold after each step.
 *
 *     craft_cluster [--seeds A-B] [--trace] [--twice] [--mutation NAME|all]
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
  fputs("usage: craft_cluster [--seeds A-B] [--trace] [--twice] [--mutation NAME|all]\nmutations:", stderr);
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

/* 0 when each mutation is found as what it is. */
static int find_mutations(const char* name, uint64_t first, uint64_t last) {
  int missed = 0;
  for (const struct mutation* mutation = mutations; mutation->name != NULL; mutation++) {
    if (strcmp(name, "all") != 0 && strcmp(name, mutation->name) != 0) continue;
    world.mutation = mutation;
    bool is_found = false;
    for (uint64_t seed = first; seed <= last && !is_found; seed++) is_found = !world_run(&world, seed);
    const bool is_expected = is_found && is_found_as(world.failure, mutation->found_as);
    if (!is_expected) missed++;
    printf("craft_cluster: %s is %s%s by seed %llu: %s\n", mutation->name, is_found ? "found" : "not found",
           is_found && !is_expected ? " as something else" : "", (unsigned long long)world.seed,
           is_found ? world.failure : "nothing is wrong");
  }
  return missed;
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
  const char* mutation = NULL;
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
      mutation = argv[++i];
      if (strcmp(mutation, "all") != 0 && mutation_of(mutation) == NULL) usage();
    } else {
      usage();
    }
  }

  if (mutation != NULL) return find_mutations(mutation, first, last) > 0 ? 1 : 0;

  struct timespec began, ended;
  clock_gettime(CLOCK_MONOTONIC, &began);
  uint64_t sums[FIGURES] = {0}, hash = 0;
  double calm_timeouts[2] = {0, 0};
  int failures = 0;
  for (uint64_t seed = first; seed <= last && failures < FAILURES_MAX; seed++) {
    bool is_good = world_run(&world, seed);
    const uint64_t hash_once = world.hash;
    if (is_good && is_twice) {
      is_good = world_run(&world, seed) && world.hash == hash_once;
      if (!is_good) snprintf(world.failure, sizeof world.failure, "it went otherwise the second time");
    }
    if (!is_good) {
      failures++;
      printf("craft_cluster: seed %llu: %s\n  %s --seeds %llu --trace%s\n", (unsigned long long)seed,
             world.failure, argv[0], (unsigned long long)seed, is_twice ? " --twice" : "");
      fflush(stdout);
    }
    hash = (hash ^ world.hash) * 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < FIGURES; i++) sums[i] += figure_of(&world.coverage, i);
    double* const longest = &calm_timeouts[world.weather.pre_vote];
    if (is_good && world.calm_timeouts > *longest) *longest = world.calm_timeouts;
  }
  clock_gettime(CLOCK_MONOTONIC, &ended);
  const double seconds =
      (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9;
  printf("craft_cluster: seeds %llu-%llu, %d failed, %.1f s, trace %016llx\n", first, last, failures, seconds,
         (unsigned long long)hash);
  printf(
      "election timeouts from the last fault to the commit of a new entry: %.1f at most, %.1f with "
      "pre-vote\n",
      calm_timeouts[0], calm_timeouts[1]);
  return judge_coverage(sums, last - first + 1) > 0 || failures > 0 ? 1 : 0;
}
