/* What a server does with an update, in the order that the header asks for. */
#include <string.h>

#include "arena.h"
#include "world.h"

static void check_flags(const struct server* server, unsigned flags, const struct known* was) {
  const struct known* const is = &server->known;
  const struct {
    bool has_changed;
    unsigned flag;
    const char* name;
  } changes[] = {{is->term != was->term, RAFT_UPDATE_CURRENT_TERM, "term"},
                 {is->vote != was->vote, RAFT_UPDATE_VOTED_FOR, "vote"},
                 {is->state != was->state, RAFT_UPDATE_STATE, "state"},
                 {is->commit != was->commit, RAFT_UPDATE_COMMIT_INDEX, "commit index"},
                 {is->timeout != was->timeout, RAFT_UPDATE_TIMEOUT, "timeout"}};
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    const bool is_told = (flags & changes[i].flag) != 0;
    /* The term and the vote go to the disk together. */
    need(server->world, is_told == changes[i].has_changed || (is_told && i < 2),
         "server %llu is wrong about whether its %s has changed", server->id, changes[i].name);
  }
  need(server->world, is->commit >= was->commit, "the commit index of server %llu goes back", server->id);
}

static void store_vote(struct server* server, unsigned flags) {
  struct world* const world = server->world;
  check_vote(world, server->id, server->known.term, server->known.vote);
  if ((flags & (RAFT_UPDATE_CURRENT_TERM | RAFT_UPDATE_VOTED_FOR)) == 0) return;
  if (has_defect(world, DEFECT_LATE_VOTE)) {
    server_later(server, random_below(&world->random, 100), ACTION_TERM_STORED, 0);
    return;
  }
  server->disk_term = server->known.term;
  server->disk_vote = server->known.vote;
}

static struct write* push_write(struct server* server) {
  struct world* const world = server->world;
  need(world, server->writes_count < WRITES_MAX, "server %llu has too many writes under way", server->id);
  if (server->writes_count == 0)
    server_later(server, random_below(&world->random, world->weather.disk_ms + 1), ACTION_WRITE_DONE, 0);
  return &server->writes[(server->writes_first + server->writes_count++) % WRITES_MAX];
}

/* What is replaced is not told to be stored any more. */
static void forget_from(struct server* server, raft_index first) {
  for (unsigned i = 0; i < server->writes_count; i++) {
    struct write* const write = &server->writes[(server->writes_first + i) % WRITES_MAX];
    if (write->told >= first) write->told = first - 1;
  }
}

static void count_truncation(struct server* server, raft_index first) {
  struct coverage* const coverage = &server->world->coverage;
  const raft_index last = log_last(&server->log);
  if (first > last) return;
  coverage->truncations++;
  coverage->truncated_entries += last - first + 1;
  for (raft_index index = first; index <= last; index++)
    if (log_at(&server->log, index)->type == RAFT_CHANGE) coverage->changes_rolled_back++;
}

static void store_entries(struct server* server, struct raft_update* update, const struct known* before) {
  struct world* const world = server->world;
  struct log* const log = &server->log;
  const raft_index first = update->entries.index;
  need(world, first <= log_last(log) + 1 && first > server->applied && first >= log->first,
       "server %llu is to write from %llu on, has up to %llu, and has applied %llu", server->id, first,
       log_last(log), server->applied);
  need(world,
       before->state != RAFT_LEADER || server->known.state != RAFT_LEADER || first == log_last(log) + 1,
       "leader %llu replaces its own entries", server->id);
  check_dropped(world, server, first, 0);
  count_truncation(server, first);
  forget_from(server, first);
  log_truncate(log, first);
  struct write* const write = push_write(server);
  *write = (struct write){.first = first, .count = update->entries.n};
  write->entries = arena_take(update->entries.n * sizeof *write->entries);
  const void* batch = NULL;
  for (unsigned i = 0; i < update->entries.n; i++) {
    const struct raft_entry* const entry = &update->entries.batch[i];
    raft_term term_before = 0;
    log_term(log, first + i - 1, &term_before);
    need(world, entry->term >= term_before && entry->term <= server->known.term,
         "server %llu is to store an entry of term %llu behind one of term %llu, in term %llu", server->id,
         entry->term, term_before, server->known.term);
    write->entries[i] = known_entry(world, first + i, term_before, entry);
    log_append(log, write->entries[i]);
    if (i > 0 && entry->batch != batch) raft_free((void*)(uintptr_t)batch);
    batch = entry->batch;
  }
  raft_free((void*)(uintptr_t)batch);
  raft_free(update->entries.batch);
  write->told = log_last(log);
  if (has_defect(world, DEFECT_EARLY_ACK)) server_later(server, 0, ACTION_EARLY_ACK, write->told);
}

