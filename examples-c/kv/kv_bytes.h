/* A growing byte buffer, and whole numbers in little-endian order: what encodings are made of. */
#ifndef KV_BYTES_H
#define KV_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is an empty buffer. */
struct kv_bytes {
  char* data;
  size_t size;
  size_t capacity;
};

/* The program ends when there is no memory: an example has nothing better to do. */
void* kv_allocate(size_t size);
void* kv_reallocate(void* memory, size_t size);

void kv_bytes_add(struct kv_bytes* bytes, const void* data, size_t size);
void kv_bytes_add_u8(struct kv_bytes* bytes, uint8_t value);
void kv_bytes_add_u32(struct kv_bytes* bytes, uint32_t value);
void kv_bytes_add_u64(struct kv_bytes* bytes, uint64_t value);
/* Drops `size` bytes from the front. */
void kv_bytes_drop(struct kv_bytes* bytes, size_t size);
void kv_bytes_free(struct kv_bytes* bytes);

/* Reads from the front; after a read beyond the end `failed` is set, and every value is 0 or NULL. */
struct kv_reader {
  const char* at;
  size_t left;
  bool failed;
};

uint8_t kv_read_u8(struct kv_reader* reader);
uint32_t kv_read_u32(struct kv_reader* reader);
uint64_t kv_read_u64(struct kv_reader* reader);
/* `size` bytes, where they lie. */
const char* kv_read_bytes(struct kv_reader* reader, size_t size);

/* 64 bits that depend on every byte (FNV-1a, then mixed). Not a protection against chosen keys. */
uint64_t kv_hash(uint64_t seed, const void* data, size_t size);

#endif
