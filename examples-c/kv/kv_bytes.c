#include "kv_bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void* kv_allocate(size_t size) {
  return kv_reallocate(NULL, size);
}

void* kv_reallocate(void* memory, size_t size) {
  void* const larger = realloc(memory, size);
  if (larger == NULL && size != 0) {
    fputs("out of memory\n", stderr);
    exit(1);
  }
  return larger;
}

void kv_bytes_add(struct kv_bytes* bytes, const void* data, size_t size) {
  if (bytes->capacity - bytes->size < size) {
    size_t capacity = bytes->capacity < 256 ? 256 : bytes->capacity;
    while (capacity - bytes->size < size) capacity *= 2;
    bytes->data = kv_reallocate(bytes->data, capacity);
    bytes->capacity = capacity;
  }
  if (size != 0) memcpy(bytes->data + bytes->size, data, size);
  bytes->size += size;
}

void kv_bytes_add_u8(struct kv_bytes* bytes, uint8_t value) {
  kv_bytes_add(bytes, &value, 1);
}

static void add_little_endian(struct kv_bytes* bytes, uint64_t value, size_t size) {
  unsigned char encoded[8];
  for (size_t i = 0; i < size; i++) encoded[i] = (unsigned char)(value >> (8 * i));
  kv_bytes_add(bytes, encoded, size);
}

void kv_bytes_add_u32(struct kv_bytes* bytes, uint32_t value) {
  add_little_endian(bytes, value, 4);
}

void kv_bytes_add_u64(struct kv_bytes* bytes, uint64_t value) {
  add_little_endian(bytes, value, 8);
}

void kv_bytes_drop(struct kv_bytes* bytes, size_t size) {
  bytes->size -= size;
  if (bytes->size != 0) memmove(bytes->data, bytes->data + size, bytes->size);
}

void kv_bytes_free(struct kv_bytes* bytes) {
  free(bytes->data);
  memset(bytes, 0, sizeof *bytes);
}

const char* kv_read_bytes(struct kv_reader* reader, size_t size) {
  if (reader->failed || reader->left < size) {
    reader->failed = true;
    return NULL;
  }
  const char* const found = reader->at;
  reader->at += size;
  reader->left -= size;
  return found;
}

static uint64_t read_little_endian(struct kv_reader* reader, size_t size) {
  const char* const encoded = kv_read_bytes(reader, size);
  uint64_t value = 0;
  if (encoded == NULL) return 0;
  for (size_t i = 0; i < size; i++) value |= (uint64_t)(unsigned char)encoded[i] << (8 * i);
  return value;
}

uint8_t kv_read_u8(struct kv_reader* reader) {
  return (uint8_t)read_little_endian(reader, 1);
}

uint32_t kv_read_u32(struct kv_reader* reader) {
  return (uint32_t)read_little_endian(reader, 4);
}

uint64_t kv_read_u64(struct kv_reader* reader) {
  return read_little_endian(reader, 8);
}

uint64_t kv_hash(uint64_t seed, const void* data, size_t size) {
  const unsigned char* const bytes = data;
  uint64_t hash = 0xcbf29ce484222325u ^ seed;
  for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
  return hash ^ (hash >> 33);
}
