#include "checker.h"

#include <string.h>

#include "arena.h"
#include "world.h"

void checker_reset(struct checker* checker) {
  memset(checker->leaders, 0, sizeof checker->leaders);
  memset(checker->votes, 0, sizeof checker->votes);
  checker->committed_count = 0;
}

void check_vote(struct world* world, raft_id id, raft_term term, raft_id vote) {
  struct checker* const checker = &world->checker;
  const raft_term term_before = checker->votes[id].term;
  const raft_id vote_before = checker->votes[id].vote;
  checker->votes[id].term = term;
  checker->votes[id].vote = vote;
  if (is_blind(world)) return;
  need(world, term >= term_before, "server %llu goes back from term %llu to %llu", id, term_before, term);
  need(world, term > term_before || vote_before == 0 || vote == vote_before,
       "server %llu votes for %llu and for %llu in term %llu", id, vote_before, vote, term);
}

static void need_committed(struct world* world, const struct server* leader, raft_term term, size_t i) {
  const struct committed* const known = &world->checker.committed[i];
  if (known->in_term >= term || known->entry->index < leader->log.first) return;
  need(world, log_at(&leader->log, known->entry->index) == known->entry,
       "leader %llu of term %llu lacks entry %llu of term %llu, committed in term %llu", leader->id, term,
       known->entry->index, known->entry->term, known->in_term);
}

void check_leader(struct world* world, const struct server* server) {
  struct checker* const checker = &world->checker;
  const raft_term term = server->known.term;
  need(world, term < TERMS_MAX, "there are more than %d terms", TERMS_MAX);
  const raft_id other = checker->leaders[term];
  need(world, other == 0 || other == server->id, "servers %llu and %llu lead in term %llu", other, server->id,
       term);
  if (other == 0) world->coverage.leaders++;
  if (world->transferee == server->id && world->transfer_term + 1 == term) world->coverage.transfers_done++;
  checker->leaders[term] = server->id;
  for (size_t i = 0; i < checker->committed_count; i++) need_committed(world, server, term, i);
}

void check_dropped(struct world* world, const struct server* server, raft_index from, raft_index covered) {
  const struct checker* const checker = &world->checker;
  for (raft_index index = from > covered ? from : covered + 1; index <= checker->committed_count; index++) {
    const struct entry* const entry = log_at(&server->log, index);
    if (entry == NULL) break;
    need(world, entry != checker->committed[index - 1].entry,
         "server %llu replaces entry %llu of term %llu, which is committed, others keep it", server->id,
         index, entry->term);
  }
}

static void need_durable(struct world* world, const struct server* server, const struct entry* entry) {
  const struct members* const members = log_members(&server->log, log_last(&server->log));
  unsigned voters = 0, having = 0;
  for (raft_id id = 1; id <= SERVERS; id++) {
    if (members == NULL || members->roles[id] != RAFT_VOTER) continue;
    const struct log* const disk = &world->servers[id].disk;
    voters++;
    if (log_at(disk, entry->index) == entry || entry->index <= disk->snapshot.index) having++;
  }
  need(world, having * 2 > voters,
       "server %llu commits entry %llu, which %u of %u voters have on their disks", server->id, entry->index,
       having, voters);
}

void check_applied(struct world* world, const struct server* server, const struct entry* entry) {
  struct checker* const checker = &world->checker;
  if (entry->index <= checker->committed_count) {
    const struct committed* const known = &checker->committed[entry->index - 1];
    need(world, known->entry == entry && known->state == server->state,
         "server %llu applies entry %llu of term %llu, others that of term %llu", server->id, entry->index,
         entry->term, known->entry->term);
    return;
  }
  need(world, entry->index == checker->committed_count + 1,
       "server %llu applies entry %llu, and nobody has applied what is before it", server->id, entry->index);
  if (checker->committed_count == checker->committed_capacity) {
    checker->committed_capacity = checker->committed_capacity * 2 + 1024;
    checker->committed =
        must_realloc(checker->committed, checker->committed_capacity * sizeof *checker->committed);
  }
  checker->committed[checker->committed_count++] =
      (struct committed){entry, server->state, server->known.term};
  if (entry->type == RAFT_CHANGE && entry->index > 1) world->coverage.changes_committed++;
  /* What all have from the beginning is on no disk but of those. */
  if (entry->index > 1 && !is_blind(world)) need_durable(world, server, entry);
  for (raft_id id = 1; id <= SERVERS; id++) {
    const struct server* const leader = &world->servers[id];
    if (leader->is_up && leader->known.state == RAFT_LEADER)
      need_committed(world, leader, leader->known.term, (size_t)entry->index - 1);
  }
}
