/* Messages on their way: lost, doubled, late, and cut off. */
#include <string.h>

#include "arena.h"
#include "world.h"

struct packet {
  raft_id from, to;
  struct raft_message message;
  const struct entry** entries;
  struct snapshot snapshot;
};

static const char* name_of(unsigned short type) {
  static const char* const names[] = {"?",           "append",   "append result", "vote",
                                      "vote result", "snapshot", "timeout now"};
  return names[type];
}

/* Two numbers that tell most about it. */
static void describe(const struct raft_message* message, raft_term* term, uint64_t* first, uint64_t* second) {
  switch (message->type) {
    case RAFT_APPEND_ENTRIES:
      *term = message->append_entries.term;
      *first = message->append_entries.prev_log_index;
      *second = message->append_entries.n_entries;
      break;
    case RAFT_APPEND_ENTRIES_RESULT:
      *term = message->append_entries_result.term;
      *first = message->append_entries_result.rejected;
      *second = message->append_entries_result.last_log_index;
      break;
    case RAFT_REQUEST_VOTE:
      *term = message->request_vote.term;
      *first = message->request_vote.last_log_index;
      *second = message->request_vote.pre_vote;
      break;
    case RAFT_REQUEST_VOTE_RESULT:
      *term = message->request_vote_result.term;
      *first = message->request_vote_result.vote_granted;
      *second = message->request_vote_result.pre_vote;
      break;
    case RAFT_INSTALL_SNAPSHOT:
      *term = message->install_snapshot.term;
      *first = message->install_snapshot.last_index;
      *second = message->install_snapshot.last_term;
      break;
    default:
      *term = message->timeout_now.term;
      *first = message->timeout_now.last_log_index;
      *second = message->timeout_now.last_log_term;
  }
}

/* What only the program has: the entries, or the snapshot. */
static void fill(struct world* world, const struct server* from, struct packet* packet) {
  if (packet->message.type == RAFT_APPEND_ENTRIES) {
    const struct raft_append_entries* const append = &packet->message.append_entries;
    raft_term term = 0;
    need(world,
         append->prev_log_index == 0
             ? append->prev_log_term == 0
             : log_term(&from->log, append->prev_log_index, &term) && term == append->prev_log_term,
         "server %llu tells of entry %llu of term %llu, which it has not", from->id, append->prev_log_index,
         append->prev_log_term);
    need(world, append->entries == NULL, "server %llu fills in entries itself", from->id);
    if (append->n_entries > 0) packet->entries = arena_take(append->n_entries * sizeof *packet->entries);
    for (unsigned i = 0; i < append->n_entries; i++) {
      packet->entries[i] = log_at(&from->log, append->prev_log_index + 1 + i);
      need(world, packet->entries[i] != NULL, "server %llu sends entry %llu, which it has not", from->id,
           append->prev_log_index + 1 + i);
    }
  }
  if (packet->message.type == RAFT_INSTALL_SNAPSHOT) {
    const struct raft_install_snapshot* const install = &packet->message.install_snapshot;
    packet->snapshot = from->disk.snapshot;
    need(world,
         install->last_index == packet->snapshot.index && install->last_term == packet->snapshot.term &&
             install->conf_index == packet->snapshot.members.index,
         "server %llu sends the snapshot at %llu, and has one at %llu", from->id, install->last_index,
         packet->snapshot.index);
  }
}

void network_send(struct world* world, struct server* from, const struct raft_message* message) {
  struct random* const random = &world->random;
  const struct weather* const weather = &world->weather;
  const raft_id to = message->server_id;
  need(world,
       to >= 1 && to <= SERVERS && to != from->id && strcmp(message->server_address, address_of(to)) == 0,
       "server %llu sends to server %llu", from->id, to);
  raft_term term;
  uint64_t first, second;
  describe(message, &term, &first, &second);
  const uint64_t values[] = {message->type, to, term, first, second};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) world_hash(world, values[i]);
  const bool is_cut = world->is_cut[from->id][to];
  const bool is_lost = !world->is_calm && random_chance(random, weather->lost);
  if (world->is_traced)
    world_trace(world, "    -> s%llu %s of term %llu, %llu, %llu%s", to, name_of(message->type), term,
                (unsigned long long)first, (unsigned long long)second,
                is_cut    ? ", cut off"
                : is_lost ? ", lost"
                          : "");
  struct packet* const packet = arena_take(sizeof *packet);
  *packet = (struct packet){.from = from->id, .to = to, .message = *message};
  fill(world, from, packet);
  world->coverage.lost += is_lost;
  if (is_cut || is_lost) return;
  const bool is_doubled = !world->is_calm && random_chance(random, weather->doubled);
  world->coverage.doubled += is_doubled;
  for (int copies = is_doubled ? 2 : 1; copies > 0; copies--) {
    unsigned delay = random_below(random, weather->latency_ms + 1);
    if (!world->is_calm && random_chance(random, weather->late)) {
      delay += random_below(random, weather->late_ms);
      world->coverage.late++;
    }
    agenda_add(
        (struct action){.at = world->now + delay, .kind = ACTION_DELIVER, .server = 0, .packet = packet});
  }
}

/* The entries in one batch, as they come from a connection. */
static struct raft_entry* unpack(const struct packet* packet, unsigned n) {
  size_t bytes = 0;
  for (unsigned i = 0; i < n; i++) bytes += packet->entries[i]->length;
  char* at = raft_malloc(bytes + 1);
  struct raft_entry* const entries = arena_take(n * sizeof *entries);
  void* const batch = at;
  for (unsigned i = 0; i < n; i++) {
    const struct entry* const entry = packet->entries[i];
    entries[i] = (struct raft_entry){
        .term = entry->term, .type = entry->type, .buf = {at, entry->length}, .batch = batch};
    memcpy(at, entry->bytes, entry->length);
    at += entry->length;
  }
  return entries;
}

void network_deliver(struct world* world, struct packet* packet) {
  struct server* const to = &world->servers[packet->to];
  if (!to->is_up || world->is_cut[packet->from][packet->to]) return;
  struct raft_message message = packet->message;
  message.server_id = packet->from;
  message.server_address = address_of(packet->from);
  if (message.type == RAFT_APPEND_ENTRIES && message.append_entries.n_entries > 0)
    message.append_entries.entries = unpack(packet, message.append_entries.n_entries);
  if (message.type == RAFT_INSTALL_SNAPSHOT) {
    members_configuration(&packet->snapshot.members, &message.install_snapshot.conf);
    const size_t size = sizeof packet->snapshot.state;
    message.install_snapshot.data = (struct raft_buffer){raft_malloc(size), size};
    memcpy(message.install_snapshot.data.base, &packet->snapshot.state, size);
  }
  struct raft_event event = {.type = RAFT_RECEIVE};
  event.receive.message = &message;
  server_must(to, &event, name_of(message.type), packet->from);
}

void network_heal(struct world* world) {
  world->is_partitioned = false;
  memset(world->is_cut, 0, sizeof world->is_cut);
}
