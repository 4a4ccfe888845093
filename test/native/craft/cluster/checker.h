/* What holds in a cluster whatever happens; each function fails the seed where it does not. */
#ifndef POLYRAFT_CRAFT_CLUSTER_CHECKER_H
#define POLYRAFT_CRAFT_CLUSTER_CHECKER_H

#include "log.h"

enum { TERMS_MAX = 4096 };

struct committed {
  const struct entry* entry;
  uint64_t state;    /* of the state machine behind it */
  raft_term in_term; /* of the server that knew it first */
};

struct checker {
  raft_id leaders[TERMS_MAX]; /* by term */
  struct {
    raft_term term;
    raft_id vote;
  } votes[SERVERS + 1];
  struct committed* committed; /* by index - 1 */
  size_t committed_count, committed_capacity;
};

struct server;

void checker_reset(struct checker* checker);
/** Terms do not go back, and there is one vote a term, over restarts as well. */
void check_vote(struct world* world, raft_id id, raft_term term, raft_id vote);
/** One leader a term, who has all that was committed before. */
void check_leader(struct world* world, const struct server* server);
/** Nothing committed is dropped from the log from `from` on, but by a snapshot that has it. */
void check_dropped(struct world* world, const struct server* server, raft_index from, raft_index covered);
/** All servers apply the same, and the first finds it on a quorum of disks. */
void check_applied(struct world* world, const struct server* server, const struct entry* entry);

#endif