static void store_snapshot(struct server* server, struct raft_update* update) {
  struct world* const world = server->world;
  const struct raft_snapshot_metadata* const metadata = &update->snapshot.metadata;
  struct snapshot snapshot = {.index = metadata->index, .term = metadata->term};
  need(world, snapshot.index > server->applied, "server %llu is to install what it has applied", server->id);
  need(world,
       update->snapshot.chunk.len == sizeof snapshot.state && update->snapshot.last &&
           update->snapshot.offset == 0,
       "server %llu is to install a snapshot of another size", server->id);
  memcpy(&snapshot.state, update->snapshot.chunk.base, sizeof snapshot.state);
  raft_free(update->snapshot.chunk.base);
  members_clear(&snapshot.members);
  snapshot.members.index = metadata->configuration_index;
  for (unsigned i = 0; i < metadata->configuration.n; i++)
    snapshot.members.roles[metadata->configuration.servers[i].id] =
        (signed char)metadata->configuration.servers[i].role;
  const struct committed* const committed =
      snapshot.index <= world->checker.committed_count ? &world->checker.committed[snapshot.index - 1] : NULL;
  need(world,
       committed != NULL && committed->entry->term == snapshot.term && committed->state == snapshot.state,
       "server %llu is to install a snapshot of entry %llu of term %llu, others applied another one",
       server->id, snapshot.index, snapshot.term);
  check_dropped(world, server, server->log.first, snapshot.index);
  server->is_taking = false;
  forget_from(server, 1);
  log_install(&server->log, &snapshot);
  struct write* const write = push_write(server);
  *write = (struct write){.first = snapshot.index + 1, .is_snapshot = true, .snapshot = snapshot};
}

/* Nothing is told that the disk does not have. */
static void check_outgoing(const struct server* server, const struct raft_message* message) {
  struct world* const world = server->world;
  const raft_id to = message->server_id;
  const raft_term term = server->disk_term;
  const char* lie = NULL;
  switch (message->type) {
    case RAFT_REQUEST_VOTE: {
      const struct raft_request_vote* const request = &message->request_vote;
      if (request->pre_vote ? request->term != term + 1
                            : request->term != term || server->disk_vote != server->id)
        lie = "a request for votes";
      break;
    }
    case RAFT_REQUEST_VOTE_RESULT: {
      const struct raft_request_vote_result* const vote = &message->request_vote_result;
      if (!vote->pre_vote && (vote->term != term || (vote->vote_granted && server->disk_vote != to)))
        lie = "a vote";
      break;
    }
    case RAFT_APPEND_ENTRIES:
      if (message->append_entries.term != term) lie = "entries";
      break;
    case RAFT_APPEND_ENTRIES_RESULT: {
      const struct raft_append_entries_result* const result = &message->append_entries_result;
      const raft_index last = result->last_log_index;
      if (result->term != term) lie = "an answer";
      if (result->rejected > 0 || last <= server->disk.snapshot.index) break;
      if (log_at(&server->disk, last) == NULL ||
          (log_at(&server->log, last) != NULL && log_at(&server->log, last) != log_at(&server->disk, last)))
        lie = "entries that it says are stored";
      break;
    }
    case RAFT_INSTALL_SNAPSHOT:
      if (message->install_snapshot.term != term) lie = "a snapshot";
      break;
    case RAFT_TIMEOUT_NOW:
      if (message->timeout_now.term != term) lie = "a transfer";
      break;
    default:
      world_fail(world, "server %llu sends a message of type %u", server->id, message->type);
  }
  need(world, lie == NULL, "server %llu sends %llu %s of term %llu, and its disk does not have that",
       server->id, to, lie, server->known.term);
}

