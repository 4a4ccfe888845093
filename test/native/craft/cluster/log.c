#include "log.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "random.h"
#include "world.h"

/* By index and term; a power of two. */
static struct entry** slots;
static size_t slots_count, slots_used;

void known_entries_reset(void) {
  if (slots_count == 0) {
    slots_count = 4096;
    slots = must_realloc(NULL, slots_count * sizeof *slots);
  }
  memset(slots, 0, slots_count * sizeof *slots);
  slots_used = 0;
}

static struct entry** slot_of(raft_index index, raft_term term) {
  size_t at = (size_t)mix64(index * 0x9e3779b97f4a7c15u ^ term) & (slots_count - 1);
  while (slots[at] != NULL && (slots[at]->index != index || slots[at]->term != term))
    at = (at + 1) & (slots_count - 1);
  return &slots[at];
}

static void grow_slots(void) {
  struct entry** const before = slots;
  const size_t before_count = slots_count;
  slots_count *= 2;
  slots = must_realloc(NULL, slots_count * sizeof *slots);
  memset(slots, 0, slots_count * sizeof *slots);
  for (size_t i = 0; i < before_count; i++)
    if (before[i] != NULL) *slot_of(before[i]->index, before[i]->term) = before[i];
  free(before);
}

static void decode_members(struct world* world, struct entry* entry) {
  struct raft_configuration configuration;
  const struct raft_buffer encoded = {entry->bytes, entry->length};
  const int code = raft_configuration_decode(&encoded, &configuration);
  need(world, code == 0, "the configuration at %llu is no configuration: %s", entry->index,
       raft_strerror(code));
  members_clear(&entry->members);
  entry->members.index = entry->index;
  for (unsigned i = 0; i < configuration.n; i++) {
    const struct raft_server* const server = &configuration.servers[i];
    need(world,
         server->id >= 1 && server->id <= SERVERS && strcmp(server->address, address_of(server->id)) == 0,
         "the configuration at %llu has server %llu at %s", entry->index, server->id, server->address);
    entry->members.roles[server->id] = (signed char)server->role;
  }
  raft_configuration_close(&configuration);
}

const struct entry* known_entry(struct world* world, raft_index index, raft_term term_before,
                                const struct raft_entry* given) {
  struct entry** const slot = slot_of(index, given->term);
  struct entry* entry = *slot;
  if (entry != NULL) {
    need(world,
         entry->type == given->type && entry->length == given->buf.len && entry->term_before == term_before &&
             memcmp(entry->bytes, given->buf.base, entry->length) == 0,
         "entry %llu of term %llu, type %u behind term %llu, was another one: type %u behind term %llu",
         index, given->term, given->type, term_before, entry->type, entry->term_before);
    return entry;
  }
  entry = arena_take(sizeof *entry + given->buf.len);
  entry->index = index;
  entry->term = given->term;
  entry->term_before = term_before;
  entry->type = given->type;
  entry->length = given->buf.len;
  memcpy(entry->bytes, given->buf.base, entry->length);
  if (entry->type == RAFT_CHANGE) decode_members(world, entry);
  *slot = entry;
  if (++slots_used * 2 > slots_count) grow_slots();
  return entry;
}

void members_clear(struct members* members) {
  members->index = 0;
  memset(members->roles, NO_MEMBER, sizeof members->roles);
}

const char* address_of(raft_id id) {
  static const char* const addresses[] = {"", "s1", "s2", "s3", "s4", "s5"};
  return addresses[id];
}

void members_configuration(const struct members* members, struct raft_configuration* configuration) {
  configuration->servers = arena_take(SERVERS * sizeof *configuration->servers);
  configuration->n = 0;
  for (raft_id id = 1; id <= SERVERS; id++)
    if (members->roles[id] != NO_MEMBER)
      configuration->servers[configuration->n++] =
          (struct raft_server){id, (char*)(uintptr_t)address_of(id), members->roles[id]};
}

void members_encode(const struct members* members, struct raft_buffer* encoded) {
  struct raft_configuration configuration;
  members_configuration(members, &configuration);
  if (raft_configuration_encode(&configuration, encoded) != 0) *encoded = (struct raft_buffer){NULL, 0};
}

void log_reset(struct log* log) {
  log->first = 1;
  log->term_before = 0;
  log->count = 0;
  memset(&log->snapshot, 0, sizeof log->snapshot);
}

static void reserve(struct log* log, size_t count) {
  if (count <= log->capacity) return;
  log->capacity = count * 2 + 64;
  log->entries = must_realloc(log->entries, log->capacity * sizeof *log->entries);
}

void log_copy(struct log* target, const struct log* source) {
  reserve(target, source->count);
  target->first = source->first;
  target->term_before = source->term_before;
  target->count = source->count;
  target->snapshot = source->snapshot;
  if (source->count > 0) memcpy(target->entries, source->entries, source->count * sizeof *source->entries);
}

bool log_term(const struct log* log, raft_index index, raft_term* term) {
  const struct entry* const entry = log_at(log, index);
  if (entry != NULL)
    *term = entry->term;
  else if (index + 1 == log->first)
    *term = log->term_before;
  else
    return false;
  return true;
}

void log_truncate(struct log* log, raft_index from) {
  if (from <= log->first)
    log->count = 0;
  else if (from <= log_last(log))
    log->count = (size_t)(from - log->first);
}

void log_append(struct log* log, const struct entry* entry) {
  reserve(log, log->count + 1);
  log->entries[log->count++] = entry;
}

void log_install(struct log* log, const struct snapshot* snapshot) {
  log->snapshot = *snapshot;
  log->first = snapshot->index + 1;
  log->term_before = snapshot->term;
  log->count = 0;
}

void log_compact(struct log* log, const struct snapshot* snapshot, raft_index trailing) {
  log->snapshot = *snapshot;
  if (snapshot->index < log->first + trailing) return;
  const size_t dropped = (size_t)(snapshot->index - trailing - log->first + 1);
  log->term_before = log->entries[dropped - 1]->term;
  log->count -= dropped;
  memmove(log->entries, log->entries + dropped, log->count * sizeof *log->entries);
  log->first += dropped;
}

const struct members* log_members(const struct log* log, raft_index at) {
  for (size_t i = log->count; i > 0; i--) {
    const struct entry* const entry = log->entries[i - 1];
    if (entry->index <= at && entry->type == RAFT_CHANGE) return &entry->members;
  }
  return log->snapshot.index > 0 ? &log->snapshot.members : NULL;
}
