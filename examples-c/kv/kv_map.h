/* A hash map from bytes to bytes. Chained, doubled when it is full; not safe for several threads. */
#ifndef KV_MAP_H
#define KV_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The key and the value lie behind it. */
struct kv_entry {
  struct kv_entry* next;
  uint64_t hash;
  uint32_t key_size;
  uint32_t value_size;
};

static inline const char* kv_entry_key(const struct kv_entry* entry) {
  return (const char*)(entry + 1);
}

static inline const char* kv_entry_value(const struct kv_entry* entry) {
  return kv_entry_key(entry) + entry->key_size;
}

struct kv_map {
  struct kv_entry** buckets;
  size_t bucket_count;
  size_t count;
};

void kv_map_init(struct kv_map* map);
/* Removes everything and frees the memory; kv_map_init makes it usable again. */
void kv_map_free(struct kv_map* map);

/* NULL when there is no such key; valid until the next change of the map. */
const struct kv_entry* kv_map_find(const struct kv_map* map, const void* key, size_t key_size);
void kv_map_put(struct kv_map* map, const void* key, size_t key_size, const void* value, size_t value_size);
/* False when there was no such key. */
bool kv_map_remove(struct kv_map* map, const void* key, size_t key_size);

/* Calls `visit` for every entry, in no order; it must not change the map. */
void kv_map_each(const struct kv_map* map, void (*visit)(void* context, const struct kv_entry* entry),
                 void* context);

#endif
