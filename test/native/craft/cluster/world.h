/* Five servers, and what a seed does to them. */
#ifndef POLYRAFT_CRAFT_CLUSTER_WORLD_H
#define POLYRAFT_CRAFT_CLUSTER_WORLD_H

#include <setjmp.h>
#include <stdint.h>

#include "agenda.h"
#include "checker.h"
#include "log.h"
#include "mutations.h"
#include "random.h"
#include "server.h"

enum { ELECTION_MS = 1000, FAILURE_TEXT_MAX = 512, STEPS_MAX = 60000 };

/** What a seed has seen; sums over seeds. */
struct coverage {
  uint64_t steps, leaders, committed;
  uint64_t crashes, crashes_after_vote, crashes_with_writes, power_cuts;
  uint64_t truncations, truncated_entries;
  uint64_t changes, changes_committed, changes_rolled_back;
  uint64_t catch_ups, catch_ups_finished;
  uint64_t snapshots, installed;
  uint64_t transfers, transfers_done;
  uint64_t leader_cuts, leader_cuts_one_way, partitions;
  uint64_t lost, doubled, late;
};

/** The kind of world that the seed chooses. Times in ms, chances per mille. */
struct weather {
  unsigned voters;
  unsigned lost, doubled, late, late_ms;
  unsigned latency_ms, disk_ms;
  unsigned fault_ms, admin_ms, submit_ms;
  unsigned crash_after_vote;
  unsigned snapshot_entries, trailing;
  unsigned heartbeat_ms, inflight_max;
  bool pre_vote;
};

struct world {
  uint64_t seed;
  const struct mutation* mutation; /* NULL for none */
  bool is_traced;
  raft_time now;
  struct random random;
  struct weather weather;
  struct checker checker;
  struct coverage coverage;
  struct server servers[SERVERS + 1]; /* by id */
  bool is_calm;
  bool is_cut[SERVERS + 1][SERVERS + 1]; /* from, to */
  bool is_partitioned;
  uint64_t cut_generation;
  raft_id transferee;      /* of the last transfer, */
  raft_term transfer_term; /* and the term of who hands over */
  uint64_t commands;
  uint64_t hash;        /* of all that has happened */
  double calm_timeouts; /* from the end of the faults to a new entry's commit, in election timeouts */
  jmp_buf failed;
  char failure[FAILURE_TEXT_MAX];
};

/** Ends the seed with this text unless `holds`. */
#define need(world, holds, ...)                     \
  do {                                              \
    if (!(holds)) world_fail((world), __VA_ARGS__); \
  } while (0)

__attribute__((noreturn, format(printf, 2, 3))) void world_fail(struct world* world, const char* format, ...);
__attribute__((format(printf, 2, 3))) void world_trace(struct world* world, const char* format, ...);
static inline void world_hash(struct world* world, uint64_t value) {
  world->hash = (world->hash ^ value) * 0x9e3779b97f4a7c15u;
  world->hash ^= world->hash >> 29;
}
static inline bool has_defect(const struct world* world, enum defect defect) {
  return world->mutation != NULL && world->mutation->defect == defect;
}
static inline bool is_blind(const struct world* world) {
  return world->mutation != NULL && world->mutation->is_blind;
}

/** False when a seed has failed; `world->failure` says why. */
bool world_run(struct world* world, uint64_t seed);

/* What happens in it (operator.c, network.c). */
void operator_begin(struct world* world);
void operator_act(struct world* world, const struct action* action);
/** Submits commands; the code of the step. */
int operator_command(struct world* world, struct server* server, unsigned count);
struct server* newest_leader(struct world* world);
/** Sends what `from` asks for, with the entries or the snapshot that belong to it. */
void network_send(struct world* world, struct server* from, const struct raft_message* message);
void network_deliver(struct world* world, struct packet* packet);
void network_heal(struct world* world);

#endif
