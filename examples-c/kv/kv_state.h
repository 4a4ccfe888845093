/*
 * The replicated state machine: pairs of key and value, and one session a client (kv_sessions.h). It knows
 * nothing of raft, threads or sockets; whoever owns it locks it.
 *
 * A snapshot is, numbers in little-endian order:
 *
 *   8 bytes  "PRKVSNP1"
 *   u64      writes carried out so far
 *   u64      repeated writes that were not carried out again
 *   sessions as of kv_sessions_encode
 *   u64      pairs, then for each u32 key bytes, u32 value bytes, key, value; in no order
 *   u64      the digest of what stands above, which a reader compares with that of what it has read
 *
 * The digest is the sum, modulo 2^64, of kv_hash(1, encoded) over the pairs, where a pair is encoded as in
 * the snapshot, plus kv_hash(2, encoded) of the sessions and kv_hash(3, encoded) of the two counters. So it
 * does not depend on the order of the pairs.
 */
#ifndef KV_STATE_H
#define KV_STATE_H

#include "kv_command.h"
#include "kv_map.h"
#include "kv_sessions.h"

struct kv_state {
  struct kv_map pairs;
  struct kv_sessions sessions;
  uint64_t writes;
  uint64_t repeats;
};

void kv_state_init(struct kv_state* state);
void kv_state_free(struct kv_state* state);

/* Carries out one committed write, unless that was done before; the answer is the first one's either way. */
enum kv_outcome kv_state_apply(struct kv_state* state, uint64_t index, const struct kv_command* command);

/* The value, valid until the next change; NULL when there is no such key. */
const char* kv_state_get(const struct kv_state* state, const char* key, size_t key_size, size_t* value_size);
enum kv_outcome kv_state_outcome(const struct kv_state* state, uint64_t client, uint64_t sequence);
uint64_t kv_state_digest(const struct kv_state* state);

void kv_state_encode(const struct kv_state* state, struct kv_bytes* to);
/* Replaces the state; false when the bytes are wrong, and then the state is unchanged. */
bool kv_state_decode(struct kv_state* state, const void* data, size_t size);

#endif
