#include "kv_pending.h"

#include <string.h>

#include "kv_bytes.h"

struct id {
  uint64_t client;
  uint64_t sequence;
};

void kv_pending_init(struct kv_pending* pending) {
  pthread_mutex_init(&pending->mutex, NULL);
  kv_map_init(&pending->waiting);
}

void kv_pending_free(struct kv_pending* pending) {
  kv_map_free(&pending->waiting);
  pthread_mutex_destroy(&pending->mutex);
}

void kv_pending_add(struct kv_pending* pending, const struct kv_ticket* ticket) {
  const struct id id = {ticket->client, ticket->sequence};
  pthread_mutex_lock(&pending->mutex);
  kv_map_put(&pending->waiting, &id, sizeof id, &ticket->connection, sizeof ticket->connection);
  pthread_mutex_unlock(&pending->mutex);
}

static bool connection_of(const struct kv_pending* pending, const struct id* id, uint64_t* connection) {
  const struct kv_entry* const entry = kv_map_find(&pending->waiting, id, sizeof *id);
  if (entry == NULL) return false;
  memcpy(connection, kv_entry_value(entry), sizeof *connection);
  return true;
}

bool kv_pending_take(struct kv_pending* pending, uint64_t client, uint64_t sequence, uint64_t* connection) {
  const struct id id = {client, sequence};
  pthread_mutex_lock(&pending->mutex);
  const bool found = connection_of(pending, &id, connection);
  if (found) kv_map_remove(&pending->waiting, &id, sizeof id);
  pthread_mutex_unlock(&pending->mutex);
  return found;
}

bool kv_pending_take_ticket(struct kv_pending* pending, const struct kv_ticket* ticket) {
  const struct id id = {ticket->client, ticket->sequence};
  uint64_t connection = 0;
  pthread_mutex_lock(&pending->mutex);
  const bool found = connection_of(pending, &id, &connection) && connection == ticket->connection;
  if (found) kv_map_remove(&pending->waiting, &id, sizeof id);
  pthread_mutex_unlock(&pending->mutex);
  return found;
}

struct listing {
  struct kv_ticket* tickets;
  size_t count;
};

static void add_ticket(void* context, const struct kv_entry* entry) {
  struct listing* const listing = context;
  struct kv_ticket* const ticket = &listing->tickets[listing->count++];
  struct id id;
  memcpy(&id, kv_entry_key(entry), sizeof id);
  ticket->client = id.client;
  ticket->sequence = id.sequence;
  memcpy(&ticket->connection, kv_entry_value(entry), sizeof ticket->connection);
}

struct kv_ticket* kv_pending_list(struct kv_pending* pending, size_t* count) {
  pthread_mutex_lock(&pending->mutex);
  struct listing listing = {kv_allocate((pending->waiting.count + 1) * sizeof(struct kv_ticket)), 0};
  kv_map_each(&pending->waiting, add_ticket, &listing);
  pthread_mutex_unlock(&pending->mutex);
  *count = listing.count;
  return listing.tickets;
}
