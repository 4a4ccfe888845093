#include "kv_map.h"

#include <stdlib.h>
#include <string.h>

#include "kv_bytes.h"

enum { FIRST_BUCKETS = 64 };

static struct kv_entry** new_buckets(size_t count) {
  struct kv_entry** const buckets = kv_allocate(count * sizeof(struct kv_entry*));
  for (size_t i = 0; i < count; i++) buckets[i] = NULL;
  return buckets;
}

void kv_map_init(struct kv_map* map) {
  map->buckets = new_buckets(FIRST_BUCKETS);
  map->bucket_count = FIRST_BUCKETS;
  map->count = 0;
}

void kv_map_free(struct kv_map* map) {
  for (size_t i = 0; i < map->bucket_count; i++) {
    struct kv_entry* entry = map->buckets[i];
    while (entry != NULL) {
      struct kv_entry* const next = entry->next;
      free(entry);
      entry = next;
    }
  }
  free(map->buckets);
  memset(map, 0, sizeof *map);
}

/* Where the pointer to the entry stands, or to the end of its chain. */
static struct kv_entry** place_of(const struct kv_map* map, uint64_t hash, const void* key, size_t key_size) {
  struct kv_entry** place = &map->buckets[hash & (map->bucket_count - 1)];
  while (*place != NULL) {
    const struct kv_entry* const entry = *place;
    if (entry->hash == hash && entry->key_size == key_size && memcmp(kv_entry_key(entry), key, key_size) == 0)
      break;
    place = &(*place)->next;
  }
  return place;
}

static void grow(struct kv_map* map) {
  const size_t count = map->bucket_count * 2;
  struct kv_entry** const buckets = new_buckets(count);
  for (size_t i = 0; i < map->bucket_count; i++) {
    struct kv_entry* entry = map->buckets[i];
    while (entry != NULL) {
      struct kv_entry* const next = entry->next;
      struct kv_entry** const bucket = &buckets[entry->hash & (count - 1)];
      entry->next = *bucket;
      *bucket = entry;
      entry = next;
    }
  }
  free(map->buckets);
  map->buckets = buckets;
  map->bucket_count = count;
}

const struct kv_entry* kv_map_find(const struct kv_map* map, const void* key, size_t key_size) {
  return *place_of(map, kv_hash(0, key, key_size), key, key_size);
}

void kv_map_put(struct kv_map* map, const void* key, size_t key_size, const void* value, size_t value_size) {
  const uint64_t hash = kv_hash(0, key, key_size);
  struct kv_entry** const place = place_of(map, hash, key, key_size);
  struct kv_entry* const old = *place;
  struct kv_entry* const entry = kv_allocate(sizeof *entry + key_size + value_size);
  entry->hash = hash;
  entry->key_size = (uint32_t)key_size;
  entry->value_size = (uint32_t)value_size;
  char* const data = (char*)(entry + 1);
  memcpy(data, key, key_size);
  if (value_size != 0) memcpy(data + key_size, value, value_size);
  entry->next = old == NULL ? NULL : old->next;
  *place = entry;
  free(old);
  if (old != NULL) return;
  map->count++;
  if (map->count > map->bucket_count) grow(map);
}

bool kv_map_remove(struct kv_map* map, const void* key, size_t key_size) {
  struct kv_entry** const place = place_of(map, kv_hash(0, key, key_size), key, key_size);
  struct kv_entry* const entry = *place;
  if (entry == NULL) return false;
  *place = entry->next;
  free(entry);
  map->count--;
  return true;
}

void kv_map_each(const struct kv_map* map, void (*visit)(void* context, const struct kv_entry* entry),
                 void* context) {
  for (size_t i = 0; i < map->bucket_count; i++) {
    for (const struct kv_entry* entry = map->buckets[i]; entry != NULL; entry = entry->next)
      visit(context, entry);
  }
}
