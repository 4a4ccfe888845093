/* What is done to the servers: faults, changes of members, transfers, commands. */
#include <string.h>

#include "world.h"

enum { UNCOMMITTED_MAX = 200 };

static unsigned soon(struct world* world, unsigned ms) {
  return random_between(&world->random, (ms + 1) / 2, ms + ms / 2);
}

static void later(struct world* world, unsigned ms, enum action_kind kind) {
  agenda_add((struct action){.at = world->now + ms, .kind = kind});
}

void operator_begin(struct world* world) {
  later(world, soon(world, world->weather.fault_ms), ACTION_FAULT);
  later(world, soon(world, world->weather.admin_ms), ACTION_ADMIN);
  later(world, soon(world, world->weather.submit_ms), ACTION_SUBMIT);
}

struct server* newest_leader(struct world* world) {
  struct server* newest = NULL;
  for (raft_id id = 1; id <= SERVERS; id++) {
    struct server* const server = &world->servers[id];
    if (server_leads(server) && (newest == NULL || server->known.term > newest->known.term)) newest = server;
  }
  return newest;
}

/* Any that takes itself for a leader; a deposed one goes on appending. */
static struct server* any_leader(struct world* world) {
  struct server* leaders[SERVERS];
  unsigned count = 0;
  for (raft_id id = 1; id <= SERVERS; id++)
    if (server_leads(&world->servers[id])) leaders[count++] = &world->servers[id];
  return count == 0 ? NULL : leaders[random_below(&world->random, count)];
}

static struct server* any_server(struct world* world) {
  return &world->servers[random_between(&world->random, 1, SERVERS)];
}

/* ---- faults */

static void crash(struct server* server, unsigned down_ms) {
  if (!server->is_up) return;
  server_crash(server);
  server_later(server, down_ms, ACTION_RESTART, 0);
}

static unsigned down_ms(struct world* world) {
  return random_chance(&world->random, 600) ? random_below(&world->random, 150)
                                            : random_below(&world->random, 2500);
}

static void heal_after(struct world* world, unsigned ms) {
  world->is_partitioned = true;
  agenda_add((struct action){.at = world->now + ms, .kind = ACTION_HEAL, .number = ++world->cut_generation});
}

/* A leader, alone or with one other: it goes on appending, and what it has appended is replaced. */
static void cut_leader(struct world* world, const struct server* leader) {
  struct random* const random = &world->random;
  const raft_id companion = random_chance(random, 500) ? random_between(random, 1, SERVERS) : leader->id;
  /* What it says is lost, or what it is told, or both. */
  const unsigned kind = random_below(random, 4);
  network_heal(world);
  for (raft_id from = 1; from <= SERVERS; from++) {
    for (raft_id to = 1; to <= SERVERS; to++) {
      const bool is_out = from == leader->id || from == companion;
      const bool is_in = to == leader->id || to == companion;
      if (is_out == is_in) continue;
      world->is_cut[from][to] = kind >= 2 || (kind == 0 ? is_out : is_in);
    }
  }
  world->coverage.leader_cuts++;
  world->coverage.leader_cuts_one_way += kind < 2;
  world_trace(world, "%llu leader s%llu is cut off with s%llu, kind %u", world->now, leader->id, companion,
              kind);
  /* Long enough for another to be elected, most of the time. */
  heal_after(world, random_between(&world->random, ELECTION_MS / 2, 4 * ELECTION_MS));
}

static void partition(struct world* world) {
  struct random* const random = &world->random;
  const uint64_t sides = random_next(random);
  const bool is_by_link = random_chance(random, 300);
  for (unsigned from = 1; from <= SERVERS; from++)
    for (unsigned to = 1; to <= SERVERS; to++)
      world->is_cut[from][to] = from != to && (is_by_link ? (sides >> (from * SERVERS + to) & 3) == 3
                                                          : (sides >> from & 1) != (sides >> to & 1));
  world->coverage.partitions++;
  world_trace(world, "%llu a partition, %s", world->now, is_by_link ? "of single links" : "in two");
  heal_after(world, random_between(&world->random, 200, 3 * ELECTION_MS));
}

static void fault(struct world* world) {
  struct random* const random = &world->random;
  struct server* const leader = any_leader(world);
  const unsigned kind = random_below(random, 100);
  /* Who is about to elect is left alone, mostly. */
  if (leader == NULL && kind < 60) return;
  if (kind < 12) {
    crash(leader, down_ms(world));
  } else if (kind < 27 || kind >= 92) {
    crash(any_server(world), down_ms(world));
  } else if (kind < 30) {
    world->coverage.power_cuts++;
    for (raft_id id = 1; id <= SERVERS; id++) crash(&world->servers[id], down_ms(world));
  } else if (!world->is_partitioned) {
    if (kind < 80 && leader != NULL)
      cut_leader(world, leader);
    else
      partition(world);
  }
}

/* ---- members and leadership */

static void submit_change(struct world* world, struct server* leader, const struct members* members) {
  const struct members* const before = log_members(&leader->log, log_last(&leader->log));
  const bool is_pending = before->index > leader->known.commit;
  struct raft_buffer encoded;
  members_encode(members, &encoded);
  if (encoded.base == NULL) return; /* Nobody is left. */
  struct raft_entry entry = {.type = RAFT_CHANGE, .buf = encoded, .batch = encoded.base};
  struct raft_event event = {.type = RAFT_SUBMIT};
  event.submit.entries = &entry;
  event.submit.n = 1;
  const int code = server_step(leader, &event, "change", 0);
  if (code != 0) raft_free(encoded.base);
  need(world, code == 0 || code == RAFT_NOTLEADER || code == RAFT_CANTCHANGE || code == RAFT_INVALID,
       "leader %llu answers a change with %s", leader->id, raft_strerror(code));
  need(world, code != 0 || !is_pending, "leader %llu takes a change while another is not committed",
       leader->id);
  world->coverage.changes += code == 0;
}