static void send_messages(struct server* server, const struct raft_update* update) {
  struct world* const world = server->world;
  for (unsigned i = 0; i < update->messages.n; i++) {
    const struct raft_message* const message = &update->messages.batch[i];
    if (!is_blind(world) && !has_defect(world, DEFECT_LATE_VOTE)) check_outgoing(server, message);
    network_send(world, server, message);
    if (world->is_calm || message->type != RAFT_REQUEST_VOTE_RESULT) continue;
    const struct raft_request_vote_result* const vote = &message->request_vote_result;
    if (!vote->vote_granted || vote->pre_vote) continue;
    if (!random_chance(&world->random, world->weather.crash_after_vote)) continue;
    world->coverage.crashes_after_vote++;
    server_later(server, random_below(&world->random, 5), ACTION_CRASH, random_below(&world->random, 60));
  }
}

static void apply(struct server* server) {
  struct world* const world = server->world;
  const struct log* const log = &server->log;
  need(world, server->known.commit <= log_last(log), "server %llu commits %llu, and has up to %llu",
       server->id, server->known.commit, log_last(log));
  need(world, log->snapshot.index <= server->applied,
       "server %llu commits before the snapshot is stored that it installs", server->id);
  while (server->applied < server->known.commit) {
    const struct entry* const entry = log_at(log, ++server->applied);
    server->state = mix64(server->state ^ (entry->type * 0x9e3779b97f4a7c15u));
    for (size_t i = 0; i < entry->length; i++)
      server->state = (server->state ^ entry->bytes[i]) * 0x100000001b3u;
    check_applied(world, server, entry);
    if (entry->type == RAFT_CHANGE)
      server_later(server, random_below(&world->random, 3), ACTION_CONFIGURATION, entry->index);
  }
}

static void check_role(const struct server* server) {
  const struct members* const members = log_members(&server->log, log_last(&server->log));
  const int role = members == NULL ? NO_MEMBER : members->roles[server->id];
  need(server->world, raft_role(&server->raft) == role, "server %llu takes itself for %s, and is %s",
       server->id, raft_role_name(raft_role(&server->raft)), raft_role_name(role));
}

static void maybe_take_snapshot(struct server* server) {
  struct world* const world = server->world;
  const raft_index index = server->applied;
  if (server->is_taking || index < server->log.snapshot.index + world->weather.snapshot_entries) return;
  /* Only of what is stored here, and not while another one is to be installed. */
  const struct entry* const entry = log_at(&server->log, index);
  if (entry == NULL || log_at(&server->disk, index) != entry) return;
  for (unsigned i = 0; i < server->writes_count; i++)
    if (server->writes[(server->writes_first + i) % WRITES_MAX].is_snapshot) return;
  server->is_taking = true;
  server->taking = (struct snapshot){.index = index,
                                     .term = entry->term,
                                     .members = *log_members(&server->log, index),
                                     .state = server->state};
  server_later(server, random_below(&world->random, 5 * world->weather.disk_ms + 1), ACTION_SNAPSHOT, 0);
}

void server_process(struct server* server, struct raft_update* update, const struct known* before) {
  struct world* const world = server->world;
  const unsigned flags = update->flags;
  check_flags(server, flags, before);
  store_vote(server, flags);
  if (flags & RAFT_UPDATE_ENTRIES) store_entries(server, update, before);
  if (flags & RAFT_UPDATE_SNAPSHOT) store_snapshot(server, update);
  need(world, server->known.last == log_last(&server->log), "server %llu ends at %llu, its log at %llu",
       server->id, server->known.last, log_last(&server->log));
  if (server->known.state == RAFT_LEADER &&
      (before->state != RAFT_LEADER || before->term != server->known.term))
    check_leader(world, server);
  if (flags & RAFT_UPDATE_MESSAGES) send_messages(server, update);
  if (flags & RAFT_UPDATE_COMMIT_INDEX) apply(server);
  check_role(server);
  maybe_take_snapshot(server);
}
