#include "server.h"

#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "world.h"

/* Later than the end of the world. */
static const raft_time never = ~(raft_time)0;

void server_reset(struct server* server, struct world* world, raft_id id) {
  server->world = world;
  server->id = id;
  server->is_up = false;
  server->life = 0;
  memset(&server->known, 0, sizeof server->known);
  log_reset(&server->log);
  log_reset(&server->disk);
  server->disk_term = 0;
  server->disk_vote = 0;
}

void server_later(struct server* server, unsigned ms, enum action_kind kind, raft_index number) {
  agenda_add((struct action){.at = server->world->now + ms,
                             .kind = kind,
                             .server = (unsigned)server->id,
                             .life = server->life,
                             .number = number});
}

static void know(struct server* server) {
  server->known = (struct known){.term = raft_current_term(&server->raft),
                                 .vote = raft_voted_for(&server->raft),
                                 .state = (int)raft_state(&server->raft),
                                 .commit = raft_commit_index(&server->raft),
                                 .last = raft_last_index(&server->raft),
                                 .timeout = raft_timeout(&server->raft)};
}

static void arm_timer(struct server* server) {
  struct world* const world = server->world;
  const raft_time due = server->known.timeout;
  if (due >= server->timer_at) return;
  server->timer_at = due;
  unsigned delay = due > world->now ? (unsigned)(due - world->now) : 0;
  if (!world->is_calm && random_chance(&world->random, 30)) delay += random_below(&world->random, 300);
  server_later(server, delay, ACTION_TIMER, due);
}

static void trace_step(struct server* server, const struct raft_update* update, int code, const char* what,
                       unsigned long long number) {
  struct world* const world = server->world;
  const struct known* const known = &server->known;
  const uint64_t values[] = {
      world->now,  server->id,    (uint64_t)code, update->flags,  (uint64_t)known->state, known->term,
      known->vote, known->commit, known->last,    known->timeout, (uint64_t)number};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) world_hash(world, values[i]);
  if (!world->is_traced) return;
  world_trace(
      world, "%llu s%llu %s %llu: %s, flags %x, %s of term %llu, vote %llu, commit %llu, last %llu, due %llu",
      world->now, server->id, what, number, code == 0 ? "ok" : raft_strerror(code), update->flags,
      raft_state_name(known->state), known->term, known->vote, known->commit, known->last, known->timeout);
}

int server_step(struct server* server, struct raft_event* event, const char* what,
                unsigned long long number) {
  struct world* const world = server->world;
  struct raft_update update;
  const struct known before = server->known;
  need(world, ++world->coverage.steps < STEPS_MAX, "messages beget each other without end");
  event->time = world->now;
  event->capacity = 0;
  const int code = raft_step(&server->raft, event, &update);
  know(server);
  trace_step(server, &update, code, what, number);
  if (code == 0) server_process(server, &update, &before);
  arm_timer(server);
  return code;
}

void server_must(struct server* server, struct raft_event* event, const char* what,
                 unsigned long long number) {
  if (!server->is_up) return;
  const int code = server_step(server, event, what, number);
  need(server->world, code == 0, "server %llu refuses: %s %llu: %s", server->id, what, number,
       raft_errmsg(&server->raft));
}

/* What the disk holds, as RAFT_START wants it. */
static void load(struct server* server, struct raft_event* event, struct raft_snapshot_metadata* metadata) {
  const struct log* const disk = &server->disk;
  *event = (struct raft_event){.type = RAFT_START};
  event->start.term = server->disk_term;
  event->start.voted_for = server->disk_vote;
  event->start.start_index = disk->first;
  event->start.n_entries = (unsigned)disk->count;
  event->start.entries = arena_take((disk->count + 1) * sizeof *event->start.entries);
  for (size_t i = 0; i < disk->count; i++) {
    const struct entry* const entry = disk->entries[i];
    event->start.entries[i] = (struct raft_entry){
        .term = entry->term, .type = entry->type, .buf = {(void*)(uintptr_t)entry->bytes, entry->length}};
  }
  if (disk->snapshot.index == 0) return;
  struct members members = disk->snapshot.members;
  if (has_defect(server->world, DEFECT_OLD_CONFIGURATION)) {
    members_clear(&members);
    members.index = 1;
    for (raft_id id = 1; id <= server->world->weather.voters; id++) members.roles[id] = RAFT_VOTER;
  }
  metadata->index = disk->snapshot.index;
  metadata->term = disk->snapshot.term;
  metadata->configuration_index = members.index;
  members_configuration(&members, &metadata->configuration);
  event->start.metadata = metadata;
}

