/* One server: a program around raft_step that does what its updates say, in their order, and is looked at all
 * the while. */
#ifndef POLYRAFT_CRAFT_CLUSTER_SERVER_H
#define POLYRAFT_CRAFT_CLUSTER_SERVER_H

#include "agenda.h"
#include "log.h"

enum { WRITES_MAX = 1024 };

struct write {
  const struct entry** entries; /* in the arena */
  size_t count;
  raft_index first;
  raft_index told; /* Up to where its end is told: not beyond what has been replaced since. */
  bool is_snapshot;
  struct snapshot snapshot;
};

/** What raft says of itself. */
struct known {
  raft_term term;
  raft_id vote;
  int state;
  raft_index commit;
  raft_index last;
  raft_time timeout;
};

struct server {
  struct world* world;
  raft_id id;
  bool is_up;
  unsigned life;
  struct raft raft;
  struct known known;
  /* As raft has it; what is not on the disk yet stands in `writes`. */
  struct log log;
  struct log disk;
  raft_term disk_term;
  raft_id disk_vote;
  struct write writes[WRITES_MAX];
  unsigned writes_first, writes_count;
  raft_index applied;
  uint64_t state;
  bool is_taking;
  struct snapshot taking;
  raft_time timer_at;
  unsigned standing;
};

void server_reset(struct server* server, struct world* world, raft_id id);
void server_start(struct server* server);
void server_crash(struct server* server);
/** Without raft_close the memory would stay with a failed seed. */
void server_close(struct server* server);

static inline bool server_leads(const struct server* server) {
  return server->is_up && server->known.state == RAFT_LEADER;
}

/** Feeds an event, does what the update says, and answers with the code. */
int server_step(struct server* server, struct raft_event* event, const char* what, unsigned long long number);
/** The same with an event that must be taken. */
void server_must(struct server* server, struct raft_event* event, const char* what,
                 unsigned long long number);

void server_timer(struct server* server);
void server_write_done(struct server* server);
void server_snapshot_taken(struct server* server);
void server_configuration_applied(struct server* server, raft_index index);
void server_early_ack(struct server* server, raft_index index);

/* Between server.c and update.c. */
void server_later(struct server* server, unsigned ms, enum action_kind kind, raft_index number);
void server_process(struct server* server, struct raft_update* update, const struct known* before);

#endif
