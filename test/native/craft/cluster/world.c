#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"

enum { FAULTS_MS = 30 * ELECTION_MS, PROGRESS_TIMEOUTS = 100, PROGRESS_TIMEOUTS_PRE_VOTE = 30 };

void world_fail(struct world* world, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(world->failure, sizeof world->failure, format, arguments);
  va_end(arguments);
  longjmp(world->failed, 1);
}

void world_trace(struct world* world, const char* format, ...) {
  if (!world->is_traced) return;
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  putchar('\n');
}

static struct weather weather_of(struct random* random) {
  const bool is_rough = random_chance(random, 500);
  /* Where messages take as long as the random part of election timeouts, candidates meet each other. */
  const bool is_slow = random_chance(random, 250);
  return (struct weather){
      .voters = random_between(random, random_chance(random, 300) ? 1 : 3, SERVERS),
      .lost = random_below(random, is_rough ? 250 : 20),
      .doubled = random_below(random, is_rough ? 150 : 20),
      .late = random_below(random, is_rough ? 200 : 20),
      .late_ms = random_between(random, 50, 2000),
      .latency_ms = is_slow ? random_between(random, 100, 500) : random_between(random, 1, 30),
      .disk_ms = random_chance(random, 300) ? random_between(random, 50, 300) : random_below(random, 40),
      .fault_ms = random_between(random, 300, 2000),
      .admin_ms = random_between(random, 150, 1500),
      .submit_ms = random_between(random, 30, 300),
      .crash_after_vote = random_chance(random, 400) ? random_below(random, 600) : 0,
      .snapshot_entries = random_between(random, 3, 40),
      .trailing = random_below(random, 15),
      .heartbeat_ms = random_between(random, 100, 300),
      .inflight_max = random_chance(random, 500) ? 32 : random_between(random, 1, 10),
      .pre_vote = random_chance(random, 600)};
}

/* Those of the first configuration have it on their disks; the others have nothing. */
static void bootstrap(struct world* world) {
  struct members members;
  members_clear(&members);
  members.index = 1;
  for (raft_id id = 1; id <= world->weather.voters; id++) members.roles[id] = RAFT_VOTER;
  struct raft_buffer encoded;
  members_encode(&members, &encoded);
  const struct raft_entry first = {.term = 1, .type = RAFT_CHANGE, .buf = encoded};
  const struct entry* const entry = known_entry(world, 1, 0, &first);
  raft_free(encoded.base);
  for (raft_id id = 1; id <= world->weather.voters; id++) {
    log_append(&world->servers[id].disk, entry);
    world->servers[id].disk_term = 1;
  }
}

static void act(struct world* world, const struct action* action) {
  struct server* const server = &world->servers[action->server];
  if (action->server != 0 && server->life != action->life) return;
  switch (action->kind) {
    case ACTION_DELIVER:
      network_deliver(world, action->packet);
      break;
    case ACTION_TIMER:
      server_timer(server);
      break;
    case ACTION_WRITE_DONE:
      server_write_done(server);
      break;
    case ACTION_EARLY_ACK:
      server_early_ack(server, action->number);
      break;
    case ACTION_CONFIGURATION:
      server_configuration_applied(server, action->number);
      break;
    case ACTION_SNAPSHOT:
      server_snapshot_taken(server);
      break;
    case ACTION_TERM_STORED:
      server->disk_term = server->known.term;
      server->disk_vote = server->known.vote;
      break;
    case ACTION_CRASH:
      if (world->is_calm || !server->is_up) break;
      server_crash(server);
      server_later(server, (unsigned)action->number, ACTION_RESTART, 0);
      break;
    case ACTION_RESTART:
      if (!server->is_up) server_start(server);
      break;
    default:
      operator_act(world, action);
  }
}

static void run_until(struct world* world, raft_time end) {
  struct action action;
  while (agenda_take(end, &action)) {
    world->now = action.at;
    act(world, &action);
  }
  world->now = end;
}

/* Members that get the log have applied the entry. */
static bool is_applied(struct world* world, raft_index index) {
  const struct server* const leader = newest_leader(world);
  if (leader == NULL) return false;
  const struct members* const members = log_members(&leader->log, log_last(&leader->log));
  for (raft_id id = 1; id <= SERVERS; id++) {
    const int role = members->roles[id];
    if (role != NO_MEMBER && role != RAFT_SPARE && world->servers[id].applied < index) return false;
  }
  return true;
}

/* Without faults an entry that is new is soon committed, and then applied everywhere. */
static void need_progress(struct world* world) {
  const raft_time from = world->now;
  /* Without pre-vote a server that was removed, and does not know it, gets in the way of elections again and
   * again. */
  const int timeouts = world->weather.pre_vote ? PROGRESS_TIMEOUTS_PRE_VOTE : PROGRESS_TIMEOUTS;
  const raft_time deadline = from + (raft_time)timeouts * ELECTION_MS;
  raft_time committed_at = 0;
  const struct entry* wanted = NULL;
  while (committed_at == 0 || !is_applied(world, wanted->index)) {
    need(world, world->now < deadline, "%d election timeouts after the last fault %s", timeouts,
         committed_at == 0 ? "no new entry is committed" : "not every member has applied a committed entry");
    struct server* const leader = newest_leader(world);
    if (leader != NULL && (wanted == NULL || log_at(&leader->log, wanted->index) != wanted) &&
        committed_at == 0 && operator_command(world, leader, 1) == 0)
      wanted = log_at(&leader->log, log_last(&leader->log));
    run_until(world, world->now + 20);
    if (committed_at == 0 && wanted != NULL && world->checker.committed_count >= wanted->index &&
        world->checker.committed[wanted->index - 1].entry == wanted)
      committed_at = world->now;
  }
  world->calm_timeouts = (double)(committed_at - from) / ELECTION_MS;
}

static void run(struct world* world) {
  world->weather = weather_of(&world->random);
  bootstrap(world);
  for (raft_id id = 1; id <= SERVERS; id++) server_start(&world->servers[id]);
  operator_begin(world);
  run_until(world, FAULTS_MS);
  world->is_calm = true;
  world->weather.latency_ms = 20;
  world->weather.disk_ms = 20;
  network_heal(world);
  world_trace(world, "%llu the faults end", world->now);
  for (raft_id id = 1; id <= SERVERS; id++)
    if (!world->servers[id].is_up) server_start(&world->servers[id]);
  need_progress(world);
  world->coverage.committed = world->checker.committed_count;
}

bool world_run(struct world* world, uint64_t seed) {
  arena_reset();
  agenda_reset();
  known_entries_reset();
  checker_reset(&world->checker);
  memset(&world->coverage, 0, sizeof world->coverage);
  world->seed = seed;
  world->random.state = mix64(seed + 1);
  world->now = 0;
  world->is_calm = false;
  network_heal(world);
  world->cut_generation = 0;
  world->transferee = 0;
  world->commands = 0;
  world->hash = 0;
  for (raft_id id = 1; id <= SERVERS; id++) server_reset(&world->servers[id], world, id);
  world->failure[0] = '\0';
  if (setjmp(world->failed) == 0) run(world);
  for (raft_id id = 1; id <= SERVERS; id++) server_close(&world->servers[id]);
  return world->failure[0] == '\0';
}
