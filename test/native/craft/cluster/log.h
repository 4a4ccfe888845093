/* Entries and logs as a program keeps them. An entry is one object for all servers that have it: who comes
 * with the same index and term must come with the same bytes behind the same term, and that is log matching.
 */
#ifndef POLYRAFT_CRAFT_CLUSTER_LOG_H
#define POLYRAFT_CRAFT_CLUSTER_LOG_H

#include <raft.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SERVERS = 5, NO_MEMBER = -1 };

/** A configuration: the role of each server by id, and the entry that it comes from. */
struct members {
  raft_index index;
  signed char roles[SERVERS + 1];
};

struct entry {
  raft_index index;
  raft_term term;
  raft_term term_before;
  unsigned short type;
  struct members members; /* of a RAFT_CHANGE */
  size_t length;
  unsigned char bytes[];
};

struct snapshot {
  raft_index index; /* 0: there is none */
  raft_term term;
  struct members members;
  uint64_t state;
};

struct log {
  raft_index first; /* of entries[0] */
  raft_term term_before;
  const struct entry** entries;
  size_t count;
  size_t capacity;
  struct snapshot snapshot;
};

struct world;

void known_entries_reset(void);
/** The entry of this index and term, which is remembered when it is new; fails the seed when it was another
 * one. */
const struct entry* known_entry(struct world* world, raft_index index, raft_term term_before,
                                const struct raft_entry* entry);

void members_clear(struct members* members);
void members_encode(const struct members* members, struct raft_buffer* encoded);
/** In the arena: a seed that fails leaves nothing behind. */
void members_configuration(const struct members* members, struct raft_configuration* configuration);
const char* address_of(raft_id id);

void log_reset(struct log* log);
void log_copy(struct log* target, const struct log* source);
static inline raft_index log_last(const struct log* log) {
  return log->first + log->count - 1;
}
static inline const struct entry* log_at(const struct log* log, raft_index index) {
  return index >= log->first && index <= log_last(log) ? log->entries[index - log->first] : NULL;
}
/** False when it is not known. */
bool log_term(const struct log* log, raft_index index, raft_term* term);
void log_truncate(struct log* log, raft_index from);
void log_append(struct log* log, const struct entry* entry);
/** The snapshot of another server, in the place of everything. */
void log_install(struct log* log, const struct snapshot* snapshot);
/** The own snapshot, behind which `trailing` entries stay. */
void log_compact(struct log* log, const struct snapshot* snapshot, raft_index trailing);
/** NULL when there is none. */
const struct members* log_members(const struct log* log, raft_index at);

#endif
