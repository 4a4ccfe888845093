/*
 * Writes whose answer is due: by id (client, sequence), the connection that asked. Safe for all threads.
 */
#ifndef KV_PENDING_H
#define KV_PENDING_H

#include <pthread.h>

#include "kv_map.h"

struct kv_pending {
  pthread_mutex_t mutex;
  struct kv_map waiting;
};

/* One that is asked for on one connection. */
struct kv_ticket {
  uint64_t client;
  uint64_t sequence;
  uint64_t connection;
};

void kv_pending_init(struct kv_pending* pending);
void kv_pending_free(struct kv_pending* pending);

/* A client that asks again for the same write on another connection gets the answer there. */
void kv_pending_add(struct kv_pending* pending, const struct kv_ticket* ticket);
/* Takes the write out, and gives its connection; false when nobody waits for it. */
bool kv_pending_take(struct kv_pending* pending, uint64_t client, uint64_t sequence, uint64_t* connection);
/* Takes it out only when this ticket is the one that waits. */
bool kv_pending_take_ticket(struct kv_pending* pending, const struct kv_ticket* ticket);
/* All tickets as they are now, `*count` of them; free() them. */
struct kv_ticket* kv_pending_list(struct kv_pending* pending, size_t* count);

#endif