static void catch_up(struct world* world, struct server* leader, raft_id id) {
  struct raft_event event = {.type = RAFT_CATCH_UP};
  event.catch_up.server_id = id;
  const int code = server_step(leader, &event, "catch up", id);
  need(world, code == 0 || code == RAFT_NOTLEADER || code == RAFT_CANTCHANGE,
       "leader %llu answers a catch-up with %s", leader->id, raft_strerror(code));
  world->coverage.catch_ups += code == 0;
}

static void change_members(struct world* world, struct server* leader) {
  struct random* const random = &world->random;
  struct members members = *log_members(&leader->log, log_last(&leader->log));
  const raft_id id = random_between(random, 1, SERVERS);
  const int lower = random_chance(random, 500) ? RAFT_STANDBY : RAFT_SPARE;
  signed char* const role = &members.roles[id];
  if (*role == NO_MEMBER) {
    *role = (signed char)(random_chance(random, 200) ? RAFT_VOTER : lower);
  } else if (*role != RAFT_VOTER) {
    int status = RAFT_CATCH_UP_NONE;
    const int code = raft_catch_up(&leader->raft, id, &status);
    need(world, code == 0, "leader %llu does not know how the catch-up of member %llu stands", leader->id,
         id);
    world->coverage.catch_ups_finished += status == RAFT_CATCH_UP_FINISHED;
    if (status != RAFT_CATCH_UP_FINISHED && random_chance(random, 700)) {
      catch_up(world, leader, id);
      return;
    }
    *role = RAFT_VOTER;
  } else {
    *role = (signed char)(random_chance(random, 500) ? lower : NO_MEMBER);
  }
  submit_change(world, leader, &members);
}

static void transfer(struct world* world, struct server* leader) {
  const raft_id target = random_chance(&world->random, 300) ? 0 : random_between(&world->random, 1, SERVERS);
  struct raft_event event = {.type = RAFT_TRANSFER};
  event.transfer.server_id = target;
  const int code = server_step(leader, &event, "transfer to", target);
  need(world, code == 0 || code == RAFT_NOTLEADER || code == RAFT_BADID || code == RAFT_NOTFOUND,
       "leader %llu answers a transfer with %s", leader->id, raft_strerror(code));
  if (code != 0) return;
  const raft_id transferee = raft_transferee(&leader->raft);
  need(world, transferee != 0 && (target == 0 || transferee == target),
       "leader %llu is to hand over to %llu, and hands over to %llu", leader->id, target, transferee);
  world->coverage.transfers++;
  world->transferee = transferee;
  world->transfer_term = leader->known.term;
}

/* ---- commands */

int operator_command(struct world* world, struct server* server, unsigned count) {
  struct raft_entry entries[64];
  for (unsigned i = 0; i < count; i++) {
    const uint64_t number = ++world->commands;
    void* const bytes = raft_malloc(sizeof number);
    memcpy(bytes, &number, sizeof number);
    entries[i] = (struct raft_entry){.type = RAFT_COMMAND, .buf = {bytes, sizeof number}, .batch = bytes};
  }
  struct raft_event event = {.type = RAFT_SUBMIT};
  event.submit.entries = entries;
  event.submit.n = count;
  const bool was_leader = server_leads(server);
  const int code = server_step(server, &event, "submit", count);
  for (unsigned i = 0; code != 0 && i < count; i++) raft_free(entries[i].batch);
  need(world, code == RAFT_NOTLEADER || (code == 0 && was_leader), "server %llu answers a submission with %s",
       server->id, raft_strerror(code));
  return code;
}

static void submit(struct world* world) {
  struct random* const random = &world->random;
  struct server* const server = random_chance(random, 100) ? any_server(world) : any_leader(world);
  if (server == NULL || !server->is_up) return;
  /* What is to be committed when the faults have ended should not be a matter of how many may be in flight.
   */
  if (server->known.last > server->known.commit + UNCOMMITTED_MAX) return;
  operator_command(world, server,
                   random_chance(random, 900) ? random_between(random, 1, 3) : random_between(random, 1, 40));
}

void operator_act(struct world* world, const struct action* action) {
  if (action->kind == ACTION_HEAL) {
    if (action->number != world->cut_generation) return;
    world_trace(world, "%llu the partition ends", world->now);
    network_heal(world);
    return;
  }
  if (world->is_calm) return;
  struct server* const leader = newest_leader(world);
  switch (action->kind) {
    case ACTION_FAULT:
      fault(world);
      later(world, soon(world, world->weather.fault_ms), ACTION_FAULT);
      break;
    case ACTION_ADMIN:
      if (leader != NULL && random_chance(&world->random, 250)) transfer(world, leader);
      /* One that is deposed and does not know it, too: its change is rolled back. */
      else if (leader != NULL)
        change_members(world, any_leader(world));
      later(world, soon(world, world->weather.admin_ms), ACTION_ADMIN);
      break;
    default:
      submit(world);
      later(world, soon(world, world->weather.submit_ms), ACTION_SUBMIT);
  }
}
