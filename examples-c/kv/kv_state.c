#include "kv_state.h"

#include <string.h>

#define MAGIC "PRKVSNP1"
enum { MAGIC_BYTES = 8, PAIR_SEED = 1, SESSIONS_SEED = 2, COUNTERS_SEED = 3 };

void kv_state_init(struct kv_state* state) {
  memset(state, 0, sizeof *state);
  kv_map_init(&state->pairs);
}

void kv_state_free(struct kv_state* state) {
  kv_map_free(&state->pairs);
  kv_sessions_free(&state->sessions);
}

enum kv_outcome kv_state_apply(struct kv_state* state, uint64_t index, const struct kv_command* command) {
  struct kv_session* const session =
      kv_sessions_use(&state->sessions, command->client, command->oldest, index);
  const enum kv_outcome before = kv_session_outcome(session, command->sequence);
  if (before != KV_NOT_DONE) {
    state->repeats++;
    return before;
  }
  enum kv_outcome outcome = KV_DONE_SET;
  if (command->kind == KV_SET) {
    kv_map_put(&state->pairs, command->key, command->key_size, command->value, command->value_size);
  } else {
    const bool existed = kv_map_remove(&state->pairs, command->key, command->key_size);
    outcome = existed ? KV_DONE_DELETED : KV_DONE_NOTHING;
  }
  state->writes++;
  kv_session_settle(session, command->sequence, outcome);
  return outcome;
}

const char* kv_state_get(const struct kv_state* state, const char* key, size_t key_size, size_t* value_size) {
  const struct kv_entry* const entry = kv_map_find(&state->pairs, key, key_size);
  if (entry == NULL) return NULL;
  *value_size = entry->value_size;
  return kv_entry_value(entry);
}

enum kv_outcome kv_state_outcome(const struct kv_state* state, uint64_t client, uint64_t sequence) {
  return kv_sessions_find(&state->sessions, client, sequence);
}

static void encode_pair(const struct kv_entry* entry, struct kv_bytes* to) {
  kv_bytes_add_u32(to, entry->key_size);
  kv_bytes_add_u32(to, entry->value_size);
  kv_bytes_add(to, kv_entry_key(entry), (size_t)entry->key_size + entry->value_size);
}

struct pair_sum {
  struct kv_bytes encoded;
  uint64_t sum;
};

static void add_pair_hash(void* context, const struct kv_entry* entry) {
  struct pair_sum* const sum = context;
  sum->encoded.size = 0;
  encode_pair(entry, &sum->encoded);
  sum->sum += kv_hash(PAIR_SEED, sum->encoded.data, sum->encoded.size);
}

uint64_t kv_state_digest(const struct kv_state* state) {
  struct pair_sum sum = {0};
  kv_map_each(&state->pairs, add_pair_hash, &sum);
  sum.encoded.size = 0;
  kv_sessions_encode(&state->sessions, &sum.encoded);
  sum.sum += kv_hash(SESSIONS_SEED, sum.encoded.data, sum.encoded.size);
  sum.encoded.size = 0;
  kv_bytes_add_u64(&sum.encoded, state->writes);
  kv_bytes_add_u64(&sum.encoded, state->repeats);
  sum.sum += kv_hash(COUNTERS_SEED, sum.encoded.data, sum.encoded.size);
  kv_bytes_free(&sum.encoded);
  return sum.sum;
}

static void add_pair(void* context, const struct kv_entry* entry) {
  encode_pair(entry, context);
}

void kv_state_encode(const struct kv_state* state, struct kv_bytes* to) {
  kv_bytes_add(to, MAGIC, MAGIC_BYTES);
  kv_bytes_add_u64(to, state->writes);
  kv_bytes_add_u64(to, state->repeats);
  kv_sessions_encode(&state->sessions, to);
  kv_bytes_add_u64(to, state->pairs.count);
  kv_map_each(&state->pairs, add_pair, to);
  kv_bytes_add_u64(to, kv_state_digest(state));
}

static bool decode_into(struct kv_state* fresh, struct kv_reader* reader) {
  const char* const magic = kv_read_bytes(reader, MAGIC_BYTES);
  if (magic == NULL || memcmp(magic, MAGIC, MAGIC_BYTES) != 0) return false;
  fresh->writes = kv_read_u64(reader);
  fresh->repeats = kv_read_u64(reader);
  if (!kv_sessions_decode(&fresh->sessions, reader)) return false;
  const uint64_t pairs = kv_read_u64(reader);
  for (uint64_t i = 0; i < pairs && !reader->failed; i++) {
    const uint32_t key_size = kv_read_u32(reader);
    const uint32_t value_size = kv_read_u32(reader);
    const char* const key = kv_read_bytes(reader, key_size);
    const char* const value = kv_read_bytes(reader, value_size);
    if (value != NULL) kv_map_put(&fresh->pairs, key, key_size, value, value_size);
  }
  const uint64_t digest = kv_read_u64(reader);
  return !reader->failed && reader->left == 0 && digest == kv_state_digest(fresh);
}

bool kv_state_decode(struct kv_state* state, const void* data, size_t size) {
  struct kv_reader reader = {.at = data, .left = size, .failed = false};
  struct kv_state fresh;
  kv_state_init(&fresh);
  if (!decode_into(&fresh, &reader)) {
    kv_state_free(&fresh);
    return false;
  }
  kv_state_free(state);
  *state = fresh;
  return true;
}
