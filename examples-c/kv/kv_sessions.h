/*
 * What is remembered of each client, so that a write that arrives twice is carried out once.
 *
 * A client may have KV_WINDOW writes without an answer, and they may be committed in another order than they
 * were sent (some are lost when a leader dies, and sent again). So the last sequence alone does not tell what
 * was carried out: a session keeps the outcome of every sequence from `oldest` on, the client's oldest open
 * write. Sequences before `oldest` are settled: the client has their answers.
 *
 * Sessions are part of the replicated state. There are at most KV_SESSIONS_MAX; the one that was used longest
 * ago is forgotten first, which is the same on every node, since "ago" is counted in log indexes.
 */
#ifndef KV_SESSIONS_H
#define KV_SESSIONS_H

#include "kv_bytes.h"

enum { KV_WINDOW = 1024, KV_SESSIONS_MAX = 1024 };

enum kv_outcome {
  KV_NOT_DONE = 0,
  KV_DONE_SET = 1,
  /* DEL of a key that existed, and of one that did not. */
  KV_DONE_DELETED = 2,
  KV_DONE_NOTHING = 3,
  /* The sequence is below the window: it was done, and its client said that it has the answer. */
  KV_SETTLED = 4,
  /* The sequence is more than the window above the oldest: not carried out. */
  KV_BEYOND_WINDOW = 5
};

struct kv_session {
  uint64_t client;
  uint64_t oldest;
  uint64_t last_index;
  /* enum kv_outcome of sequence s at [s % KV_WINDOW], for oldest <= s < oldest + KV_WINDOW. */
  uint8_t outcomes[KV_WINDOW];
};

/* All zero is an empty table. */
struct kv_sessions {
  struct kv_session** list;
  size_t count;
};

void kv_sessions_free(struct kv_sessions* sessions);

/* What became of a write. */
enum kv_outcome kv_sessions_find(const struct kv_sessions* sessions, uint64_t client, uint64_t sequence);

/* The session of a client for a write at `index`, with its window moved up to `oldest`. Made when there is
 * none. */
struct kv_session* kv_sessions_use(struct kv_sessions* sessions, uint64_t client, uint64_t oldest,
                                   uint64_t index);
enum kv_outcome kv_session_outcome(const struct kv_session* session, uint64_t sequence);
void kv_session_settle(struct kv_session* session, uint64_t sequence, enum kv_outcome outcome);

/* Layout, sessions in ascending order of client: u32 count, then for each u64 client, u64 oldest, u64 last
 * index, KV_WINDOW bytes of outcomes (that of sequence s at s % KV_WINDOW). */
void kv_sessions_encode(const struct kv_sessions* sessions, struct kv_bytes* to);
/* Into an empty table; false when the bytes are wrong. */
bool kv_sessions_decode(struct kv_sessions* sessions, struct kv_reader* from);

#endif