void server_start(struct server* server) {
  struct world* const world = server->world;
  const struct weather* const weather = &world->weather;
  server->life++;
  server->writes_first = server->writes_count = 0;
  server->is_taking = false;
  server->timer_at = never;
  server->standing = 0;
  log_copy(&server->log, &server->disk);
  server->applied = server->disk.snapshot.index;
  server->state = server->disk.snapshot.state;
  server->known = (struct known){.term = server->disk_term, .vote = server->disk_vote};
  /* All that was stored is looked at once more. */
  raft_term term_before = server->log.term_before;
  for (size_t i = 0; i < server->log.count; i++) {
    const struct entry* const entry = server->log.entries[i];
    need(world, entry->index == server->log.first + i && entry->term_before == term_before,
         "the log of server %llu has entry %llu behind term %llu, which was another one", server->id,
         entry->index, term_before);
    term_before = entry->term;
  }
  const int code = raft_init(&server->raft, server->id, address_of(server->id));
  need(world, code == 0, "raft_init: %s", raft_errmsg(&server->raft));
  server->is_up = true;
  raft_seed(&server->raft, (unsigned)random_next(&world->random));
  raft_set_election_timeout(&server->raft, ELECTION_MS);
  raft_set_heartbeat_timeout(&server->raft, weather->heartbeat_ms);
  raft_set_install_snapshot_timeout(&server->raft, 3 * ELECTION_MS);
  raft_set_pre_vote(&server->raft, weather->pre_vote);
  raft_set_max_inflight_entries(&server->raft, weather->inflight_max);
  struct raft_event event;
  struct raft_snapshot_metadata metadata;
  load(server, &event, &metadata);
  const int started = server_step(server, &event, "start", server->life);
  need(world, started == 0, "server %llu refuses to start: %s", server->id, raft_errmsg(&server->raft));
}

void server_close(struct server* server) {
  if (!server->is_up) return;
  raft_close(&server->raft);
  server->is_up = false;
}

static void put_on_disk(struct server* server, const struct write* write, size_t count) {
  struct log* const disk = &server->disk;
  /* A defect that stores them late does not store them after what was given later. */
  server->disk_term = server->known.term;
  server->disk_vote = server->known.vote;
  if (write->is_snapshot) {
    log_install(disk, &write->snapshot);
    return;
  }
  need(server->world, write->first >= disk->first && write->first <= log_last(disk) + 1,
       "server %llu is to store entries from %llu on, its disk has %llu to %llu", server->id, write->first,
       disk->first, log_last(disk));
  if (!has_defect(server->world, DEFECT_KEPT_TAIL)) log_truncate(disk, write->first);
  for (size_t i = 0; i < count; i++) {
    const raft_index index = write->first + i;
    if (index <= log_last(disk))
      disk->entries[index - disk->first] = write->entries[i];
    else
      log_append(disk, write->entries[i]);
  }
}

static struct write* oldest_write(struct server* server) {
  return &server->writes[server->writes_first % WRITES_MAX];
}

static void drop_oldest_write(struct server* server) {
  server->writes_first++;
  server->writes_count--;
}

