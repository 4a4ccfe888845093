/*
 * A write as it travels through the log. Layout, numbers in little-endian order:
 *
 *   u8  kind          1 SET, 2 DEL
 *   u64 client        who wrote
 *   u64 sequence      which of that client's writes, from 1 on
 *   u64 oldest        the client's oldest write that it had no answer to: everything before it is settled
 *   u32 key bytes     then the key
 *       value         what is left (nothing for DEL)
 *
 * Client and sequence are the request's id: whoever sends the same write again uses the same id, and the
 * state machine carries it out once.
 */
#ifndef KV_COMMAND_H
#define KV_COMMAND_H

#include "kv_bytes.h"

enum kv_kind { KV_SET = 1, KV_DEL = 2 };

struct kv_command {
  enum kv_kind kind;
  uint64_t client;
  uint64_t sequence;
  uint64_t oldest;
  const char* key;
  size_t key_size;
  const char* value;
  size_t value_size;
};

void kv_command_encode(const struct kv_command* command, struct kv_bytes* to);
/* False when the bytes are no command. Key and value point into `data`. */
bool kv_command_decode(struct kv_command* command, const void* data, size_t size);

#endif
