#include "kv_sessions.h"

#include <stdlib.h>
#include <string.h>

void kv_sessions_free(struct kv_sessions* sessions) {
  for (size_t i = 0; i < sessions->count; i++) free(sessions->list[i]);
  free(sessions->list);
  memset(sessions, 0, sizeof *sessions);
}

/* The list is in ascending order of client: the first place at or above it. */
static size_t place_of(const struct kv_sessions* sessions, uint64_t client) {
  size_t low = 0;
  size_t high = sessions->count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (sessions->list[middle]->client < client)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static struct kv_session* session_of(const struct kv_sessions* sessions, uint64_t client) {
  const size_t place = place_of(sessions, client);
  if (place == sessions->count || sessions->list[place]->client != client) return NULL;
  return sessions->list[place];
}

enum kv_outcome kv_session_outcome(const struct kv_session* session, uint64_t sequence) {
  if (sequence < session->oldest) return KV_SETTLED;
  if (sequence - session->oldest >= KV_WINDOW) return KV_BEYOND_WINDOW;
  return (enum kv_outcome)session->outcomes[sequence % KV_WINDOW];
}

void kv_session_settle(struct kv_session* session, uint64_t sequence, enum kv_outcome outcome) {
  session->outcomes[sequence % KV_WINDOW] = (uint8_t)outcome;
}

enum kv_outcome kv_sessions_find(const struct kv_sessions* sessions, uint64_t client, uint64_t sequence) {
  const struct kv_session* const session = session_of(sessions, client);
  return session == NULL ? KV_NOT_DONE : kv_session_outcome(session, sequence);
}

static void forget_least_used(struct kv_sessions* sessions) {
  size_t least = 0;
  for (size_t i = 1; i < sessions->count; i++) {
    if (sessions->list[i]->last_index < sessions->list[least]->last_index) least = i;
  }
  free(sessions->list[least]);
  sessions->count--;
  memmove(&sessions->list[least], &sessions->list[least + 1],
          (sessions->count - least) * sizeof(struct kv_session*));
}

static struct kv_session* insert(struct kv_sessions* sessions, uint64_t client, uint64_t oldest) {
  if (sessions->list == NULL) sessions->list = kv_allocate(KV_SESSIONS_MAX * sizeof(struct kv_session*));
  if (sessions->count == KV_SESSIONS_MAX) forget_least_used(sessions);
  const size_t place = place_of(sessions, client);
  struct kv_session* const session = kv_allocate(sizeof *session);
  memset(session, 0, sizeof *session);
  session->client = client;
  session->oldest = oldest;
  memmove(&sessions->list[place + 1], &sessions->list[place],
          (sessions->count - place) * sizeof(struct kv_session*));
  sessions->list[place] = session;
  sessions->count++;
  return session;
}

struct kv_session* kv_sessions_use(struct kv_sessions* sessions, uint64_t client, uint64_t oldest,
                                   uint64_t index) {
  struct kv_session* session = session_of(sessions, client);
  if (session == NULL) session = insert(sessions, client, oldest);
  session->last_index = index;
  if (oldest > session->oldest) {
    if (oldest - session->oldest >= KV_WINDOW)
      memset(session->outcomes, KV_NOT_DONE, sizeof session->outcomes);
    else
      for (uint64_t left = session->oldest; left < oldest; left++)
        session->outcomes[left % KV_WINDOW] = KV_NOT_DONE;
    session->oldest = oldest;
  }
  return session;
}

void kv_sessions_encode(const struct kv_sessions* sessions, struct kv_bytes* to) {
  kv_bytes_add_u32(to, (uint32_t)sessions->count);
  for (size_t i = 0; i < sessions->count; i++) {
    const struct kv_session* const session = sessions->list[i];
    kv_bytes_add_u64(to, session->client);
    kv_bytes_add_u64(to, session->oldest);
    kv_bytes_add_u64(to, session->last_index);
    kv_bytes_add(to, session->outcomes, KV_WINDOW);
  }
}

bool kv_sessions_decode(struct kv_sessions* sessions, struct kv_reader* from) {
  const uint32_t count = kv_read_u32(from);
  if (from->failed || count > KV_SESSIONS_MAX) return false;
  uint64_t last_client = 0;
  for (uint32_t i = 0; i < count; i++) {
    const uint64_t client = kv_read_u64(from);
    const uint64_t oldest = kv_read_u64(from);
    const uint64_t last_index = kv_read_u64(from);
    const char* const outcomes = kv_read_bytes(from, KV_WINDOW);
    if (outcomes == NULL || (i != 0 && client <= last_client)) return false;
    last_client = client;
    struct kv_session* const session = insert(sessions, client, oldest);
    session->last_index = last_index;
    memcpy(session->outcomes, outcomes, KV_WINDOW);
  }
  return true;
}