/* What is not on the disk is lost; of the writes under way some may be there, the last in part. */
void server_crash(struct server* server) {
  struct world* const world = server->world;
  if (!server->is_up) return;
  world->coverage.crashes++;
  if (server->writes_count > 0) world->coverage.crashes_with_writes++;
  world_trace(world, "%llu s%llu crashes, %u writes under way", world->now, server->id, server->writes_count);
  for (; server->writes_count > 0 && random_chance(&world->random, 400); drop_oldest_write(server))
    put_on_disk(server, oldest_write(server), oldest_write(server)->count);
  if (server->writes_count > 0 && !oldest_write(server)->is_snapshot && random_chance(&world->random, 300)) {
    const struct write* const torn = oldest_write(server);
    put_on_disk(server, torn, random_below(&world->random, (unsigned)torn->count + 1));
  }
  if (has_defect(world, DEFECT_LOST_ENTRY) && server->disk.count > 1) server->disk.count--;
  server->life++;
  server_close(server);
  memset(&server->known, 0, sizeof server->known);
}

void server_write_done(struct server* server) {
  struct world* const world = server->world;
  const struct write write = *oldest_write(server);
  drop_oldest_write(server);
  put_on_disk(server, &write, write.count);
  if (server->writes_count > 0)
    server_later(server, random_below(&world->random, world->weather.disk_ms + 1), ACTION_WRITE_DONE, 0);
  struct raft_event event = {0};
  if (!write.is_snapshot) {
    if (write.told < write.first) return;
    event.type = RAFT_PERSISTED_ENTRIES;
    event.persisted_entries.index = write.told;
    server_must(server, &event, "stored up to", write.told);
    return;
  }
  world->coverage.installed++;
  server->applied = write.snapshot.index;
  server->state = write.snapshot.state;
  event.type = RAFT_PERSISTED_SNAPSHOT;
  event.persisted_snapshot.metadata.index = write.snapshot.index;
  event.persisted_snapshot.metadata.term = write.snapshot.term;
  event.persisted_snapshot.metadata.configuration_index = write.snapshot.members.index;
  event.persisted_snapshot.last = true;
  members_configuration(&write.snapshot.members, &event.persisted_snapshot.metadata.configuration);
  server_must(server, &event, "stored a snapshot of", write.snapshot.index);
}

void server_early_ack(struct server* server, raft_index index) {
  /* By now it may have been replaced. */
  if (index > server->known.last) return;
  struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES};
  event.persisted_entries.index = index;
  server_must(server, &event, "says too early that it has stored up to", index);
}

void server_configuration_applied(struct server* server, raft_index index) {
  const struct entry* const entry = log_at(&server->log, index);
  if (entry == NULL) return;
  struct raft_event event = {.type = RAFT_CONFIGURATION};
  event.configuration.index = index;
  members_configuration(&entry->members, &event.configuration.conf);
  server_must(server, &event, "applied the configuration", index);
}

void server_snapshot_taken(struct server* server) {
  struct world* const world = server->world;
  if (!server->is_taking) return;
  server->is_taking = false;
  const struct snapshot* const taken = &server->taking;
  const unsigned trailing = world->weather.trailing;
  struct raft_event event = {.type = RAFT_SNAPSHOT};
  event.snapshot.metadata.index = taken->index;
  event.snapshot.metadata.term = taken->term;
  event.snapshot.metadata.configuration_index = taken->members.index;
  event.snapshot.trailing = trailing;
  members_configuration(&taken->members, &event.snapshot.metadata.configuration);
  world->coverage.snapshots++;
  /* First on the disk, as messages of this step may speak of it. */
  log_compact(&server->disk, taken, trailing);
  log_compact(&server->log, taken, trailing);
  server_must(server, &event, "took a snapshot of", taken->index);
}

void server_timer(struct server* server) {
  struct world* const world = server->world;
  server->timer_at = never;
  /* Early, at times: that must do no harm. */
  if (server->known.timeout > world->now && !random_chance(&world->random, 5)) {
    arm_timer(server);
    return;
  }
  struct raft_event event = {.type = RAFT_TIMEOUT};
  server_must(server, &event, "timeout", 0);
  server->standing = server->known.timeout > world->now ? 0 : server->standing + 1;
  need(world, server->standing < 3, "server %llu stays due after its timeout", server->id);
}
